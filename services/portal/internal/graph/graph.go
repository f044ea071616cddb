// Package graph draws what depends on what: a few dozen boxes in columns, so
// that the picture has the page's colours, light and dark, and every box is a
// link. Graphviz as a library (goccy/go-graphviz, compiled to wasm) was tried
// and costs every process of the binary its start: it unpacks and compiles
// itself before main, into a shared temporary folder.
package graph

import "html/template"

// Graph is what is to be drawn.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// Node is one box.
type Node struct {
	ID, Label, Under string
	Kind             string // workload or resource
	State            string // one of tell's states
	Href             string
}

// Edge says that From needs To.
type Edge struct{ From, To string }

// Drawing is a picture.
type Drawing struct {
	SVG           template.HTML
	Width, Height int
}

// most is how many boxes are drawn; beyond it the table beside says more.
const most = 120

// Draw answers nil where there is nothing to draw, or too much of it.
func Draw(g Graph) *Drawing {
	if len(g.Nodes) == 0 || len(g.Nodes) > most {
		return nil
	}
	return paint(g, lay(g))
}

// The size of a box, in pixels.
const (
	high   = 44
	narrow = 120
	broad  = 230
)

// width fits the longer of a box's two lines.
func width(n Node) int {
	return min(broad, max(narrow, 44+max(len(n.Label)*15/2, len(n.Under)*13/2)))
}
