package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/events"
)

// ErrNoDeadLetter is returned by Redrive when there is no such dead letter of
// that consumer: it was redriven before, or its time is over.
var ErrNoDeadLetter = errors.New("no such dead letter")

// DeadLetter is a message that a consumer could not handle.
type DeadLetter struct {
	Seq        uint64              `json:"seq"` // in stream DEADLETTERS: what Redrive takes
	Consumer   string              `json:"consumer"`
	Reason     string              `json:"reason"`
	Deliveries int                 `json:"deliveries"`
	Subject    string              `json:"subject"` // where it was published first
	At         time.Time           `json:"at"`
	Header     map[string][]string `json:"-"` // as published
	Body       []byte              `json:"-"`
	Event      *events.Event       `json:"event,omitempty"` // nil when it cannot be decoded
}

// DeadLetters lists what is parked, oldest first; consumer "" means of all.
// next is the after of the following page, 0 when there is no more. Limit 0
// is 100.
func (b *Bus) DeadLetters(ctx context.Context, consumer string, after uint64, limit int) (items []DeadLetter, next uint64, err error) {
	filter := "dlq.>"
	if consumer != "" {
		filter = "dlq." + consumer
	}
	next, err = b.read(ctx, StreamDeadLetters, PageOptions{Subjects: []string{filter}, After: after, Limit: limit}, func(m natsjs.Msg, meta *natsjs.MsgMetadata) bool {
		items = append(items, deadLetter(m.Subject(), m.Headers(), m.Data(), meta.Sequence.Stream, meta.Timestamp))
		return true
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list dead letters: %w", err)
	}
	return items, next, nil
}

func deadLetter(subject string, header nats.Header, body []byte, seq uint64, at time.Time) DeadLetter {
	d := DeadLetter{
		Seq:      seq,
		Consumer: strings.TrimPrefix(subject, "dlq."),
		Reason:   firstOf(header, headerReason, ""),
		Subject:  firstOf(header, headerSubject, ""),
		At:       at,
		Header:   ownHeaders(header),
		Body:     body,
	}
	d.Deliveries, _ = strconv.Atoi(firstOf(header, headerDeliveries, "0"))
	if e, err := events.DecodeNATS(header, body); err == nil {
		d.Event = &e
	}
	return d
}

// Redrive gives a dead letter to its consumer once more, to that one alone,
// and takes it off the list. If the consumer fails again it is a new dead
// letter.
func (b *Bus) Redrive(ctx context.Context, consumer string, seq uint64) error {
	stream, err := b.js.Stream(ctx, StreamDeadLetters)
	if err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	raw, err := stream.GetMsg(ctx, seq)
	if errors.Is(err, natsjs.ErrMsgNotFound) || (err == nil && raw.Subject != "dlq."+consumer) {
		return fmt.Errorf("redrive %d of %s: %w", seq, consumer, ErrNoDeadLetter)
	}
	if err != nil {
		return fmt.Errorf("redrive %d of %s: %w", seq, consumer, err)
	}
	m := &nats.Msg{Subject: "redrive." + consumer, Header: ownHeaders(raw.Header), Data: raw.Data}
	m.Header.Set(headerSubject, firstOf(raw.Header, headerSubject, ""))
	// Asked for twice, it goes once: the id is that of the letter.
	if _, err := b.js.PublishMsg(ctx, m, natsjs.WithMsgID(fmt.Sprintf("redrive:%d", seq))); err != nil {
		return fmt.Errorf("redrive %d of %s: %w", seq, consumer, err)
	}
	if err := stream.DeleteMsg(ctx, seq); err != nil && !errors.Is(err, natsjs.ErrMsgNotFound) && !errors.Is(err, natsjs.ErrMsgDeleteUnsuccessful) {
		return fmt.Errorf("redriven %d of %s, but it is still listed: %w", seq, consumer, err)
	}
	return nil
}
