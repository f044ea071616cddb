package aggregate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
)

// Update loads the aggregate, calls decide with a state it may change (the
// zero value where exists is false) and commits what it decided. If somebody
// else committed meanwhile it loads again and calls decide again: decide must
// have no effect of its own.
//
// If cause carries Consumer and ID, the message it names is handled once per
// aggregate: where its mark is there already, decide is not called and what is
// stored is returned (the zero state, if that was deleted since). The mark is
// part of the commit; Skip commits nothing and leaves no mark.
//
// An error of decide is returned as it is, and nothing is committed.
func (r *Repository[T]) Update(ctx context.Context, id string, cause events.Cause,
	decide func(state *T, exists bool) (Decision, error),
) (Versioned[T], error) {
	for {
		v, err := r.try(ctx, id, nil, cause, decide)
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) {
			return v, err
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
	}
}

// UpdateAt is Update for a caller who saw a version (If-Match): where the
// aggregate is at another one, or anybody commits meanwhile, it answers
// *store.ConflictError. expected 0: it must not exist.
func (r *Repository[T]) UpdateAt(ctx context.Context, id string, expected int64, cause events.Cause,
	decide func(state *T, exists bool) (Decision, error),
) (Versioned[T], error) {
	return r.try(ctx, id, &expected, cause, decide)
}

func (r *Repository[T]) try(ctx context.Context, id string, expected *int64, cause events.Cause,
	decide func(state *T, exists bool) (Decision, error),
) (Versioned[T], error) {
	var none Versioned[T]
	key := store.Key{Kind: r.o.Kind, ID: id}
	rec, exists, err := r.load(ctx, key)
	if err != nil {
		return none, err
	}
	mark := markOf(cause)
	if mark != "" {
		// Looked up after loading: a mark that comes in between moves the
		// version as well, and the commit below finds that out.
		marked, err := r.store.Marked(ctx, key, mark)
		if err != nil {
			return none, fmt.Errorf("%s: %w", key, err)
		}
		if marked {
			return r.stored(rec, exists)
		}
	}
	if expected != nil && *expected != rec.Version && (exists || *expected != 0) {
		return none, &store.ConflictError{Key: key, Expected: *expected, Actual: rec.Version}
	}

	v, err := r.stored(rec, exists)
	if err != nil {
		return none, err
	}
	decision, err := decide(&v.State, exists)
	if err != nil {
		return none, err
	}
	if decision.Skip {
		return r.stored(rec, exists) // decide may have touched the state it got
	}
	c, err := r.commit(key, rec.Version, &v.State, decision, cause)
	if err != nil {
		return none, err
	}
	if mark != "" {
		c.Marks = []string{mark}
	}
	v.Version, err = r.store.Commit(ctx, c)
	var marked *store.MarkedError
	if errors.As(err, &marked) {
		rec, exists, err := r.load(ctx, key)
		if err != nil {
			return none, err
		}
		return r.stored(rec, exists)
	}
	if err != nil {
		return none, fmt.Errorf("%s: %w", key, err)
	}
	v.WakeAt = decision.WakeAt
	v.Updated = r.o.Clock().UTC()
	if !exists {
		v.Created = v.Updated
	}
	if !decision.WakeAt.IsZero() {
		r.Wake()
	}
	return v, nil
}

// load returns the aggregate's record; where there is none, it carries the
// version that the next commit builds on: 0, or that of a tombstone.
func (r *Repository[T]) load(ctx context.Context, key store.Key) (store.Record, bool, error) {
	rec, err := r.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return store.Record{Key: key, Version: rec.Version}, false, nil
	}
	if err != nil {
		return rec, false, fmt.Errorf("%s: %w", key, err)
	}
	return rec, true, nil
}

func (r *Repository[T]) stored(rec store.Record, exists bool) (Versioned[T], error) {
	if !exists {
		return Versioned[T]{ID: rec.ID, Version: rec.Version}, nil
	}
	return r.decode(rec)
}

func (r *Repository[T]) commit(key store.Key, expected int64, state *T, d Decision, cause events.Cause) (store.Commit, error) {
	c := store.Commit{Key: key, Expected: expected, Delete: d.Delete, WakeAt: d.WakeAt}
	if !d.Delete {
		var err error
		if c.State, err = json.Marshal(state); err != nil {
			return c, fmt.Errorf("the state of %s cannot be written as JSON: %w", key, err)
		}
		if r.o.Indexes != nil {
			c.Indexes = r.o.Indexes(state)
		}
	}
	now := r.o.Clock()
	for n, draft := range d.Events {
		event, err := events.Finish(draft, events.Origin{
			Service: r.o.Service, Kind: key.Kind, ID: key.ID,
			Version: expected + 1, N: n, Cause: cause,
		}, now)
		if err != nil {
			return c, fmt.Errorf("event %s of %s: %w", draft.Type, key, err)
		}
		header, body, err := events.EncodeNATS(event)
		if err != nil {
			return c, fmt.Errorf("event %s of %s: %w", draft.Type, key, err)
		}
		c.Messages = append(c.Messages, store.Message{
			// Ids are unique within a source only.
			ID:      event.Source() + "#" + event.ID(),
			Subject: events.NATSSubject(draft),
			Header:  header,
			Body:    body,
		})
	}
	return c, nil
}

// markOf names the handling of one message by one consumer. No consumer, or no
// id: a person's request, which has no mark.
func markOf(c events.Cause) string {
	if c.Consumer == "" || c.ID == "" {
		return ""
	}
	return c.Consumer + "/" + c.ID
}
