// Package aggregate is the typed layer over libs/store: a service says what a
// state is and what it decides, and state, events, inbox mark and timer go out
// in one commit.
package aggregate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
)

// Options say what a repository holds.
type Options[T any] struct {
	// Service publishes the events; Kind is the store's kind of this aggregate.
	// Both are part of event ids: never rename them.
	Service, Kind string
	// Indexes are what a state can be found by; nil: by id only.
	Indexes func(*T) store.Indexes
	// Clock stamps events and says what is due; nil: the system's.
	Clock func() time.Time
	// Lease is for how long Sweep keeps a claimed aggregate from other workers;
	// 0: 30 s. If the work takes longer, another may begin it too, and the
	// slower one gets a conflict.
	Lease time.Duration
	// Log takes what Sweep cannot return; the zero value is silent.
	Log zerolog.Logger
}

// Repository loads and commits aggregates of one kind. It is safe for
// concurrent use.
type Repository[T any] struct {
	store store.Store
	o     Options[T]
	wake  chan struct{}
}

// New makes the repository of one kind over a service's store.
func New[T any](s store.Store, o Options[T]) *Repository[T] {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Lease == 0 {
		o.Lease = 30 * time.Second
	}
	return &Repository[T]{store: s, o: o, wake: make(chan struct{}, 1)}
}

// Versioned is a state as it was committed.
type Versioned[T any] struct {
	ID               string
	Version          int64
	State            T
	Created, Updated time.Time
	WakeAt           time.Time
}

// Filter selects aggregates. It is store.Query; Kind is filled in by List.
type Filter = store.Query

// Decision is what comes of looking at an aggregate. The state that decide
// left behind belongs to it.
type Decision struct {
	// Events are published in this order once the commit is durable.
	Events []events.Draft
	// WakeAt is when Sweep shall hand the aggregate over; zero: not at all. It
	// replaces what was set before.
	WakeAt time.Time
	// Delete removes the aggregate; its marks and events stay.
	Delete bool
	// Skip commits nothing at all, no mark either.
	Skip bool
}

// Get returns the aggregate, or store.ErrNotFound; where that is because it was
// deleted, the answer still carries the version of the deletion.
func (r *Repository[T]) Get(ctx context.Context, id string) (Versioned[T], error) {
	rec, err := r.store.Get(ctx, store.Key{Kind: r.o.Kind, ID: id})
	if err != nil {
		return Versioned[T]{ID: id, Version: rec.Version}, fmt.Errorf("%s %q: %w", r.o.Kind, id, err)
	}
	return r.decode(rec)
}

// List returns one page; next is "" on the last one.
func (r *Repository[T]) List(ctx context.Context, f Filter) (items []Versioned[T], next string, err error) {
	f.Kind = r.o.Kind
	page, err := r.store.Query(ctx, f)
	if err != nil {
		return nil, "", fmt.Errorf("listing %s: %w", r.o.Kind, err)
	}
	items, err = r.decodeAll(page.Records)
	return items, page.Next, err
}

// ClaimDue returns what is due and keeps it from other workers for the lease.
func (r *Repository[T]) ClaimDue(ctx context.Context, lease time.Duration, limit int) ([]Versioned[T], error) {
	records, err := r.store.ClaimDue(ctx, r.o.Kind, r.o.Clock(), lease, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming due %s: %w", r.o.Kind, err)
	}
	return r.decodeAll(records)
}

func (r *Repository[T]) decodeAll(records []store.Record) ([]Versioned[T], error) {
	items := make([]Versioned[T], 0, len(records))
	for _, rec := range records {
		v, err := r.decode(rec)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return items, nil
}

func (r *Repository[T]) decode(rec store.Record) (Versioned[T], error) {
	v := Versioned[T]{ID: rec.ID, Version: rec.Version, Created: rec.Created, Updated: rec.Updated, WakeAt: rec.WakeAt}
	if err := json.Unmarshal(rec.State, &v.State); err != nil {
		return v, fmt.Errorf("the stored state of %s cannot be read: %w", rec.Key, err)
	}
	return v, nil
}
