package bus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/events"
)

// PageOptions say what to read. Order is that of the stream.
type PageOptions struct {
	Subjects  []string  // filters of one stream; all of EVENTS when empty
	After     uint64    // sequence after which to begin; 0: at the first
	StartTime time.Time // used when After is 0
	Limit     int       // 100 when zero
}

const defaultPage = 100

// Page reads at most Limit events of those that are there now. next is the
// After of the following page, and 0 when there is no more.
func (b *Bus) Page(ctx context.Context, o PageOptions) (items []Stored, next uint64, err error) {
	stream := StreamEvents
	if len(o.Subjects) > 0 {
		stream = streamOf(o.Subjects[0])
	}
	next, err = b.read(ctx, stream, o, func(m natsjs.Msg, meta *natsjs.MsgMetadata) bool {
		e, err := events.DecodeNATS(m.Headers(), m.Data())
		if err == nil {
			items = append(items, Stored{Event: e, Subject: m.Subject(), Seq: meta.Sequence.Stream, Time: meta.Timestamp})
		}
		return err == nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read stream %s: %w", stream, err)
	}
	return items, next, nil
}

// read calls fn with messages until it accepted Limit of them or there are no
// more; then next is 0.
func (b *Bus) read(ctx context.Context, stream string, o PageOptions, fn func(natsjs.Msg, *natsjs.MsgMetadata) bool) (next uint64, err error) {
	limit := o.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	config := natsjs.ConsumerConfig{
		FilterSubjects:    o.Subjects,
		AckPolicy:         natsjs.AckNonePolicy,
		MemoryStorage:     true,
		InactiveThreshold: 10 * time.Second, // if this process does not live to delete it
	}
	switch {
	case o.After > 0:
		config.DeliverPolicy, config.OptStartSeq = natsjs.DeliverByStartSequencePolicy, o.After+1
	case !o.StartTime.IsZero():
		config.DeliverPolicy, config.OptStartTime = natsjs.DeliverByStartTimePolicy, &o.StartTime
	}
	consumer, err := b.js.CreateConsumer(ctx, stream, config)
	if err != nil {
		return 0, err
	}
	defer func() { _ = b.js.DeleteConsumer(context.WithoutCancel(ctx), stream, consumer.CachedInfo().Name) }()
	accepted := 0
	for accepted < limit {
		batch, err := consumer.FetchNoWait(limit - accepted)
		if err != nil {
			return 0, err
		}
		var pending uint64
		got := 0
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return 0, err
			}
			got++
			pending, next = meta.NumPending, meta.Sequence.Stream
			if fn(m, meta) {
				accepted++
			}
		}
		if err := batch.Error(); err != nil {
			return 0, err
		}
		if got == 0 || pending == 0 {
			return 0, nil
		}
	}
	return next, nil
}

// Position of a stream: which incarnation it is, and what it holds.
type Position struct {
	Epoch string // a cursor made in another epoch is void
	First uint64 // sequence of the first message kept; Last+1 when there is none
	Last  uint64 // of the last one stored; 0 before any
}

// Position tells where a stream is. A cursor before First has lost messages.
func (b *Bus) Position(ctx context.Context, stream string) (Position, error) {
	s, err := b.js.Stream(ctx, stream)
	if err != nil {
		return Position{}, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	info := s.CachedInfo()
	return Position{
		Epoch: strconv.FormatInt(info.Created.UnixNano(), 36),
		First: info.State.FirstSeq,
		Last:  info.State.LastSeq,
	}, nil
}
