package timeline

import (
	"context"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
)

// Shelves are the two places a projection can stand in: one is read while the
// other is made anew.
var Shelves = [2]string{"a", "b"}

// Shelf is one whole projection.
type Shelf struct {
	Name    string
	entries *aggregate.Repository[Entry]
	heads   *aggregate.Repository[Head]
}

const (
	indexCorrelation = "correlation"
	indexProject     = "project"
	pageSize         = 500
)

// NewShelf opens the shelf of a name in a store.
func NewShelf(s store.Store, name, service string, clock func() time.Time) *Shelf {
	return &Shelf{
		Name: name,
		entries: aggregate.New(s, aggregate.Options[Entry]{
			Service: service, Kind: "entry-" + name, Clock: clock,
			Indexes: func(e *Entry) store.Indexes { return store.Indexes{indexCorrelation: {e.CorrelationID}} },
		}),
		heads: aggregate.New(s, aggregate.Options[Head]{
			Service: service, Kind: "timeline-" + name, Clock: clock,
			Indexes: func(h *Head) store.Indexes { return store.Indexes{indexProject: h.Projects} },
		}),
	}
}

// Put adds an entry. Doing it again changes nothing.
func (s *Shelf) Put(ctx context.Context, e Entry) error {
	kept, err := s.entries.Update(ctx, e.Key(), events.Cause{}, func(have *Entry, exists bool) (aggregate.Decision, error) {
		if exists {
			m := merge(*have, e)
			if m == *have {
				return aggregate.Decision{Skip: true}, nil
			}
			*have = m
			return aggregate.Decision{}, nil
		}
		*have = e
		return aggregate.Decision{}, nil
	})
	if err != nil {
		return err
	}
	// After the entry, never before: if this is not reached, the event comes
	// again and both are done.
	_, err = s.heads.Update(ctx, e.CorrelationID, events.Cause{}, func(h *Head, exists bool) (aggregate.Decision, error) {
		before := *h
		before.Projects = append([]string(nil), h.Projects...)
		h.add(kept.State)
		if exists && equal(before, *h) {
			return aggregate.Decision{Skip: true}, nil
		}
		return aggregate.Decision{}, nil
	})
	return err
}

// Open makes an empty timeline if there is none, so that timelines stand in the
// order in which they were opened.
func (s *Shelf) Open(ctx context.Context, correlationID string) error {
	_, err := s.heads.Update(ctx, correlationID, events.Cause{}, func(h *Head, exists bool) (aggregate.Decision, error) {
		h.CorrelationID = correlationID
		return aggregate.Decision{Skip: exists}, nil
	})
	return err
}

// Entries returns at most limit entries of a timeline, in no particular order;
// more says that there are more.
func (s *Shelf) Entries(ctx context.Context, correlationID string, limit int) (entries []Entry, more bool, err error) {
	cursor := ""
	for len(entries) < limit {
		page, next, err := s.entries.List(ctx, aggregate.Filter{
			Where: []store.Term{{Index: indexCorrelation, Value: correlationID}}, Cursor: cursor, Limit: min(pageSize, limit-len(entries)),
		})
		if err != nil {
			return nil, false, err
		}
		for _, v := range page {
			entries = append(entries, v.State)
		}
		if cursor = next; next == "" {
			return entries, false, nil
		}
	}
	return entries, true, nil
}

// Recent returns a page of heads, those that began last first.
func (s *Shelf) Recent(ctx context.Context, project string, limit int, cursor string) ([]Head, string, error) {
	f := aggregate.Filter{Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor}
	if project != "" {
		f.Where = []store.Term{{Index: indexProject, Value: project}}
	}
	page, next, err := s.heads.List(ctx, f)
	heads := make([]Head, len(page))
	for i, v := range page {
		heads[i] = v.State
	}
	return heads, next, err
}

// Opened returns a page of the timelines' ids in the order in which they were
// opened, and where to go on; "" at the end.
func (s *Shelf) Opened(ctx context.Context, cursor string) (ids []string, next string, err error) {
	page, next, err := s.heads.List(ctx, aggregate.Filter{Order: store.OrderCreated, Cursor: cursor, Limit: pageSize})
	for _, v := range page {
		ids = append(ids, v.ID)
	}
	return ids, next, err
}

// Each calls fn with a page of entries after another, until fn says stop or
// there are no more, and returns where to go on; "" at the end.
func (s *Shelf) Each(ctx context.Context, cursor string, fn func([]Entry) error) (string, error) {
	page, next, err := s.entries.List(ctx, aggregate.Filter{Cursor: cursor, Limit: pageSize})
	if err != nil {
		return "", err
	}
	entries := make([]Entry, len(page))
	for i, v := range page {
		entries[i] = v.State
	}
	return next, fn(entries)
}

// Clear removes one page of what stands on the shelf; empty says that nothing
// is left. A projection may be removed: the stream and the other shelf have it.
func (s *Shelf) Clear(ctx context.Context) (empty bool, err error) {
	gone := func() aggregate.Decision { return aggregate.Decision{Delete: true} }
	entries, _, err := s.entries.List(ctx, aggregate.Filter{Limit: pageSize})
	if err != nil {
		return false, err
	}
	for _, v := range entries {
		if _, err := s.entries.Update(ctx, v.ID, events.Cause{}, func(*Entry, bool) (aggregate.Decision, error) { return gone(), nil }); err != nil {
			return false, err
		}
	}
	heads, _, err := s.heads.List(ctx, aggregate.Filter{Limit: pageSize})
	if err != nil {
		return false, err
	}
	for _, v := range heads {
		if _, err := s.heads.Update(ctx, v.ID, events.Cause{}, func(*Head, bool) (aggregate.Decision, error) { return gone(), nil }); err != nil {
			return false, err
		}
	}
	return len(entries) == 0 && len(heads) == 0, nil
}

func equal(a, b Head) bool {
	return a.Title == b.Title && a.Latest == b.Latest && a.Outcome == b.Outcome && len(a.Projects) == len(b.Projects) &&
		a.StartedAt.Equal(b.StartedAt) && a.UpdatedAt.Equal(b.UpdatedAt) && a.First == b.First && a.Last == b.Last && a.Decided == b.Decided
}
