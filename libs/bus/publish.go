package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/slipway-idp/slipway/libs/store"
)

// Headers of an atomic batch; nats.go v1.55 has no call for it.
// Source: github.com/nats-io/nats-architecture-and-design, ADR-50.
const (
	headerBatch       = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// publishOne stores one message. One that the stream had already is no error.
func (b *Bus) publishOne(ctx context.Context, m store.Message) error {
	ctx, cancel := context.WithTimeout(ctx, relayAck)
	defer cancel()
	_, err := b.js.PublishMsg(ctx, natsMessage(m))
	return err
}

// publishBatch stores all messages with one fsync, or none. The entries go to
// one stream. The answer to the last message is the answer to all.
func (b *Bus) publishBatch(ctx context.Context, entries []store.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, relayAck)
	defer cancel()
	id := nuid.Next()
	for i, e := range entries {
		m := natsMessage(e.Message)
		m.Header.Set(headerBatch, id)
		m.Header.Set(headerBatchSeq, strconv.Itoa(i+1))
		if i < len(entries)-1 {
			if err := b.nc.PublishMsg(m); err != nil {
				return fmt.Errorf("publish a batch: %w", err)
			}
			continue
		}
		m.Header.Set(headerBatchCommit, "1")
		answer, err := b.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return fmt.Errorf("publish a batch: %w", err)
		}
		return batchAnswer(answer.Data, len(entries))
	}
	return nil
}

func batchAnswer(data []byte, want int) error {
	var answer struct {
		Error *natsjs.APIError `json:"error"`
		Count int              `json:"count"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("publish a batch: answer %q: %w", data, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("publish a batch: %w", answer.Error)
	}
	if answer.Count != want {
		return errors.New("publish a batch: the server does not know atomic batches")
	}
	return nil
}

func natsMessage(m store.Message) *nats.Msg {
	n := &nats.Msg{Subject: m.Subject, Data: m.Body, Header: make(nats.Header, len(m.Header)+4)}
	for k, v := range m.Header {
		n.Header[k] = v
	}
	if m.ID != "" {
		n.Header[nats.MsgIdHdr] = []string{m.ID}
	}
	return n
}
