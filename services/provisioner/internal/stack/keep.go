package stack

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
)

// How long versions are kept: the newest KeepNewest, and all of KeepFor. Those
// of a removed stack for KeepFor.
const (
	KeepNewest = 20
	KeepFor    = 30 * 24 * time.Hour
	tidyEvery  = 24 * time.Hour
)

// Remove takes a stack away whose resources are destroyed. Its versions, and
// its user id, go after KeepFor. *NotEmptyError while something is in its
// state, ErrAtWork while a run has or awaits its turn, *LockedError and
// *UnresolvedError while a dead one holds it. One that is gone is no error.
func (s *Stacks) Remove(ctx context.Context, name string) error {
	_, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		if err := st.heldByTheDead(""); err != nil {
			return nil, err
		}
		switch {
		case st.Version.Resources > 0:
			return nil, &NotEmptyError{Stack: name, Resources: st.Version.Resources}
		case st.Current != "" || len(st.Queue) > 0:
			return nil, ErrAtWork
		}
		st.RemovedAt, st.Last, st.Drift = s.now(), nil, nil
		return nil, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Sweep lets go of what was kept long enough, until ctx ends.
func (s *Stacks) Sweep(ctx context.Context) error {
	return s.stacks.Sweep(ctx, func(ctx context.Context, v aggregate.Versioned[Stack]) error {
		if v.State.RemovedAt.IsZero() {
			return s.tidy(ctx, v.State)
		}
		return s.purge(ctx, v.State)
	})
}

// tidy drops versions that are neither among the newest nor recent, and states
// that no version speaks of.
func (s *Stacks) tidy(ctx context.Context, st Stack) error {
	kept, err := s.dropVersions(ctx, st.Name, KeepNewest-1, s.now().Add(-KeepFor)) // the newest is not among the records
	if err != nil {
		return err
	}
	more := len(kept) > KeepNewest-1
	kept[st.Version.Digest] = true
	if err := s.dropContents(ctx, st.Name, kept, s.now().Add(-tidyEvery)); err != nil {
		return err
	}
	_, err = s.update(ctx, st.Name, events.Cause{}, func(now *Stack) ([]events.Draft, error) {
		now.TidyAt = time.Time{}
		if more || now.Version != st.Version {
			now.TidyAt = s.now().Add(tidyEvery)
		}
		return nil, nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // removed meanwhile
	}
	return err
}

// dropVersions drops the records that are beyond the newest few and not later
// than a time. kept are the digests of those that stay.
func (s *Stacks) dropVersions(ctx context.Context, name string, few int, until time.Time) (kept map[string]bool, err error) {
	kept = map[string]bool{}
	n := 0
	err = each(ctx, s.versions, aggregate.Filter{Where: of(name), Order: store.OrderCreatedDesc}, func(v aggregate.Versioned[version]) error {
		if n++; n <= few || v.State.At.After(until) {
			kept[v.State.Digest] = true
			return nil
		}
		return gone(ctx, s.versions, v)
	})
	return kept, err
}

// dropContents drops the states that no version speaks of, unless they came
// after a time: their version may be about to be written.
func (s *Stacks) dropContents(ctx context.Context, name string, kept map[string]bool, until time.Time) error {
	few := aggregate.Filter{Where: of(name), Limit: 4} // each may be large
	return each(ctx, s.contents, few, func(v aggregate.Versioned[content]) error {
		if kept[v.State.Digest] || v.State.At.After(until) {
			return nil
		}
		return gone(ctx, s.contents, v)
	})
}

func of(name string) []store.Term { return []store.Term{{Index: "stack", Value: name}} }

func each[T any](ctx context.Context, r *aggregate.Repository[T], f aggregate.Filter, fn func(aggregate.Versioned[T]) error) error {
	for {
		page, next, err := r.List(ctx, f)
		if err != nil {
			return err
		}
		for _, v := range page {
			if err := fn(v); err != nil {
				return err
			}
		}
		if f.Cursor = next; next == "" {
			return nil
		}
	}
}

// gone deletes a record as it was seen: one that was written meanwhile stays.
func gone[T any](ctx context.Context, r *aggregate.Repository[T], v aggregate.Versioned[T]) error {
	_, err := r.UpdateAt(ctx, v.ID, v.Version, events.Cause{}, func(*T, bool) (aggregate.Decision, error) {
		return aggregate.Decision{Delete: true}, nil
	})
	var meanwhile *store.ConflictError
	if errors.As(err, &meanwhile) {
		return nil
	}
	return err
}

// purge forgets a removed stack for good. Should a stack of the name be made
// again meanwhile, it loses nothing of its own.
func (s *Stacks) purge(ctx context.Context, st Stack) error {
	if _, err := s.dropVersions(ctx, st.Name, 0, st.RemovedAt); err != nil {
		return err
	}
	if err := s.dropContents(ctx, st.Name, nil, st.RemovedAt); err != nil {
		return err
	}
	at, err := s.uidVersion(ctx, st.UID)
	if err != nil {
		return err
	}
	again := false
	_, err = s.stacks.Update(ctx, st.Name, events.Cause{}, func(now *Stack, exists bool) (aggregate.Decision, error) {
		again = !exists || !now.RemovedAt.Equal(st.RemovedAt)
		return aggregate.Decision{Delete: true, Skip: again}, nil
	})
	if err != nil || again || at == 0 {
		return err
	}
	return s.freeUID(context.WithoutCancel(ctx), st.UID, at) // nobody would come back for it
}
