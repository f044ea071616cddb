package graph

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
)

// layout is where Graphviz put things, in inches from the lower left corner.
type layout struct {
	width, height float64
	at            map[int][2]float64 // middle of each box, by number
	paths         [][][2]float64     // points of each edge's curve
}

// read understands Graphviz's format "plain".
func read(text string) (layout, error) {
	l := layout{at: map[int][2]float64{}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "graph":
			f, err := numbers(words[1:], 3)
			if err != nil {
				return l, err
			}
			l.width, l.height = f[1], f[2]
		case "node":
			if len(words) < 4 {
				return l, fmt.Errorf("a node without its place: %q", line)
			}
			n, err := strconv.Atoi(strings.TrimPrefix(words[1], "n"))
			if err != nil {
				return l, err
			}
			f, err := numbers(words[2:], 2)
			if err != nil {
				return l, err
			}
			l.at[n] = [2]float64{f[0], f[1]}
		case "edge":
			if len(words) < 4 {
				return l, fmt.Errorf("an edge without its points: %q", line)
			}
			n, err := strconv.Atoi(words[3])
			if err != nil {
				return l, err
			}
			f, err := numbers(words[4:], 2*n)
			if err != nil {
				return l, err
			}
			points := make([][2]float64, n)
			for i := range points {
				points[i] = [2]float64{f[2*i], f[2*i+1]}
			}
			l.paths = append(l.paths, points)
		}
	}
	return l, nil
}

func numbers(words []string, n int) ([]float64, error) {
	if len(words) < n {
		return nil, fmt.Errorf("%d numbers are needed, %d are there", n, len(words))
	}
	out := make([]float64, n)
	for i := range out {
		f, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return nil, err
		}
		out[i] = f
	}
	return out, nil
}

// margin around the picture, in pixels.
const margin = 16

// paint draws a laid out graph.
func paint(g Graph, l layout) *Drawing {
	x := func(v float64) float64 { return v*72 + margin }
	y := func(v float64) float64 { return (l.height-v)*72 + margin }
	w, h := int(l.width*72)+2*margin, int(l.height*72)+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" width="%d" height="%d" role="group" aria-label="Resource graph">`, w, h, w, h)
	for _, p := range l.paths {
		edge(&b, p, x, y)
	}
	for i, n := range g.Nodes {
		at, ok := l.at[i]
		if !ok {
			continue
		}
		box(&b, n, x(at[0]), y(at[1]))
	}
	b.WriteString("</svg>")
	return &Drawing{SVG: template.HTML(b.String()), Width: w, Height: h} //nolint:gosec // every text is escaped by box
}

func edge(b *strings.Builder, p [][2]float64, x, y func(float64) float64) {
	if len(p) < 4 {
		return
	}
	fmt.Fprintf(b, `<path class="edge" d="M%.1f %.1f`, x(p[0][0]), y(p[0][1]))
	for i := 1; i+2 < len(p); i += 3 {
		fmt.Fprintf(b, "C%.1f %.1f %.1f %.1f %.1f %.1f", x(p[i][0]), y(p[i][1]), x(p[i+1][0]), y(p[i+1][1]), x(p[i+2][0]), y(p[i+2][1]))
	}
	b.WriteString(`"/>`)
	end := p[len(p)-1] // Graphviz leaves room for the tip
	ex, ey := x(end[0]), y(end[1])
	fmt.Fprintf(b, `<path class="tip" d="M%.1f %.1fl9 0l-9 4l0 -8z"/>`, ex, ey)
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
