package bus

import (
	"context"
	"time"

	"github.com/slipway-idp/slipway/events"
)

// Message is what a typed handler is called with.
type Message[T any] struct {
	Event    events.Event
	Data     T
	Cause    events.Cause // pass it on to what the handler commits
	Delivery int          // 1 for the first
	Subject  string       // the NATS subject it was published on
}

// Definition is a type of event as a consumer sees it: events.Definition and
// the definitions of events/cdevents are such.
type Definition[T any] interface {
	Type() string
	Decode(events.Event) (T, error)
	Describe() events.Description
}

// Consumer is a durable name with what it listens to and its handler. It is
// made by On or OnAll and given to Bus.Run.
type Consumer struct {
	// Durable is a constant of the service and is never renamed: it names the
	// JetStream consumer, the dead letters and the inbox mark. No dots.
	Durable string

	stream   string
	subjects []string
	command  string // full type of the command; "" for a consumer of its own
	owner    string // Command: the service that may consume it
	handle   func(context.Context, delivered) error
	settings settings
}

// delivered is a decoded event with where it came from.
type delivered struct {
	event    events.Event
	cause    events.Cause
	subject  string
	delivery int
}

type settings struct {
	history       bool
	origins       []string // first tokens of EVENTS subjects
	concurrency   int
	maxDeliveries int
	ackWait       time.Duration
	timeout       time.Duration
	backoff       func(delivery int) time.Duration
}

// Option changes how a consumer consumes.
type Option func(*settings)

// FromOutside consumes what outsiders stated (ext.) in place of our own (evt.).
func FromOutside() Option { return func(s *settings) { s.origins = []string{"ext"} } }

// FromAnywhere consumes our own facts and outsiders'.
func FromAnywhere() Option { return func(s *settings) { s.origins = []string{"evt", "ext"} } }

// WithHistory begins at the start of the stream when the durable is new: for
// projections. Without it a new durable sees only what is published from then
// on, so that an upgrade never acts on the past again.
func WithHistory() Option { return func(s *settings) { s.history = true } }

// Concurrency is how many messages are handled at a time: 8 unless set.
// Messages of one source and subject are handled one after another all the
// same, except for retries. 1 keeps the stream's order for all of them.
func Concurrency(n int) Option { return func(s *settings) { s.concurrency = n } }

// MaxDeliveries is how often a message is tried before it is dead-lettered:
// 10 unless set.
func MaxDeliveries(n int) Option { return func(s *settings) { s.maxDeliveries = n } }

// Timeout bounds one call of the handler; none unless set.
func Timeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// Backoff says how long to wait before the next try, by the number of
// deliveries so far (1 after the first failure). 100 ms, growing fourfold to
// 30 s, unless set.
func Backoff(f func(delivery int) time.Duration) Option {
	return func(s *settings) { s.backoff = f }
}

// AckWait is after how long a message whose handler's process died comes
// again: 10 s unless set. A handler that is at work may take longer.
func AckWait(d time.Duration) Option { return func(s *settings) { s.ackWait = d } }

// On consumes the events of a definition. Commands of a service share one
// durable at the server, and durable is then the handler's name only.
func On[T any](def Definition[T], durable string, h func(context.Context, Message[T]) error, opts ...Option) Consumer {
	c := consumerOf(def.Describe(), durable, newSettings(opts))
	c.handle = func(ctx context.Context, d delivered) error {
		data, err := def.Decode(d.event)
		if err != nil {
			return undecodable(err)
		}
		return h(ctx, Message[T]{Event: d.event, Data: data, Cause: d.cause, Delivery: d.delivery, Subject: d.subject})
	}
	return c
}

// OnAll consumes every event of one stream whose NATS subject matches one of
// subjects, such as "evt.>" and "ext.>".
func OnAll(durable string, subjects []string, h func(context.Context, Message[events.Event]) error, opts ...Option) Consumer {
	c := Consumer{Durable: durable, subjects: subjects, stream: streamOf(subjects), settings: newSettings(opts)}
	c.handle = func(ctx context.Context, d delivered) error {
		return h(ctx, Message[events.Event]{Event: d.event, Data: d.event, Cause: d.cause, Delivery: d.delivery, Subject: d.subject})
	}
	return c
}
