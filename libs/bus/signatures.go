package bus

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
)

var errTodo = errors.New("bus: not written yet")

func newSettings(opts []Option) settings {
	s := settings{}
	for _, o := range opts {
		o(&s)
	}
	return s
}
func undecodable(err error) error       { return Permanent(err) }
func streamOf(subjects []string) string { return StreamEvents }
func consumerOf(d events.Description, durable string, s settings) Consumer {
	return Consumer{Durable: durable, settings: s}
}

// Prepare makes or reconciles the durables of consumers at the server, so that
// nothing published from now on is missed. Run does it too; an all-in-one
// process calls it for every service before any of them publishes.
func (b *Bus) Prepare(ctx context.Context, service string, consumers []Consumer) error {
	return errTodo
}

// Run consumes until ctx ends, then lets the handlers at work finish.
// It returns nil when ctx ended, and an error when it could not begin.
func (b *Bus) Run(ctx context.Context, service string, consumers []Consumer) error { return errTodo }

// Relay publishes what services committed to their outbox, in order per
// aggregate, until ctx ends. An entry is marked after the stream has it.
func (b *Bus) Relay(ctx context.Context, outbox store.Outbox) error { return errTodo }

// Request asks on an rpc.* subject and decodes the answer into out. An error
// of the other side is a *RemoteError; nobody there is ErrNoResponder.
func (b *Bus) Request(ctx context.Context, subject string, in, out any) error { return errTodo }

// Serve answers requests on subject until ctx ends; of several processes with
// the same queue one answers each. A handler's error travels as problem JSON.
func (b *Bus) Serve(ctx context.Context, subject, queue string, h func(context.Context, []byte) ([]byte, error)) error {
	return errTodo
}

// ErrNoResponder is returned by Request when nobody serves the subject.
var ErrNoResponder = errors.New("nobody answers on this subject")

// RemoteError is an error of the side that served a request.
type RemoteError struct {
	Status  int // as an HTTP status
	Title   string
	Detail  string
	Problem json.RawMessage // the problem document as it was sent
}

func (e *RemoteError) Error() string { return e.Title + ": " + e.Detail }

// Stored is an event with its place in a stream.
type Stored struct {
	Event   events.Event
	Subject string    // NATS subject
	Seq     uint64    // sequence in the stream
	Time    time.Time // when the stream stored it
}

// TailOptions say what to read and from where. With none of StartSeq,
// StartTime and New set, reading begins at the first message.
type TailOptions struct {
	Subjects  []string // filters of one stream; all of EVENTS when empty
	StartSeq  uint64
	StartTime time.Time
	New       bool
}

// Tail yields events as they are stored until ctx ends or the loop is left. It
// survives reconnects without gap or repetition. Messages that are not events
// are passed over. An error is yielded last.
func (b *Bus) Tail(ctx context.Context, o TailOptions) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) { yield(Stored{}, errTodo) }
}

// PageOptions say what to read. Order is that of the stream.
type PageOptions struct {
	Subjects  []string // filters of one stream; all of EVENTS when empty
	After     uint64   // sequence; 0 from the first
	StartTime time.Time
	Limit     int // 100 when zero
}

// Page reads at most Limit events that are there now. next is the After of the
// following page, and 0 when there was no more.
func (b *Bus) Page(ctx context.Context, o PageOptions) (items []Stored, next uint64, err error) {
	return nil, 0, errTodo
}

// Epoch names this incarnation of a stream: a cursor of another epoch is void.
func (b *Bus) Epoch(ctx context.Context, stream string) (string, error) { return "", errTodo }

// DeadLetter is a message that a consumer could not handle.
type DeadLetter struct {
	Seq      uint64              `json:"seq"`
	Consumer string              `json:"consumer"`
	Reason   string              `json:"reason"`
	Delivery int                 `json:"deliveries"`
	Subject  string              `json:"subject"` // where it was published first
	At       time.Time           `json:"at"`
	Header   map[string][]string `json:"-"` // original headers
	Body     []byte              `json:"-"`
	Event    *events.Event       `json:"event,omitempty"` // nil when it cannot be decoded
}

// DeadLetters lists what is parked, oldest first; consumer "" means of all.
// next is the after of the following page, 0 when there is no more.
func (b *Bus) DeadLetters(ctx context.Context, consumer string, after uint64, limit int) (items []DeadLetter, next uint64, err error) {
	return nil, 0, errTodo
}

// Redrive gives a dead letter to its consumer once more, to that one alone,
// and takes it off the list. *NotFoundError-like: ErrNoDeadLetter.
func (b *Bus) Redrive(ctx context.Context, consumer string, seq uint64) error { return errTodo }

// ErrNoDeadLetter is returned by Redrive when there is no such dead letter.
var ErrNoDeadLetter = errors.New("no such dead letter")
