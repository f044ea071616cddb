// Package graph draws what depends on what. Graphviz (goccy/go-graphviz, the
// original compiled to wasm, so nothing is installed) says where things go;
// the picture is ours, so that it has the page's colours, light and dark, and
// every box is a link.
package graph

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"strings"
	"sync"

	"github.com/goccy/go-graphviz"
)

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

// Drawer lays graphs out. Graphviz begins with the first one, which takes some
// tenths of a second, and keeps its memory.
type Drawer struct {
	mu  sync.Mutex
	viz *graphviz.Graphviz
	// laid are layouts by their text: a page is looked at again and again.
	laid map[string]layout
}

// New makes one; nothing is started yet.
func New() *Drawer { return &Drawer{laid: map[string]layout{}} }

// Draw answers nil where there is nothing to draw, or too much of it.
func (d *Drawer) Draw(ctx context.Context, g Graph) (*Drawing, error) {
	if len(g.Nodes) == 0 || len(g.Nodes) > most {
		return nil, nil
	}
	l, err := d.lay(ctx, dot(g))
	if err != nil {
		return nil, err
	}
	return paint(g, l), nil
}

// keep bounds how many layouts are remembered.
const keep = 200

func (d *Drawer) lay(ctx context.Context, text string) (layout, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.laid[text]; ok {
		return l, nil
	}
	if d.viz == nil {
		viz, err := graphviz.New(context.WithoutCancel(ctx))
		if err != nil {
			return layout{}, err
		}
		d.viz = viz
	}
	parsed, err := graphviz.ParseBytes([]byte(text))
	if err != nil {
		return layout{}, err
	}
	defer func() { _ = parsed.Close() }()
	var out bytes.Buffer
	if err := d.viz.Render(ctx, parsed, graphviz.Format("plain"), &out); err != nil {
		return layout{}, err
	}
	l, err := read(out.String())
	if err != nil {
		return l, err
	}
	if len(d.laid) >= keep {
		clear(d.laid)
	}
	d.laid[text] = l
	return l, nil
}

// The size of a box, in points of Graphviz and pixels of ours alike.
const (
	high   = 44
	narrow = 120
	broad  = 230
)

// width fits the longer of a box's two lines.
func width(n Node) int {
	return min(broad, max(narrow, 44+max(len(n.Label)*15/2, len(n.Under)*13/2)))
}

// dot is the graph for Graphviz. Nodes are named by their number, so that no
// name of a user's is ever read as a part of the language.
func dot(g Graph) string {
	var b strings.Builder
	b.WriteString("digraph { rankdir=LR; nodesep=0.25; ranksep=0.7; node [shape=box fixedsize=true label=\"\"];\n")
	number := map[string]int{}
	for i, n := range g.Nodes {
		number[n.ID] = i
		fmt.Fprintf(&b, "n%d [width=%.3f height=%.3f];\n", i, float64(width(n))/72, float64(high)/72)
	}
	for _, e := range g.Edges {
		from, ok := number[e.From]
		to, also := number[e.To]
		if ok && also {
			fmt.Fprintf(&b, "n%d -> n%d;\n", from, to)
		}
	}
	b.WriteString("}\n")
	return b.String()
}
