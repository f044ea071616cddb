package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus/jetstream"
)

// Prepare makes the durables of consumers at the server, or brings existing
// ones to what the consumers say, so that nothing published from now on is
// missed. Run does it too; an all-in-one process calls it for every service
// before any of them publishes.
func (b *Bus) Prepare(ctx context.Context, service string, consumers []Consumer) error {
	all, err := listeners(service, consumers)
	if err != nil {
		return fmt.Errorf("consumers of %s: %w", service, err)
	}
	_, err = b.durables(ctx, all)
	return err
}

// durables makes or reconciles the durable of each listener.
func (b *Bus) durables(ctx context.Context, all []listener) ([]natsjs.Consumer, error) {
	made := make([]natsjs.Consumer, 0, len(all))
	for _, l := range all {
		c, err := b.durable(ctx, l)
		if err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, nil
}

// Run consumes until ctx ends, then lets the handlers at work finish (10 s at
// most, then their context ends). It returns nil when ctx ended, and an error
// when it could not begin.
func (b *Bus) Run(ctx context.Context, service string, consumers []Consumer) error {
	all, err := listeners(service, consumers)
	if err != nil {
		return fmt.Errorf("consumers of %s: %w", service, err)
	}
	if len(all) == 0 {
		<-ctx.Done()
		return nil
	}
	router, err := b.router()
	if err != nil {
		return err
	}
	// All of them before the router runs: a subscription that fails half way
	// would leave the others' handlers behind.
	b.preparing.Add(1)
	made, err := b.durables(ctx, all)
	b.preparing.Add(-1)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("consume for %s: %w", service, err)
	}
	for i, l := range all {
		router.AddConsumerHandler(l.durable, l.durable, b.subscriber(l, made[i]), b.handler(l)).AddMiddleware(b.middlewares(l)...)
	}
	if err := router.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("consume for %s: %w", service, err)
	}
	return nil
}

// subscriber of a listener: the topic is not used, since the durable is known.
func (b *Bus) subscriber(l listener, made natsjs.Consumer) message.Subscriber {
	var asked atomic.Bool
	find := func(ctx context.Context, _ string) (natsjs.Consumer, error) {
		if !asked.Swap(true) {
			return made, nil
		}
		return b.durable(ctx, l) // it is gone from the server
	}
	return jetstream.NewSubscriber(jetstream.SubscriberConfig{
		Conn:        b.nc,
		Consumer:    find,
		Concurrency: l.settings.concurrency,
		Prefetch:    l.settings.prefetch,
		Lane:        lane,
		Backoff: func(r jetstream.Received, delivery int) time.Duration {
			return l.consumerOf(r).settings.backoff(delivery)
		},
		Heartbeat: l.settings.ackWait / 3,
		Log:       b.log,
	})
}

// lane keeps the events of one aggregate one after another.
func lane(header map[string][]string, subject string) string {
	first := func(name string) string {
		if v := header[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	if s := first("ce-subject"); s != "" {
		return first("ce-source") + "\x00" + first("ce-project") + "\x00" + s
	}
	return subject
}

// handler decodes a message once and calls the consumer it is for.
func (b *Bus) handler(l listener) message.NoPublishHandlerFunc {
	return func(msg *message.Message) error {
		r, ok := jetstream.ReceivedFrom(msg.Context())
		if !ok {
			return errors.New("message did not come from JetStream")
		}
		c := l.consumerOf(r)
		if c.handle == nil {
			return Permanent(fmt.Errorf("nobody handles %s", l.first(r)))
		}
		e, err := events.DecodeNATS(r.Header(), r.Body())
		if err != nil {
			return Permanent(err)
		}
		delivery, sequence := r.Delivery()
		d := delivered{event: e, cause: events.CauseOf(e, c.Durable), subject: l.first(r), delivery: delivery, sequence: sequence}
		ctx := msg.Context()
		if c.settings.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, c.settings.timeout)
			defer cancel()
		}
		return c.handle(ctx, d)
	}
}

// durable makes or reconciles a consumer at the server. While the server does
// not answer it goes on trying until ctx ends.
func (b *Bus) durable(ctx context.Context, l listener) (natsjs.Consumer, error) {
	for told := false; ; told = true {
		c, err := b.reconcile(ctx, l)
		if err == nil {
			return c, nil
		}
		err = fmt.Errorf("consumer %s of stream %s: %w", l.durable, l.stream, err)
		if !noAnswer(err) {
			return nil, err
		}
		if !told {
			b.log.Warn().Err(err).Msg("waiting for the NATS server")
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(reconcilePause):
		}
	}
}

const reconcilePause = 500 * time.Millisecond

// noAnswer is whether the server, or JetStream in it, was not there.
func noAnswer(err error) bool {
	for _, e := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionReconnecting,
		nats.ErrDisconnected, natsjs.ErrJetStreamNotEnabled,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reconcile makes a consumer. Where one exists, it keeps its place in the
// stream: only what it listens to and its limits follow.
func (b *Bus) reconcile(ctx context.Context, l listener) (natsjs.Consumer, error) {
	want := l.config()
	have, err := b.js.Consumer(ctx, l.stream, l.durable)
	if errors.Is(err, natsjs.ErrConsumerNotFound) {
		have, err = b.js.CreateConsumer(ctx, l.stream, want)
		if !errors.Is(err, natsjs.ErrConsumerExists) {
			return have, err
		}
		have, err = b.js.Consumer(ctx, l.stream, l.durable) // another replica was quicker
	}
	if err != nil {
		return nil, err
	}
	old := have.CachedInfo().Config
	want.DeliverPolicy, want.OptStartSeq, want.OptStartTime = old.DeliverPolicy, old.OptStartSeq, old.OptStartTime
	want.Replicas, want.MemoryStorage = old.Replicas, old.MemoryStorage
	if slices.Equal(filters(old), filters(want)) && old.AckWait == want.AckWait &&
		old.MaxDeliver == want.MaxDeliver && old.MaxAckPending == want.MaxAckPending {
		return have, nil // an update is a write, at each start
	}
	return b.js.UpdateConsumer(ctx, l.stream, want)
}

// filters are a consumer's subjects: a server tells a single one apart.
func filters(c natsjs.ConsumerConfig) []string {
	if len(c.FilterSubjects) == 0 && c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}
