package graph

import (
	"fmt"
	"html/template"
	"strings"
)

// margin around the picture, in pixels.
const margin = 16

// paint draws a laid out graph.
func paint(g Graph, l layout) *Drawing {
	w, h := int(l.width)+2*margin, int(l.height)+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" width="%d" height="%d" role="group" aria-label="Resource graph">`, w, h, w, h)
	for _, p := range l.paths {
		edge(&b, p)
	}
	for i, n := range g.Nodes {
		box(&b, n, l.at[i].x+margin, l.at[i].y+margin)
	}
	b.WriteString("</svg>")
	return &Drawing{SVG: template.HTML(b.String()), Width: w, Height: h} //nolint:gosec // every text is escaped by box
}

// tip is how long an arrow's head is.
const tip = 9

// edge draws a curve through its points, level at each of them.
func edge(b *strings.Builder, path []point) {
	at := func(p point) (float64, float64) { return p.x + margin, p.y + margin }
	x, y := at(path[0])
	fmt.Fprintf(b, `<path class="edge" d="M%.1f %.1f`, x, y)
	for i, p := range path[1:] {
		nx, ny := at(p)
		if i == len(path)-2 {
			nx -= tip
		}
		middle := (x + nx) / 2
		fmt.Fprintf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f", middle, y, middle, ny, nx, ny)
		x, y = nx, ny
	}
	fmt.Fprintf(b, `"/><path class="tip" d="M%.1f %.1fl%d 4l-%d 4z"/>`, x, y-4, tip, tip)
}

func box(b *strings.Builder, n Node, cx, cy float64) {
	w := float64(width(n))
	left, top := cx-w/2, cy-high/2
	fmt.Fprintf(b, `<a href="%s"><title>%s</title><rect class="box %s" x="%.1f" y="%.1f" width="%.0f" height="%d" rx="7"/>`,
		template.HTMLEscapeString(n.Href), template.HTMLEscapeString(n.Label+", "+n.Under+", "+n.State), template.HTMLEscapeString(n.Kind), left, top, w, high)
	shape(b, n.State, left+18, cy)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f">%s</text><text class="under" x="%.1f" y="%.1f">%s</text></a>`,
		left+32, cy-3, fit(n.Label, w, 7.3), left+32, cy+13, fit(n.Under, w, 6.3))
}

// shape is the node's state by a shape and a colour; its word is in the title.
func shape(b *strings.Builder, state string, cx, cy float64) {
	fmt.Fprintf(b, `<use href="#s-%s" class="%s" x="%.1f" y="%.1f" width="14" height="14"/>`, template.HTMLEscapeString(state), template.HTMLEscapeString(state), cx-7, cy-7)
}

// fit cuts a text to the width of its box.
func fit(text string, width, perLetter float64) string {
	room := int((width - 40) / perLetter)
	runes := []rune(text)
	if len(runes) > room && room > 1 {
		text = string(runes[:room-1]) + "…"
	}
	return template.HTMLEscapeString(text)
}
