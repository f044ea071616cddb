// Package relation knows how entities are related: the projection of what all
// of them state about themselves and about each other.
package relation

import (
	"cmp"
	"slices"
	"sync"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
)

// Arrow is one relation as it is shown at the entity it starts from.
type Arrow struct {
	Type   string
	Target entity.Ref
	// Dangling: nothing is in the catalog under the target.
	Dangling bool
}

// Graph is the projection. It is safe for concurrent use.
type Graph struct {
	mu sync.RWMutex
	// stated is what each entity that exists states.
	stated map[entity.Ref][]entity.Relation
	// arrows counts, per start, how many entities state an arrow: a pair that
	// is stated from both sides is one relation, and stays while one side does.
	arrows map[entity.Ref]map[head]int
}

type head struct {
	kind string
	to   entity.Ref
}

// NewGraph makes an empty graph.
func NewGraph() *Graph {
	return &Graph{stated: map[entity.Ref][]entity.Relation{}, arrows: map[entity.Ref]map[head]int{}}
}

// Put replaces what the entity under ref states.
func (g *Graph) Put(ref entity.Ref, relations []entity.Relation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(ref)
	relations = unique(relations)
	g.stated[ref] = relations
	for _, r := range relations {
		if g.arrows[r.From] == nil {
			g.arrows[r.From] = map[head]int{}
		}
		g.arrows[r.From][head{r.Type, r.To}]++
	}
}

// Remove forgets the entity and what it stated. What others state about it
// stays, dangling.
func (g *Graph) Remove(ref entity.Ref) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(ref)
	delete(g.stated, ref)
}

func (g *Graph) forget(ref entity.Ref) {
	for _, r := range g.stated[ref] {
		heads := g.arrows[r.From]
		h := head{r.Type, r.To}
		if heads[h]--; heads[h] <= 0 {
			delete(heads, h)
		}
		if len(heads) == 0 {
			delete(g.arrows, r.From)
		}
	}
}

// Of returns the relations of an entity, by type and target.
func (g *Graph) Of(ref entity.Ref) []Arrow {
	g.mu.RLock()
	defer g.mu.RUnlock()
	out := make([]Arrow, 0, len(g.arrows[ref]))
	for h := range g.arrows[ref] {
		_, exists := g.stated[h.to]
		out = append(out, Arrow{Type: h.kind, Target: h.to, Dangling: !exists})
	}
	slices.SortFunc(out, func(a, b Arrow) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Target.String(), b.Target.String()))
	})
	return out
}

// Targets returns what an entity is related to by one type of relation.
func (g *Graph) Targets(ref entity.Ref, kind string) []entity.Ref {
	var out []entity.Ref
	for _, a := range g.Of(ref) {
		if a.Type == kind {
			out = append(out, a.Target)
		}
	}
	return out
}

// unique leaves each relation once, so that naming a thing twice in a list
// counts once.
func unique(relations []entity.Relation) []entity.Relation {
	seen := make(map[entity.Relation]bool, len(relations))
	return slices.DeleteFunc(slices.Clone(relations), func(r entity.Relation) bool {
		again := seen[r]
		seen[r] = true
		return again
	})
}
