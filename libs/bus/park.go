package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/libs/bus/jetstream"
)

// Headers that a dead letter has beside the message's own.
const (
	headerReason     = "Slipway-Reason"
	headerDeliveries = "Slipway-Deliveries"
	headerSubject    = "Slipway-Subject" // where it was published first
	headerSequence   = "Slipway-Sequence"
	headerAt         = "Slipway-Parked-At"
	headerTruncated  = "Slipway-Truncated" // the body was too large to keep whole
)

const (
	maxReason   = 1024
	parkTimeout = 10 * time.Second
)

// errExhausted is the reason where no handler lived to tell one.
var errExhausted = errors.New("the handler did not come back in any of these deliveries: it crashed, hung or was killed")

// park makes a dead letter of what is permanent, and of what was tried too
// often. The count is checked before the handler is called too, because a
// message that kills the process never comes back from it.
func (b *Bus) park(l listener) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			ctx := msg.Context()
			r, ok := jetstream.ReceivedFrom(ctx)
			if !ok {
				return next(msg)
			}
			c := l.consumerOf(r)
			delivery, _ := r.Delivery()
			if delivery > c.settings.maxDeliveries {
				return nil, b.deadLetter(ctx, c.Durable, r, errExhausted)
			}
			out, err := next(msg)
			if err == nil || cutShort(ctx, err) || (!IsPermanent(err) && delivery < c.settings.maxDeliveries) {
				return out, err
			}
			return nil, b.deadLetter(ctx, c.Durable, r, err)
		}
	}
}

// deadLetter stores the message under dlq.<consumer> with its own headers and
// the reason. When that fails the message is not acked and comes again.
func (b *Bus) deadLetter(ctx context.Context, consumer string, r jetstream.Received, reason error) error {
	delivery, sequence := r.Delivery()
	subject := firstOf(r.Header(), headerSubject, r.Subject())
	m := &nats.Msg{Subject: "dlq." + consumer, Header: ownHeaders(r.Header()), Data: r.Body()}
	m.Header.Set(headerReason, oneLine(reason.Error(), maxReason))
	m.Header.Set(headerDeliveries, strconv.Itoa(delivery))
	m.Header.Set(headerSubject, subject)
	m.Header.Set(headerSequence, strconv.FormatUint(sequence, 10))
	m.Header.Set(headerAt, b.clock().UTC().Format(time.RFC3339Nano))
	// A message near the server's limit would not fit with the headers added.
	if room := int(b.nc.MaxPayload()) - headerSize(m.Header); len(m.Data) > room && room > 0 {
		m.Data = m.Data[:room]
		m.Header.Set(headerTruncated, "true")
	}
	// The same delivery parked twice, by a crash before the ack, is one letter.
	id := fmt.Sprintf("dlq:%s:%s:%d", consumer, r.Subject(), sequence)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parkTimeout)
	defer cancel()
	if _, err := b.js.PublishMsg(ctx, m, natsjs.WithMsgID(id)); err != nil {
		return fmt.Errorf("park in dlq.%s (%s): %w", consumer, oneLine(reason.Error(), 200), err)
	}
	b.log.Error().Str("consumer", consumer).Str("subject", subject).Str("event", firstOf(r.Header(), "ce-id", "")).
		Int("deliveries", delivery).Str("reason", oneLine(reason.Error(), maxReason)).
		Msg("event is a dead letter: look at it with `slipway events dead-letters`")
	return nil
}

// ownHeaders are a message's headers without those by which a server or an
// earlier parking did something with it.
func ownHeaders(header map[string][]string) nats.Header {
	own := nats.Header{}
	for k, v := range header {
		if !strings.HasPrefix(k, "Nats-") && !strings.HasPrefix(k, "Slipway-") {
			own[k] = v
		}
	}
	return own
}

func headerSize(h nats.Header) int {
	n := 64 // status line, and what the client adds
	for k, values := range h {
		for _, v := range values {
			n += len(k) + len(v) + 4
		}
	}
	return n
}

// firstOf is the first value of a header, or otherwise.
func firstOf(header map[string][]string, name, otherwise string) string {
	if v := header[name]; len(v) > 0 {
		return v[0]
	}
	return otherwise
}

// oneLine makes a text fit for a header.
func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most-len("…")], "") + "…"
	}
	return s
}
