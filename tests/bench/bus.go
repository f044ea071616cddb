package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/store"
)

const (
	busRounds    = 3
	publishMost  = 6000 // messages of a round; plain publishing is what takes long
	consumeMost  = 24000
	plainPending = 256 // of plain nats.go: publishes under way at once
)

// line is both sides of the comparison: our bus and a plain connection to the
// same server.
type line struct {
	bus    *bus.Bus
	js     jetstream.JetStream
	rounds int
}

// bus compares our bus with plain nats.go on one embedded server that syncs
// every write, turn by turn.
func (b *bench) bus(ctx context.Context) (err error) {
	server, err := embedded.Start(ctx, embedded.Config{Dir: filepath.Join(b.dir, "nats"), SyncAlways: true, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer server.Close()
	user, password := server.Credentials()
	ours, err := bus.Connect(ctx, bus.Config{InProcess: server, User: user, Password: password, Name: "bench", Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer ours.Close()
	if err := ours.EnsureStreams(ctx, bus.StreamOptions{}); err != nil {
		return err
	}
	plain, err := nats.Connect("", nats.InProcessServer(server), nats.UserInfo(user, password))
	if err != nil {
		return err
	}
	defer plain.Close()
	js, err := jetstream.New(plain, jetstream.WithPublishAsyncMaxPending(plainPending))
	if err != nil {
		return err
	}
	l := &line{bus: ours, js: js}
	if err := b.publishing(ctx, l); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	if err := b.consuming(ctx, l); err != nil {
		return fmt.Errorf("consuming: %w", err)
	}
	return nil
}

// side is one way to move n messages; it returns how long that took.
type side func(ctx context.Context, messages []store.Message) (time.Duration, error)

// inTurn runs both sides round by round, the first one alternating, and
// returns the median of each one's messages a second. prepare readies the
// stream for one side's turn and makes its messages.
func (l *line) inTurn(ctx context.Context, n int, prepare func(context.Context, []store.Message) error, sides [2]side) (rates [2]float64, err error) {
	var all [2][]float64
	for round := range busRounds {
		for turn := range 2 {
			which := (round + turn) % 2
			stream, err := l.js.Stream(ctx, bus.StreamEvents)
			if err != nil {
				return rates, err
			}
			if err := stream.Purge(ctx); err != nil {
				return rates, err
			}
			messages, err := l.messages(n)
			if err != nil {
				return rates, err
			}
			if err := prepare(ctx, messages); err != nil {
				return rates, err
			}
			took, err := sides[which](ctx, messages)
			if err != nil {
				return rates, err
			}
			all[which] = append(all[which], float64(n)/took.Seconds())
		}
	}
	return [2]float64{median(all[0]), median(all[1])}, nil
}

func (b *bench) publishing(ctx context.Context, l *line) error {
	nothing := func(context.Context, []store.Message) error { return nil }
	rates, err := l.inTurn(ctx, publishMost, nothing, [2]side{l.publishOurs, l.publishPlain})
	if err != nil {
		return err
	}
	conditions := fmt.Sprintf("embedded server, file storage, one replica, sync always; CloudEvents of %d B from 64 aggregates; median of %d alternating rounds of %d messages", payload, busRounds, publishMost)
	b.add(Figure{
		Name: "bus.plain.publish_per_s", Value: rates[1], Unit: "per s",
		Conditions: fmt.Sprintf("nats.go alone: PublishMsgAsync, %d under way; %s", plainPending, conditions),
	})
	b.add(Figure{
		Name: "bus.publish_per_s", Value: rates[0], Unit: "per s", Against: "bus.plain.publish_per_s",
		Conditions: "the relay over an outbox in memory, acknowledged and marked; " + conditions,
	})
	return nil
}

func (b *bench) consuming(ctx context.Context, l *line) error {
	fill := func(ctx context.Context, messages []store.Message) error {
		_, err := l.publishOurs(ctx, messages)
		return err
	}
	rates, err := l.inTurn(ctx, consumeMost, fill, [2]side{l.consumeOurs, l.consumePlain})
	if err != nil {
		return err
	}
	conditions := fmt.Sprintf("embedded server, file storage, one replica, sync always; durable consumer, explicit acks; CloudEvents of %d B; median of %d alternating rounds of %d messages, from the first to the last", payload, busRounds, consumeMost)
	b.add(Figure{Name: "bus.plain.consume_per_s", Value: rates[1], Unit: "per s", Conditions: "nats.go alone: Consume and Ack, nothing decoded; " + conditions})
	b.add(Figure{
		Name: "bus.consume_per_s", Value: rates[0], Unit: "per s", Against: "bus.plain.consume_per_s",
		Conditions: "a typed consumer with 8 handlers at once, order kept per aggregate, event and data decoded; " + conditions,
	})
	return nil
}

type sent struct {
	Text string `json:"text"`
}

var thingSent = events.Define[sent]("bench.thing.sent", 1)

// messages makes n events as services make them, none ever made before.
func (l *line) messages(n int) ([]store.Message, error) {
	l.rounds++
	messages := make([]store.Message, n)
	for i := range messages {
		draft, err := thingSent.Draft("shop", fmt.Sprintf("thing-%d", i%64), sent{Text: strings.Repeat("x", payload-11)})
		if err != nil {
			return nil, err
		}
		event, err := events.Finish(draft, events.Origin{
			Service: "bench", Kind: fmt.Sprintf("round-%d", l.rounds), ID: draft.Subject, Version: int64(i/64 + 1),
		}, time.Now())
		if err != nil {
			return nil, err
		}
		header, body, err := events.EncodeNATS(event)
		if err != nil {
			return nil, err
		}
		messages[i] = store.Message{ID: event.Source() + "#" + event.ID(), Subject: events.NATSSubject(draft), Header: header, Body: body}
	}
	return messages, nil
}

func (l *line) publishOurs(ctx context.Context, messages []store.Message) (time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o := newOutbox(messages)
	done := make(chan error, 1)
	begin := time.Now()
	go func() { done <- l.bus.Relay(ctx, o) }()
	select {
	case <-o.empty:
	case err := <-done:
		return 0, errors.Join(errors.New("the relay ended"), err)
	}
	took := time.Since(begin)
	stop()
	return took, <-done
}

func (l *line) publishPlain(ctx context.Context, messages []store.Message) (time.Duration, error) {
	acks := make([]jetstream.PubAckFuture, 0, len(messages))
	begin := time.Now()
	for _, m := range messages {
		message := &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Body}
		// It answers "stalled" when the server is slower than we for some time.
		ack, err := l.js.PublishMsgAsync(message, jetstream.WithMsgID(m.ID), jetstream.WithStallWait(time.Minute))
		if err != nil {
			return 0, err
		}
		acks = append(acks, ack)
	}
	select {
	case <-l.js.PublishAsyncComplete():
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	took := time.Since(begin)
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return 0, err
		}
	}
	return took, nil
}

func (l *line) consumeOurs(ctx context.Context, messages []store.Message) (time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	m := newMeter(len(messages))
	consumer := bus.On(thingSent, fmt.Sprintf("bench-%d", l.rounds), func(_ context.Context, one bus.Message[sent]) error {
		if one.Data.Text == "" {
			return bus.Permanent(errors.New("an event without its data"))
		}
		m.count()
		return nil
	}, bus.WithHistory(), bus.Concurrency(8))
	done := make(chan error, 1)
	go func() { done <- l.bus.Run(ctx, "bench", []bus.Consumer{consumer}) }()
	select {
	case <-m.done:
	case err := <-done:
		return 0, errors.Join(errors.New("the consumer ended"), err)
	}
	stop()
	return m.took(), <-done
}

func (l *line) consumePlain(ctx context.Context, messages []store.Message) (time.Duration, error) {
	consumer, err := l.js.CreateConsumer(ctx, bus.StreamEvents, jetstream.ConsumerConfig{
		Durable: fmt.Sprintf("plain-%d", l.rounds), AckPolicy: jetstream.AckExplicitPolicy,
		DeliverPolicy: jetstream.DeliverAllPolicy, FilterSubject: "evt.*." + thingSent.Type(),
	})
	if err != nil {
		return 0, err
	}
	m := newMeter(len(messages))
	failed := make(chan error, 1)
	consuming, err := consumer.Consume(func(one jetstream.Msg) {
		if err := one.Ack(); err != nil {
			select {
			case failed <- err:
			default:
			}
		}
		m.count()
	})
	if err != nil {
		return 0, err
	}
	defer consuming.Stop()
	select {
	case <-m.done:
	case err := <-failed:
		return 0, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return m.took(), json.Unmarshal(messages[0].Body, &sent{})
}
