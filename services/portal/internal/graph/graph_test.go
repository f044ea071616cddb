package graph_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/portal/internal/graph"
)

func TestDraw_EachNodeIsALink_AndEachEdgeIsDrawn(t *testing.T) {
	t.Parallel()
	g := graph.Graph{
		Nodes: []graph.Node{{ID: "w", Label: "orders", Under: "workload", Kind: "workload", State: "succeeded", Href: "/w"}, {ID: "r", Label: "cache", Under: "redis", Kind: "resource", State: "running", Href: "/r"}},
		Edges: []graph.Edge{{From: "w", To: "r"}, {From: "w", To: "of nobody"}},
	}
	one := graph.Draw(g)
	svg := string(one.SVG)
	require.Equal(t, 2, strings.Count(svg, "<a href="))
	require.Equal(t, 1, strings.Count(svg, `class="edge"`))
	require.Contains(t, svg, `<use href="#s-running" class="running"`, "a state has its shape here too")
	require.NotContains(t, svg, "style=")
	again := graph.Draw(g)
	require.Equal(t, one.SVG, again.SVG)
}

func TestDraw_HostileNames_AreText(t *testing.T) {
	t.Parallel()
	d := graph.Draw(graph.Graph{Nodes: []graph.Node{{
		ID: `x"]; evil [label="`, Label: `<script>`, Under: `"><b>`, Kind: `a" onclick="x`, State: `"><`, Href: `/"onclick="x`,
	}}})
	require.NotContains(t, string(d.SVG), "<script>")
	require.NotContains(t, string(d.SVG), "<b>")
	require.NotContains(t, string(d.SVG), `" onclick`)
}

func TestDraw_NothingOrTooMuch_IsLeftToTheTable(t *testing.T) {
	t.Parallel()
	require.Nil(t, graph.Draw(graph.Graph{}))
	require.Nil(t, graph.Draw(graph.Graph{Nodes: make([]graph.Node, 500)}))
}
