// Package jetstream is a Watermill publisher and subscriber for NATS
// JetStream, on the jetstream package of nats.go. It passes Watermill's own
// pubsub/tests suite.
package jetstream

import (
	"context"
	"fmt"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// toNATS maps UUID to Nats-Msg-Id and metadata to headers.
func toNATS(subject string, msg *message.Message) (*nats.Msg, error) {
	m := &nats.Msg{Subject: subject, Data: msg.Payload, Header: make(nats.Header, len(msg.Metadata)+1)}
	for k, v := range msg.Metadata {
		if k == "" || strings.ContainsAny(k, ":\r\n \t") {
			return nil, fmt.Errorf("publish %s to %s: %q cannot be the name of a header", msg.UUID, subject, k)
		}
		if strings.ContainsAny(v, "\r\n") {
			return nil, fmt.Errorf("publish %s to %s: the value of header %q has a line break", msg.UUID, subject, k)
		}
		m.Header[k] = []string{v} // as it is written: NATS headers are case-sensitive
	}
	if msg.UUID != "" {
		m.Header[nats.MsgIdHdr] = []string{msg.UUID}
	}
	return m, nil
}

// fromNATS is the reverse; of a header with several values the first counts.
// All of them are in Received.
func fromNATS(ctx context.Context, m jetstream.Msg) *message.Message {
	header := m.Headers()
	msg := message.NewMessage(header.Get(nats.MsgIdHdr), m.Data())
	for k, v := range header {
		if len(v) > 0 && k != nats.MsgIdHdr {
			msg.Metadata[k] = v[0]
		}
	}
	msg.SetContext(context.WithValue(ctx, receivedKey{}, Received{m}))
	return msg
}

type receivedKey struct{}

// Received is the NATS message behind a Watermill message.
type Received struct{ msg jetstream.Msg }

// ReceivedFrom finds it in a message's context.
func ReceivedFrom(ctx context.Context) (Received, bool) {
	r, ok := ctx.Value(receivedKey{}).(Received)
	return r, ok
}

// Subject it was stored under.
func (r Received) Subject() string { return r.msg.Subject() }

// Header as stored, with all values. Not to be changed.
func (r Received) Header() map[string][]string { return r.msg.Headers() }

// Body as stored. Not to be changed.
func (r Received) Body() []byte { return r.msg.Data() }

// Delivery counts from 1. Sequence is the stream's.
func (r Received) Delivery() (delivery int, sequence uint64) {
	meta, err := r.msg.Metadata()
	if err != nil {
		return 1, 0
	}
	return int(meta.NumDelivered), meta.Sequence.Stream
}
