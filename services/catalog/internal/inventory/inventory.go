// Package inventory is the catalog's book of entities: what is in it, who owns
// it, how it is related, and how it is found.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	catalogevents "github.com/slipway-idp/slipway/events/catalog"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
)

// Repository keeps entities by their reference.
type Repository = aggregate.Repository[entity.Entity]

// NewRepository makes the repository over the service's store.
func NewRepository(s store.Store, service string, clock func() time.Time) *Repository {
	return aggregate.New(s, aggregate.Options[entity.Entity]{Service: service, Kind: "entity", Clock: clock,
		Indexes: func(e *entity.Entity) store.Indexes {
			return store.Indexes{"kind": {strings.ToLower(e.Kind)}, "owner": {target(e, "owner")}}
		}})
}

// Stored is an entity with its version.
type Stored = aggregate.Versioned[entity.Entity]

// Inventory is the record (the store) with the projections made from it.
type Inventory struct {
	entities *Repository
	open     func() (Search, error)
	view     *view
}

// New makes an inventory; open makes an empty search index. Load fills the
// projections.
func New(entities *Repository, open func() (Search, error)) (*Inventory, error) {
	search, err := open()
	if err != nil {
		return nil, err
	}
	return &Inventory{entities: entities, open: open, view: newView(search)}, nil
}

// Close lets the projections go.
func (in *Inventory) Close() error { return in.view.search.Close() }

// Put makes an entity be as described. It reports whether anything changed.
func (in *Inventory) Put(ctx context.Context, e entity.Entity, cause events.Cause) (v Stored, created, changed bool, err error) {
	ref := e.Ref()
	for {
		// The event names the version that this commit makes, so the version
		// before it has to be known.
		current, err := in.entities.Get(ctx, ref.String())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return v, false, false, err
		}
		created = err != nil
		if !created && current.State.Digest() == e.Digest() {
			return current, false, false, nil
		}
		draft, err := changedEvent(e, created, current.Version+1)
		if err != nil {
			return v, false, false, err
		}
		v, err = in.entities.UpdateAt(ctx, ref.String(), current.Version, cause, func(state *entity.Entity, _ bool) (aggregate.Decision, error) {
			*state = e
			return aggregate.Decision{Events: []events.Draft{draft}}, nil
		})
		var conflict *store.ConflictError
		if errors.As(err, &conflict) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return v, false, false, err
		}
		return v, created, true, in.Refresh(ctx, ref)
	}
}

func changedEvent(e entity.Entity, created bool, version int64) (events.Draft, error) {
	ref := e.Ref()
	change := "updated"
	if created {
		change = "created"
	}
	return catalogevents.EntityChanged.Draft(events.Org, ref.String(), catalogevents.EntityChangedData{
		Ref: ref.String(), Kind: e.Kind, Namespace: ref.Namespace, Name: e.Metadata.Name, Version: version, Change: change,
		Type: e.Text("type"), Owner: target(&e, "owner"), System: target(&e, "system"), Tags: e.Metadata.Tags,
	})
}

// target is a reference of the spec in full, "" where there is none.
func target(e *entity.Entity, field string) string {
	if ref := e.Target(field); !ref.IsZero() {
		return ref.String()
	}
	return ""
}

// Remove takes an entity out; store.ErrNotFound if it is not in. expected is
// the version it must be at; nil: any.
func (in *Inventory) Remove(ctx context.Context, ref entity.Ref, expected *int64, cause events.Cause) error {
	current, err := in.entities.Get(ctx, ref.String())
	if err != nil {
		return err
	}
	at := current.Version
	if expected != nil {
		at = *expected
	}
	_, err = in.entities.UpdateAt(ctx, ref.String(), at, cause, func(e *entity.Entity, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, fmt.Errorf("entity %q: %w", ref, store.ErrNotFound)
		}
		draft, err := catalogevents.EntityRemoved.Draft(events.Org, ref.String(), catalogevents.EntityRemovedData{
			Ref: ref.String(), Kind: e.Kind, Namespace: ref.Namespace, Name: e.Metadata.Name, Version: at + 1,
		})
		return aggregate.Decision{Delete: true, Events: []events.Draft{draft}}, err
	})
	if err != nil {
		return err
	}
	return in.Refresh(ctx, ref)
}

// Get returns one entity, or store.ErrNotFound.
func (in *Inventory) Get(ctx context.Context, ref entity.Ref) (Stored, error) {
	return in.entities.Get(ctx, ref.String())
}

// Refresh brings the projections up to the record for one reference.
func (in *Inventory) Refresh(ctx context.Context, ref entity.Ref) error {
	in.view.writing.Lock()
	defer in.view.writing.Unlock()
	v, err := in.entities.Get(ctx, ref.String())
	shown, isShown := in.view.summary(ref)
	switch {
	case errors.Is(err, store.ErrNotFound) && !isShown, err == nil && isShown && shown.version == v.Version:
		return nil // known already: our own events come back to us
	case errors.Is(err, store.ErrNotFound):
		err = in.view.remove(ref)
	case err == nil:
		err = in.view.put([]Stored{v})
	}
	if err != nil || !in.view.search.Worn() {
		return err
	}
	fresh, err := in.open()
	if err != nil {
		return err
	}
	if err := in.each(ctx, func(batch []Stored) error { return fresh.Put(states(batch)) }); err != nil {
		return errors.Join(err, fresh.Close())
	}
	return in.view.replaceSearch(fresh)
}

// Load makes the projections from the record.
func (in *Inventory) Load(ctx context.Context) error {
	in.view.writing.Lock()
	defer in.view.writing.Unlock()
	return in.each(ctx, in.view.put)
}

// each goes through all entities, many at a time.
func (in *Inventory) each(ctx context.Context, do func([]Stored) error) error {
	for cursor := ""; ; {
		page, next, err := in.entities.List(ctx, aggregate.Filter{Cursor: cursor, Limit: store.MaxLimit})
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := do(page); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

func states(batch []Stored) []entity.Entity {
	out := make([]entity.Entity, len(batch))
	for i, v := range batch {
		out[i] = v.State
	}
	return out
}
