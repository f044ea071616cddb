package inventory

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
	"github.com/slipway-idp/slipway/services/catalog/internal/relation"
)

// Search finds entities by words. It is a projection that may be thrown away
// and made again. Implementations are safe for concurrent use.
type Search interface {
	// Put indexes entities; one that was indexed before is replaced.
	Put(entities []entity.Entity) error
	Remove(ref entity.Ref) error
	// Find returns the references of what matches every word of the text, the
	// best first, for which keep answers true: at most limit of them after
	// skipping offset. more tells whether there are others.
	Find(ctx context.Context, text string, keep func(entity.Ref) bool, offset, limit int) (refs []entity.Ref, more bool, err error)
	// Worn tells whether it has been written so often that it had better be
	// made anew.
	Worn() bool
	Close() error
}

// summary is the little that lists are filtered by; the entity itself is read
// from the store when it is shown.
type summary struct {
	ref     entity.Ref
	version int64
	owner   entity.Ref
	typ     string
}

// view holds the projections of the record.
type view struct {
	writing sync.Mutex // who brings the view up to the record

	mu      sync.RWMutex
	entries []summary // by reference
	graph   *relation.Graph

	// searching is held by whoever searches; search is replaced under it.
	searching sync.RWMutex
	search    Search
}

func newView(search Search) *view {
	return &view{graph: relation.NewGraph(), search: search}
}

// replaceSearch puts another index in the place of the worn one.
func (v *view) replaceSearch(other Search) error {
	v.searching.Lock()
	worn := v.search
	v.search = other
	v.searching.Unlock()
	return worn.Close()
}

func compareRef(a, b entity.Ref) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func (v *view) put(batch []Stored) error {
	v.mu.Lock()
	for _, stored := range batch {
		e := stored.State
		s := summary{ref: e.Ref(), version: stored.Version, owner: e.Target("owner"), typ: e.Text("type")}
		i, found := slices.BinarySearchFunc(v.entries, s.ref, func(s summary, ref entity.Ref) int { return compareRef(s.ref, ref) })
		if found {
			v.entries[i] = s
		} else {
			v.entries = slices.Insert(v.entries, i, s)
		}
		v.graph.Put(s.ref, e.Relations())
	}
	v.mu.Unlock()
	return v.search.Put(states(batch))
}

func (v *view) remove(ref entity.Ref) error {
	v.mu.Lock()
	v.entries = slices.DeleteFunc(v.entries, func(s summary) bool { return s.ref == ref })
	v.graph.Remove(ref)
	v.mu.Unlock()
	return v.search.Remove(ref)
}

// Filter narrows a list. Its zero value lets everything through.
type Filter struct {
	Kinds []string // any of them, in any case
	Type  string
	// Owners are who may own it; any of them.
	Owners []entity.Ref
	// Text is what to search for; then the best match comes first.
	Text string
}

func (f Filter) keeps(s summary) bool {
	return (len(f.Kinds) == 0 || slices.ContainsFunc(f.Kinds, func(k string) bool { return strings.EqualFold(k, s.ref.Kind) })) &&
		(f.Type == "" || f.Type == s.typ) &&
		(len(f.Owners) == 0 || slices.Contains(f.Owners, s.owner))
}

// ErrCursor is answered to a cursor that is none of this list's.
var ErrCursor = store.ErrCursor

// List returns one page; next is "" on the last.
func (in *Inventory) List(ctx context.Context, f Filter, limit int, cursor string) (items []Stored, next string, err error) {
	if limit <= 0 {
		limit = store.DefaultLimit
	}
	var refs []entity.Ref
	if strings.TrimSpace(f.Text) != "" {
		refs, next, err = in.view.found(ctx, f, limit, cursor)
	} else {
		refs, next, err = in.view.page(f, limit, cursor)
	}
	if err != nil {
		return nil, "", err
	}
	for _, ref := range refs {
		v, err := in.entities.Get(ctx, ref.String())
		if errors.Is(err, store.ErrNotFound) {
			continue // removed since
		}
		if err != nil {
			return nil, "", err
		}
		items = append(items, v)
	}
	return items, next, nil
}

func (v *view) page(f Filter, limit int, cursor string) (refs []entity.Ref, next string, err error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	from := 0
	if cursor != "" {
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", ErrCursor
		}
		after, err := entity.ParseRef(string(text), "")
		if err != nil {
			return nil, "", ErrCursor
		}
		i, found := slices.BinarySearchFunc(v.entries, after, func(s summary, ref entity.Ref) int { return compareRef(s.ref, ref) })
		from = i
		if found {
			from++
		}
	}
	for _, s := range v.entries[from:] {
		if !f.keeps(s) {
			continue
		}
		if len(refs) == limit {
			return refs, base64.RawURLEncoding.EncodeToString([]byte(refs[limit-1].String())), nil
		}
		refs = append(refs, s.ref)
	}
	return refs, "", nil
}

func (v *view) found(ctx context.Context, f Filter, limit int, cursor string) (refs []entity.Ref, next string, err error) {
	offset := 0
	if cursor != "" {
		text, decodeErr := base64.RawURLEncoding.DecodeString(cursor)
		n, isOffset := strings.CutPrefix(string(text), "offset=")
		offset, err = strconv.Atoi(n)
		if decodeErr != nil || !isOffset || err != nil || offset < 0 {
			return nil, "", ErrCursor
		}
	}
	v.searching.RLock()
	defer v.searching.RUnlock()
	refs, more, err := v.search.Find(ctx, f.Text, func(ref entity.Ref) bool {
		s, found := v.summary(ref)
		return found && f.keeps(s)
	}, offset, limit)
	if err != nil {
		return nil, "", fmt.Errorf("searching: %w", err)
	}
	if more {
		next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "offset=%d", offset+len(refs)))
	}
	return refs, next, nil
}

func (v *view) summary(ref entity.Ref) (summary, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	i, found := slices.BinarySearchFunc(v.entries, ref, func(s summary, ref entity.Ref) int { return compareRef(s.ref, ref) })
	if !found {
		return summary{}, false
	}
	return v.entries[i], true
}

// Exists tells whether an entity is in the catalog.
func (in *Inventory) Exists(ref entity.Ref) bool {
	_, found := in.view.summary(ref)
	return found
}

// Relations returns the relations of an entity.
func (in *Inventory) Relations(ref entity.Ref) []relation.Arrow { return in.view.graph.Of(ref) }

// Owners are all who own what this entity owns: itself and, for a person, the
// groups that they are a member of.
func (in *Inventory) Owners(ref entity.Ref) []entity.Ref {
	return append([]entity.Ref{ref}, in.view.graph.Targets(ref, entity.MemberOf)...)
}
