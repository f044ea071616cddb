package bus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/events"
)

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
	StartSeq  uint64   // the first one wanted
	StartTime time.Time
	New       bool // only what is stored from now on
	// Started, when set, is called once the position in the stream is fixed:
	// what is stored after that is yielded.
	Started func()
}

// Tail yields events as they are stored until ctx ends or the loop is left,
// without gap or repetition over reconnects and server restarts. Messages that
// are not events are passed over. An error, when there is one, is yielded last;
// the end of ctx is none.
func (b *Bus) Tail(ctx context.Context, o TailOptions) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		stream := StreamEvents
		if len(o.Subjects) > 0 {
			stream = streamOf(o.Subjects[0])
		}
		config := natsjs.OrderedConsumerConfig{FilterSubjects: o.Subjects, InactiveThreshold: time.Minute}
		switch {
		case o.StartSeq > 0:
			config.DeliverPolicy, config.OptStartSeq = natsjs.DeliverByStartSequencePolicy, o.StartSeq
		case !o.StartTime.IsZero():
			config.DeliverPolicy, config.OptStartTime = natsjs.DeliverByStartTimePolicy, &o.StartTime
		case o.New:
			// Fixed as a sequence, so that a reconnect before the first message
			// does not move it.
			s, err := b.js.Stream(ctx, stream)
			if err != nil {
				yieldError(ctx, yield, stream, err)
				return
			}
			config.DeliverPolicy, config.OptStartSeq = natsjs.DeliverByStartSequencePolicy, s.CachedInfo().State.LastSeq+1
		}
		if o.Started != nil && config.DeliverPolicy == natsjs.DeliverByStartSequencePolicy {
			o.Started()
			o.Started = nil
		}
		status := b.nc.StatusChanged(nats.CONNECTED)
		defer b.nc.RemoveStatusListener(status)
		for ctx.Err() == nil {
			last, err := b.tailOnce(ctx, stream, config, o.Started, status, yield)
			if err == nil {
				return
			}
			if last > 0 {
				config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = natsjs.DeliverByStartSequencePolicy, last+1, nil
			}
			o.Started = nil
			if errors.Is(err, natsjs.ErrStreamNotFound) || errors.Is(err, nats.ErrConnectionClosed) {
				yieldError(ctx, yield, stream, err)
				return
			}
			b.log.Debug().Err(err).Str("stream", stream).Msg("tail interrupted, going on")
			select {
			case <-ctx.Done():
			case <-status:
			case <-time.After(tailPause):
			}
		}
	}
}

// tailPause is between an interruption and the next try.
const tailPause = 250 * time.Millisecond

func yieldError(ctx context.Context, yield func(Stored, error) bool, stream string, err error) {
	if ctx.Err() == nil {
		yield(Stored{}, fmt.Errorf("read stream %s: %w", stream, err))
	}
}

// tailOnce reads until it is interrupted, and tells the last sequence it saw.
// A nil error means that nobody wants more.
func (b *Bus) tailOnce(ctx context.Context, stream string, config natsjs.OrderedConsumerConfig, started func(), status <-chan nats.Status, yield func(Stored, error) bool) (last uint64, err error) {
	consumer, err := b.js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return 0, err
	}
	messages, err := consumer.Messages(natsjs.PullExpiry(30*time.Second), natsjs.PullHeartbeat(5*time.Second), natsjs.PullMaxMessages(256))
	if err != nil {
		return 0, err
	}
	defer messages.Stop()
	if started != nil {
		started()
	}
	// A new connection has forgotten the pull, which the heartbeats would tell
	// only after a while.
	reading, interrupt := context.WithCancel(ctx)
	defer interrupt()
	go func() {
		select {
		case <-status:
			interrupt()
		case <-reading.Done():
		}
	}()
	for {
		m, err := messages.Next(natsjs.NextContext(reading))
		if ctx.Err() != nil {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return last, err
		}
		last = meta.Sequence.Stream
		if e, err := events.DecodeNATS(m.Headers(), m.Data()); err == nil {
			if !yield(Stored{Event: e, Subject: m.Subject(), Seq: last, Time: meta.Timestamp}, nil) {
				return last, nil
			}
		}
	}
}
