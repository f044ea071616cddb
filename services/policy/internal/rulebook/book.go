package rulebook

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
)

// Repository keeps policies by name.
type Repository = aggregate.Repository[Policy]

// NewRepository makes the repository over the service's store.
func NewRepository(s store.Store, service string) *Repository {
	return aggregate.New(s, aggregate.Options[Policy]{Service: service, Kind: "policy",
		Indexes: func(p *Policy) store.Indexes {
			return store.Indexes{"kind": {p.Kind}, "project": {p.Project}}
		}})
}

// Book gives the edition in force. The store is the record; what the book
// holds is prepared from it and is replaced as a whole when a version moved,
// no matter which process moved it.
type Book struct {
	policies *Repository
	compiler Compiler
	edition  atomic.Pointer[Edition]
	prepare  sync.Mutex // one preparation at a time; readers never wait for it
}

// NewBook makes a book. Current fills it.
func NewBook(policies *Repository, compiler Compiler) *Book {
	b := &Book{policies: policies, compiler: compiler}
	b.edition.Store(&Edition{})
	return b
}

// Current returns the edition in force, prepared.
func (b *Book) Current(ctx context.Context) (*Edition, error) {
	stored, err := b.stored(ctx)
	if err != nil {
		return nil, err
	}
	if ed := b.edition.Load(); ed.is(stored) {
		return ed, nil
	}
	b.prepare.Lock()
	defer b.prepare.Unlock()
	if stored, err = b.stored(ctx); err != nil { // another may have done it meanwhile, or changed more
		return nil, err
	}
	old := b.edition.Load()
	if old.is(stored) {
		return old, nil
	}
	entries := make([]Entry, 0, len(stored))
	for _, s := range stored {
		if e, same := old.entry(s.ID, s.Version); same {
			entries = append(entries, e)
			continue
		}
		entries = append(entries, b.entry(s))
	}
	ed := NewEdition(entries)
	b.edition.Store(ed)
	return ed, nil
}

func (b *Book) entry(s aggregate.Versioned[Policy]) Entry {
	rule, faults := b.compiler.Compile(s.State.Name, s.State.Kind, s.State.Rego)
	if len(faults) > 0 {
		// It compiled when it was taken, so this program has changed. To leave
		// it out would allow what it may forbid.
		rule = broken{name: s.State.Name, fault: faults[0]}
	}
	return Entry{Policy: s.State, Version: s.Version, Rule: rule}
}

func (b *Book) stored(ctx context.Context) ([]aggregate.Versioned[Policy], error) {
	var all []aggregate.Versioned[Policy]
	for cursor := ""; ; {
		page, next, err := b.policies.List(ctx, aggregate.Filter{Cursor: cursor, Limit: store.MaxLimit})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		cursor = next
	}
}

// is tells whether the edition is of exactly these versions. Both are in the
// order of their names.
func (ed *Edition) is(stored []aggregate.Versioned[Policy]) bool {
	if len(ed.entries) != len(stored) {
		return false
	}
	for i, e := range ed.entries {
		if e.Policy.Name != stored[i].ID || e.Version != stored[i].Version {
			return false
		}
	}
	return true
}

type broken struct {
	name  string
	fault Fault
}

func (b broken) Evaluate(context.Context, any) ([]Finding, error) {
	return nil, fmt.Errorf("policy %s no longer compiles: %s; apply it again", b.name, b.fault.Message)
}

// Put makes a policy that compiles part of the book. It reports whether
// anything changed.
func (b *Book) Put(ctx context.Context, p Policy, cause events.Cause) (v aggregate.Versioned[Policy], created, changed bool, err error) {
	p = p.Seal()
	v, err = b.policies.Update(ctx, p.Name, cause, func(state *Policy, exists bool) (aggregate.Decision, error) {
		created, changed = !exists, !exists || *state != p
		*state = p
		return aggregate.Decision{Skip: !changed}, nil
	})
	if err != nil {
		return v, false, false, err
	}
	_, err = b.Current(ctx)
	return v, created, changed, err
}

// Remove takes a policy out; store.ErrNotFound if there is none.
func (b *Book) Remove(ctx context.Context, name string, expected *int64, cause events.Cause) error {
	remove := func(_ *Policy, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, fmt.Errorf("policy %q: %w", name, store.ErrNotFound)
		}
		return aggregate.Decision{Delete: true}, nil
	}
	var err error
	if expected != nil {
		_, err = b.policies.UpdateAt(ctx, name, *expected, cause, remove)
	} else {
		_, err = b.policies.Update(ctx, name, cause, remove)
	}
	if err != nil {
		return err
	}
	_, err = b.Current(ctx)
	return err
}

// Get returns one policy, or store.ErrNotFound.
func (b *Book) Get(ctx context.Context, name string) (aggregate.Versioned[Policy], error) {
	return b.policies.Get(ctx, name)
}

// List pages through the policies by name.
func (b *Book) List(ctx context.Context, kind string, limit int, cursor string) ([]aggregate.Versioned[Policy], string, error) {
	f := aggregate.Filter{Limit: limit, Cursor: cursor}
	if kind != "" {
		f.Where = []store.Term{{Index: "kind", Value: strings.ToLower(kind)}}
	}
	return b.policies.List(ctx, f)
}
