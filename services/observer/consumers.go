package observer

import (
	"context"
	"sync"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus"

	"github.com/slipway-idp/slipway/services/observer/internal/rebuild"
	"github.com/slipway-idp/slipway/services/observer/internal/timeline"
)

// Consumers are the observer's ears: all of the public stream, from its
// beginning, in whatever order, since entries and heads do not depend on it.
func (s *Service) Consumers() []bus.Consumer {
	return []bus.Consumer{
		bus.OnAll("observer-timeline", []string{"evt.>", "ext.>"}, s.onEvent, bus.WithHistory(), bus.Concurrency(8)),
	}
}

func (s *Service) onEvent(ctx context.Context, m bus.Message[events.Event]) error {
	epoch, err := s.stream.epoch(ctx)
	if err != nil {
		return err
	}
	e, ok := timeline.EntryOf(m.Event, m.Subject, timeline.Position{Epoch: epoch, Sequence: m.Sequence})
	if !ok {
		return nil
	}
	if err := s.projection.Put(ctx, e); err != nil {
		return err
	}
	s.bell.Ring(e.CorrelationID)
	return nil
}

// stream is the public stream, as a rebuild reads it.
type stream struct {
	bus *bus.Bus

	mu    sync.Mutex
	known string
}

// epoch is asked for once: a stream that is made anew while the observer runs
// takes its consumers with it, and those are made at the next start.
func (s *stream) epoch(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == "" {
		p, err := s.bus.Position(ctx, bus.StreamEvents)
		if err != nil {
			return "", err
		}
		s.known = p.Epoch
	}
	return s.known, nil
}

func (s *stream) Position(ctx context.Context) (epoch string, first, last uint64, err error) {
	p, err := s.bus.Position(ctx, bus.StreamEvents)
	return p.Epoch, p.First, p.Last, err
}

func (s *stream) Page(ctx context.Context, after uint64, limit int) ([]rebuild.Stored, uint64, error) {
	items, next, err := s.bus.Page(ctx, bus.PageOptions{After: after, Limit: limit})
	page := make([]rebuild.Stored, len(items))
	for i, item := range items {
		page[i] = rebuild.Stored{Event: item.Event, Subject: item.Subject, Sequence: item.Seq}
	}
	return page, next, err
}
