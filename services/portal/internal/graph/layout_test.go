package graph

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// some draws a graph of up to thirty boxes, circles among them.
func some(t *rapid.T) Graph {
	var g Graph
	n := rapid.IntRange(1, 30).Draw(t, "nodes")
	for i := range n {
		g.Nodes = append(g.Nodes, Node{ID: fmt.Sprint(i), Label: rapid.StringMatching(`[a-z]{1,40}`).Draw(t, "label")})
	}
	for range rapid.IntRange(0, 60).Draw(t, "edges") {
		g.Edges = append(g.Edges, Edge{
			From: fmt.Sprint(rapid.IntRange(0, n-1).Draw(t, "from")), To: fmt.Sprint(rapid.IntRange(0, n-1).Draw(t, "to")),
		})
	}
	return g
}

func TestLay_AnyGraph_BoxesDoNotOverlapAndLieInThePicture(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := some(t)
		l := lay(g)
		for i, a := range l.at {
			w := float64(width(g.Nodes[i]))
			require.GreaterOrEqual(t, a.x-w/2, -0.01)
			require.LessOrEqual(t, a.x+w/2, l.width+0.01)
			require.GreaterOrEqual(t, a.y-high/2, -0.01)
			require.LessOrEqual(t, a.y+high/2, l.height+0.01)
			for j, b := range l.at[:i] {
				apartX := max(a.x-b.x, b.x-a.x) >= (w+float64(width(g.Nodes[j])))/2
				apartY := max(a.y-b.y, b.y-a.y) >= high-0.01
				require.True(t, apartX || apartY, "boxes %d and %d overlap", i, j)
			}
		}
	})
}

func TestLay_WhatIsNeeded_IsToTheRight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := some(t)
		for _, path := range lay(g).paths {
			require.Less(t, path[0].x, path[len(path)-1].x)
		}
	})
}

func TestLay_LongEdge_PassesBesideTheBoxBetween(t *testing.T) {
	t.Parallel()
	l := lay(Graph{
		Nodes: []Node{{ID: "workload"}, {ID: "bucket"}, {ID: "disk"}},
		Edges: []Edge{{"workload", "bucket"}, {"bucket", "disk"}, {"workload", "disk"}},
	})
	require.Len(t, l.paths, 3)
	for _, path := range l.paths {
		if len(path) == 4 {
			require.Greater(t, max(path[1].y-l.at[1].y, l.at[1].y-path[1].y), float64(high)/2, "the long edge runs through the box")
			return
		}
	}
	t.Fatal("no edge passes a column")
}
