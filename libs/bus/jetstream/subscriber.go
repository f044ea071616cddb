package jetstream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// SubscriberConfig says how to consume. Conn and Consumer are required.
type SubscriberConfig struct {
	Conn *nats.Conn
	// Consumer finds, or makes, the durable pull consumer of a topic. It is
	// asked again when the consumer is gone from the server.
	Consumer func(ctx context.Context, topic string) (jetstream.Consumer, error)
	// Initialize makes what a topic needs before the first publish; optional.
	Initialize func(ctx context.Context, topic string) error
	// Concurrency is how many messages are with the handler at a time; 1 when
	// zero, which keeps the stream's order except for messages tried again.
	Concurrency int
	// Prefetch is how many messages are taken from the server before they are
	// handled, those with the handler included: twice Concurrency when zero.
	// It is the backpressure, and what a crash makes come again.
	Prefetch int
	// Lane returns what must be handled one after another: messages with equal
	// lanes never run side by side. By the NATS subject when nil.
	Lane func(header map[string][]string, subject string) string
	// Backoff is the wait after the n-th delivery was nacked; 100 ms when nil.
	Backoff func(r Received, delivery int) time.Duration
	// Heartbeat is how often the server is told that a message is still at
	// work: well below the consumer's AckWait. 3 s when zero.
	Heartbeat time.Duration
	// CloseTimeout is how long handlers may go on after Close or the end of
	// the subscription's context, before their context ends; 10 s when zero.
	CloseTimeout time.Duration
	Log          zerolog.Logger
}

func (c SubscriberConfig) withDefaults() SubscriberConfig {
	if c.Concurrency < 1 {
		c.Concurrency = 1
	}
	if c.Prefetch < c.Concurrency {
		c.Prefetch = 2 * c.Concurrency
	}
	if c.Lane == nil {
		c.Lane = func(_ map[string][]string, subject string) string { return subject }
	}
	if c.Backoff == nil {
		c.Backoff = func(Received, int) time.Duration { return 100 * time.Millisecond }
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 3 * time.Second
	}
	if c.CloseTimeout == 0 {
		c.CloseTimeout = 10 * time.Second
	}
	return c
}

// Subscriber is a Watermill subscriber to JetStream: one durable pull consumer
// per topic, shared by everyone who subscribes with the same durable.
//
// A message is acked at the server when it is acked here, without waiting for
// the server's answer: one that comes again must be harmless anyway. A nacked
// message comes again after Backoff. Nothing is ever given up here.
type Subscriber struct {
	c SubscriberConfig

	mu      sync.Mutex
	closed  bool
	closing context.CancelFunc
	ended   context.Context // done when Close was called
	running sync.WaitGroup
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber returns a subscriber on c.Conn, which it does not close.
func NewSubscriber(c SubscriberConfig) *Subscriber {
	s := &Subscriber{c: c.withDefaults()}
	s.ended, s.closing = context.WithCancel(context.Background())
	return s
}

// SubscribeInitialize makes what the topic needs, and its consumer.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	if s.c.Initialize != nil {
		if err := s.c.Initialize(s.ended, topic); err != nil {
			return fmt.Errorf("initialize %s: %w", topic, err)
		}
	}
	if _, err := s.c.Consumer(s.ended, topic); err != nil {
		return fmt.Errorf("initialize %s: %w", topic, err)
	}
	return nil
}

// Subscribe yields messages until ctx ends or Close is called; each must be
// acked or nacked. The channel is closed when the last handler is done.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("subscribe to %s: subscriber is %w", topic, ErrClosed)
	}
	consumer, err := s.c.Consumer(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	sub := newSubscription(s.c, topic, consumer)
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		sub.run(ctx, s.ended)
	}()
	return sub.out, nil
}

// Close stops pulling, waits until every message handed out is acked or nacked
// or CloseTimeout is over, and closes the channels. What was fetched and not
// handed out goes back to the server.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.closing()
	s.running.Wait()
	return nil
}
