package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrClosed is returned by a Publisher or Subscriber that was closed.
var ErrClosed = errors.New("closed")

// PublisherConfig says how to publish. JetStream is required.
type PublisherConfig struct {
	JetStream jetstream.JetStream
	// AckTimeout is how long to wait until the stream says that it has a
	// message; 10 s when zero. After it the message may or may not be there,
	// and publishing it again with the same UUID is harmless.
	AckTimeout time.Duration
}

// Publisher is a Watermill publisher to JetStream. A topic is a NATS subject
// that some stream listens to. Publish returns when the stream has stored every
// message. A message's UUID is its Nats-Msg-Id, so that one published twice
// within the stream's window is stored once; its metadata are the headers.
type Publisher struct {
	c PublisherConfig

	mu     sync.RWMutex // held for reading while publishing, so that Close waits
	closed bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher on the connection of c.JetStream, which it
// does not close.
func NewPublisher(c PublisherConfig) *Publisher {
	if c.AckTimeout == 0 {
		c.AckTimeout = 10 * time.Second
	}
	return &Publisher{c: c}
}

// Publish stores the messages in their order. An error means that at least one
// of them may not be stored; publishing all of them again is safe.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return fmt.Errorf("publish to %s: publisher is %w", topic, ErrClosed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.c.AckTimeout)
	defer cancel()
	if len(messages) == 1 {
		m, err := toNATS(topic, messages[0])
		if err != nil {
			return err
		}
		if _, err := p.c.JetStream.PublishMsg(ctx, m); err != nil {
			return fmt.Errorf("publish %s to %s: %w", messages[0].UUID, topic, err)
		}
		return nil
	}
	return p.publishMany(ctx, topic, messages)
}

// publishMany keeps several under way at once: the server then shares an fsync
// between them where it can, and no round trip is waited for alone.
func (p *Publisher) publishMany(ctx context.Context, topic string, messages []*message.Message) error {
	encoded := make([]*nats.Msg, 0, len(messages))
	for _, msg := range messages {
		m, err := toNATS(topic, msg)
		if err != nil {
			return err // before any is sent
		}
		encoded = append(encoded, m)
	}
	acks := make([]jetstream.PubAckFuture, 0, len(encoded))
	for _, m := range encoded {
		// A full window is waited for and never a reason to drop.
		ack, err := p.c.JetStream.PublishMsgAsync(m, jetstream.WithStallWait(p.c.AckTimeout))
		if err != nil {
			return fmt.Errorf("publish %s to %s: %w", m.Header.Get(nats.MsgIdHdr), topic, err)
		}
		acks = append(acks, ack)
	}
	var problems []error
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			problems = append(problems, fmt.Errorf("publish %s to %s: %w", ack.Msg().Header.Get(nats.MsgIdHdr), topic, err))
		case <-ctx.Done():
			return errors.Join(append(problems, fmt.Errorf("publish to %s: %w", topic, ctx.Err()))...)
		}
	}
	return errors.Join(problems...)
}

// Close waits for what is being published. Publishing afterwards is an error.
func (p *Publisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
