// Package jetstream is the public stream of events as it lies on the bus.
package jetstream

import (
	"context"
	"iter"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/services/gateway/internal/stream"
)

// Source reads the stream EVENTS.
type Source struct{ Bus *bus.Bus }

// Position tells which incarnation of the stream this is and what it keeps.
func (s Source) Position(ctx context.Context) (stream.Position, error) {
	p, err := s.Bus.Position(ctx, bus.StreamEvents)
	return stream.Position{Epoch: p.Epoch, First: p.First, Last: p.Last}, err
}

// Tail yields events as they are stored.
func (s Source) Tail(ctx context.Context, subjects []string, from stream.From) iter.Seq2[stream.Stored, error] {
	o := bus.TailOptions{Subjects: subjects, StartTime: from.Time, New: from.New}
	if from.After > 0 {
		o.StartSeq = from.After + 1
	}
	return func(yield func(stream.Stored, error) bool) {
		for e, err := range s.Bus.Tail(ctx, o) {
			if !yield(stream.Stored{Event: e.Event, Seq: e.Seq, At: e.Time}, err) {
				return
			}
		}
	}
}

// Page reads what is there now.
func (s Source) Page(ctx context.Context, subjects []string, from stream.From, limit int) ([]stream.Stored, uint64, error) {
	found, next, err := s.Bus.Page(ctx, bus.PageOptions{Subjects: subjects, After: from.After, StartTime: from.Time, Limit: limit})
	items := make([]stream.Stored, 0, len(found))
	for _, e := range found {
		items = append(items, stream.Stored{Event: e.Event, Seq: e.Seq, At: e.Time})
	}
	return items, next, err
}
