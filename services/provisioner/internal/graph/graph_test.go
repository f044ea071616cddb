package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
)

func def(name, typ string, spec definition.Spec) definition.Definition {
	spec.Type, spec.Driver = typ, "local"
	return definition.Definition{Name: name, Spec: spec}
}

func request(resources map[string]definition.Need) graph.Request {
	return graph.Request{Project: "shop", Environment: "dev", EnvironmentType: "development", Workload: "orders", Resources: resources}
}

func keys(g graph.Graph) []string {
	var out []string
	for _, n := range g.Nodes {
		out = append(out, n.Key)
	}
	return out
}

func TestBuild_PlaceholdersInParams_BecomeEdgesAndOrder(t *testing.T) {
	t.Parallel()
	defs := []definition.Definition{
		def("q", "queue", definition.Spec{Inputs: map[string]any{"url": "${params.url}", "name": "${context.environment}-${context.resource}"}}),
		def("r", "redis", definition.Spec{}),
	}
	g, err := graph.Build(request(map[string]definition.Need{
		"announce": {Type: "queue", Params: map[string]any{"url": "redis://${resources.cache.host}:${resources.cache.port}", "size": "${metadata.name}"}},
		"cache":    {Type: "redis"},
	}), defs)
	require.NoError(t, err)
	require.Equal(t, []string{"orders.cache", "orders.announce"}, keys(g))
	n := g.Nodes[1]
	require.Equal(t, []string{"orders.cache"}, n.After)
	require.Equal(t, "dev-announce", n.Inputs["name"])
	require.Equal(t, "redis://${resources.@orders/cache.host}:${resources.@orders/cache.port}", n.Inputs["url"])
	require.Equal(t, "orders.cache", n.KeyOf("@orders/cache"))
	require.Equal(t, "orders", n.Params["size"])
	require.Equal(t, "default", n.Class)
}

func TestBuild_Requires_AddsNodesThatTheInputsSpeakOf(t *testing.T) {
	t.Parallel()
	defs := []definition.Definition{
		def("db", "postgres", definition.Spec{
			Requires: map[string]definition.Need{
				"net":  {Type: "network", Params: map[string]any{"cidr": "${params.cidr}"}},
				"disk": {Type: "volume", ID: "big"},
			},
			Inputs: map[string]any{"at": "${resources.net.id}", "on": "${resources.disk.path}", "beside": "${resources.cache.host}"},
		}),
		def("net", "network", definition.Spec{Inputs: map[string]any{"cidr": "${params.cidr}"}}),
		def("vol", "volume", definition.Spec{}),
		def("r", "redis", definition.Spec{}),
	}
	g, err := graph.Build(request(map[string]definition.Need{
		"store": {Type: "postgres", Params: map[string]any{"cidr": "10.0.0.0/8"}},
		"cache": {Type: "redis"},
	}), defs)
	require.NoError(t, err)
	require.Equal(t, []string{"orders.cache", "orders.store.net", "shared.volume.big", "orders.store"}, keys(g))
	store := g.Nodes[3]
	require.Equal(t, []string{"orders.cache", "orders.store.net", "shared.volume.big"}, store.After)
	require.Equal(t, "10.0.0.0/8", g.Nodes[1].Inputs["cidr"])
	require.False(t, g.Nodes[1].Asked)
	require.True(t, store.Asked)
}

func TestBuild_SharedById_IsOneNodeAndHasOneClass(t *testing.T) {
	t.Parallel()
	defs := []definition.Definition{def("r", "redis", definition.Spec{})}
	g, err := graph.Build(request(map[string]definition.Need{
		"a": {Type: "redis", ID: "one"}, "b": {Type: "redis", ID: "one"}, "c": {Type: "redis"},
	}), defs)
	require.NoError(t, err)
	require.Equal(t, []string{"orders.c", "shared.redis.one"}, keys(g))
	_, err = graph.Build(request(map[string]definition.Need{
		"a": {Type: "redis", ID: "one"}, "b": {Type: "redis", ID: "one", Class: "big"},
	}), defs)
	require.ErrorContains(t, err, "a shared resource has one")
}

func TestBuild_Circles_AreNamed(t *testing.T) {
	t.Parallel()
	plain := []definition.Definition{def("r", "redis", definition.Spec{})}
	_, err := graph.Build(request(map[string]definition.Need{
		"a": {Type: "redis", Params: map[string]any{"x": "${resources.b.host}"}},
		"b": {Type: "redis", Params: map[string]any{"x": "${resources.c.host}"}},
		"c": {Type: "redis", Params: map[string]any{"x": "${resources.a.host}"}},
		"d": {Type: "redis", Params: map[string]any{"x": "${resources.a.host}"}},
	}), plain)
	require.ErrorContains(t, err, "circle: orders.a → orders.b → orders.c → orders.a")
	_, err = graph.Build(request(map[string]definition.Need{"a": {Type: "redis", Params: map[string]any{"x": "${resources.a.host}"}}}), plain)
	require.ErrorContains(t, err, "circle: orders.a → orders.a")

	mutual := []definition.Definition{
		def("one", "x", definition.Spec{Requires: map[string]definition.Need{"y": {Type: "y"}}}),
		def("two", "y", definition.Spec{Requires: map[string]definition.Need{"x": {Type: "x"}}}),
	}
	_, err = graph.Build(request(map[string]definition.Need{"start": {Type: "x"}}), mutual)
	require.ErrorContains(t, err, "start (definition one) → y (definition two) → x (definition one)")
}

func TestBuild_Wrong_EverythingIsToldAtOnce(t *testing.T) {
	t.Parallel()
	defs := []definition.Definition{
		def("r", "redis", definition.Spec{Inputs: map[string]any{"size": "${params.size}"}}),
		def("v", "volume", definition.Spec{Inputs: map[string]any{"x": "${resources}"}}),
	}
	_, err := graph.Build(request(map[string]definition.Need{
		"a":   {Type: "postgres"},
		"b":   {Type: "redis"},
		"c":   {Type: "redis", Params: map[string]any{"size": "${resources.nobody.host}"}},
		"d":   {Type: "redis", Params: map[string]any{"size": "${nonsense.x}"}},
		"e":   {Type: "redis", Params: map[string]any{"size": "${resources.b}"}},
		"f.g": {Type: "redis"},
		"h":   {Type: "redis", Params: map[string]any{"size": "${context.moon}"}},
		"i":   {Type: "volume"},
	}), defs)
	var all *graph.Error
	require.ErrorAs(t, err, &all)
	for _, want := range []string{
		"no resource definition is for resource a (type postgres, class default)",
		"resource b gives no param size",
		"workload orders has no resource nobody; there is a, b, c",
		"${nonsense.x} means nothing here",
		"${resources.b} names no output",
		`resource name "f.g"`,
		"${context.moon} means nothing",
		"${resources} names no output",
	} {
		require.ErrorContains(t, err, want)
	}
	require.GreaterOrEqual(t, len(all.Faults), 8)
}

func TestBuild_DefinitionWithAModule_NodeCarriesItAndStackFolderStays(t *testing.T) {
	t.Parallel()
	request := graph.Request{Project: "shop", Environment: "dev", EnvironmentType: "development", Resources: map[string]definition.Need{"disk": {Type: "volume"}}}
	d := definition.Definition{Name: "disk", Spec: definition.Spec{
		Type: "volume", Driver: "opentofu", Module: &module.Source{Folder: "disk", Digest: "sha256:1"}, Engine: "tofu",
		Inputs: map[string]any{"folder": "${stack.folder}/data", "name": "${context.environment}"},
	}}
	g, err := graph.Build(request, []definition.Definition{d})
	require.NoError(t, err)
	require.Equal(t, &definition.Module{Digest: "sha256:1", Engine: "tofu"}, g.Nodes[0].Module)
	require.Equal(t, map[string]any{"folder": "${stack.folder}/data", "name": "dev"}, g.Nodes[0].Inputs)

	d.Inputs = map[string]any{"folder": "${stack.home}"}
	_, err = graph.Build(request, []definition.Definition{d})
	require.ErrorContains(t, err, "${stack.home} means nothing here; there are params.NAME, context.…, resources.NAME.OUTPUT and stack.folder")
	d.Module, d.Inputs = nil, map[string]any{"folder": "${stack.folder}"}
	_, err = graph.Build(request, []definition.Definition{d})
	require.ErrorContains(t, err, "${stack.folder} means nothing here")
}
