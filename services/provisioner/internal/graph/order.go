package graph

import (
	"maps"
	"slices"
	"strings"
)

// escape and unescape carry a key, which has dots, through one element of a
// placeholder's path. Keys have no slashes.
func escape(key string) string    { return strings.ReplaceAll(key, ".", "/") }
func unescape(name string) string { return strings.ReplaceAll(name, "/", ".") }

// KeyOf is the key that the second element of a resources path in a node's
// Inputs stands for.
func (n Node) KeyOf(element string) string { return n.Keys[unescape(element)] }

// sort puts every node after those it depends on, by name where there is a
// choice, or says which of them are in a circle.
func (b *builder) sort() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(key string) bool
	visit = func(key string) bool {
		switch state[key] {
		case done:
			return true
		case visiting:
			i := slices.Index(path, key)
			circle := append(slices.Clone(path[i:]), key)
			b.fault(b.nodes[key].Name, "resources need each other in a circle: %s", strings.Join(circle, " → "))
			return false
		}
		state[key] = visiting
		path = append(path, key)
		for _, next := range b.nodes[key].After {
			if !visit(next) {
				return false
			}
		}
		path = path[:len(path)-1]
		state[key] = done
		b.graph.Nodes = append(b.graph.Nodes, *b.nodes[key])
		return true
	}
	for _, key := range slices.Sorted(maps.Keys(b.nodes)) {
		if !visit(key) {
			return
		}
	}
}
