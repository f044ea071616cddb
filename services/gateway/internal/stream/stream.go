package stream

import (
	"context"
	"iter"
	"time"

	"github.com/slipway-idp/slipway/events"
)

// Stored is an event with its place.
type Stored struct {
	Event events.Event
	Seq   uint64
	At    time.Time
}

// Position is what a cursor is judged by.
type Position struct {
	Epoch string
	First uint64 // sequence of the first event that is still kept
	Last  uint64 // sequence of the newest
}

// Source is the stream itself.
type Source interface {
	// Position tells which incarnation of the stream this is and what it keeps.
	Position(ctx context.Context) (Position, error)
	// Tail yields events as they are stored, until ctx ends; an error is last.
	Tail(ctx context.Context, subjects []string, from From) iter.Seq2[Stored, error]
	// Page reads at most limit events that are there now. next is the After of
	// the following page, 0 when there was no more.
	Page(ctx context.Context, subjects []string, from From, limit int) (items []Stored, next uint64, err error)
}

// scan bounds how many events one page looks at: with a filter that lets
// little through, the page is short and says where to go on.
const (
	scan     = 5000
	scanStep = 500
)

// Page reads one page of what a query asks for. more tells whether there may
// be more after the last place.
func Page(ctx context.Context, s Source, q Query, limit int) (items []Stored, last uint64, more bool, err error) {
	from, seen := q.From, 0
	last = from.After
	for {
		batch, next, err := s.Page(ctx, q.Subjects(), from, min(scanStep, max(limit, 50)))
		if err != nil {
			return nil, 0, false, err
		}
		for _, e := range batch {
			if !q.Match(e.Event) {
				last = e.Seq
				continue
			}
			if len(items) == limit {
				return items, last, true, nil
			}
			items, last = append(items, e), e.Seq
		}
		seen += len(batch)
		if next == 0 {
			return items, last, false, nil
		}
		if seen >= scan {
			return items, last, true, nil
		}
		from = From{After: next}
	}
}

// Live yields what a query asks for as it comes, and nil every beat in which
// nothing came, until ctx ends; an error is last.
func Live(ctx context.Context, s Source, q Query, beat time.Duration) iter.Seq2[*Stored, error] {
	type result struct {
		event Stored
		err   error
	}
	return func(yield func(*Stored, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		found := make(chan result)
		go func() {
			defer close(found)
			for e, err := range s.Tail(ctx, q.Subjects(), q.From) {
				if err == nil && !q.Match(e.Event) {
					continue
				}
				select {
				case found <- result{e, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		idle := time.NewTimer(beat)
		defer idle.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-idle.C:
				if !yield(nil, nil) {
					return
				}
			case r, open := <-found:
				if !open {
					return
				}
				if r.err != nil {
					if ctx.Err() == nil {
						yield(nil, r.err)
					}
					return
				}
				if !yield(&r.event, nil) {
					return
				}
			}
			idle.Reset(beat)
		}
	}
}
