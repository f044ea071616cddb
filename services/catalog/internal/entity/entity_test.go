package entity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

func read(t *testing.T, text string) (Entity, []httpapi.Fault) {
	t.Helper()
	docs, faults := document.Split("e.yaml", strings.NewReader(text))
	require.Empty(t, faults)
	require.Len(t, docs, 1)
	return Read(docs[0])
}

func TestParseRef_EveryForm_IsCompletedAndComparedWithoutCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"orders":               "component:default/orders",
		"Orders":               "component:default/orders",
		"api:orders":           "api:default/orders",
		"Prod/orders":          "component:prod/orders",
		"API:prod/Orders_v1.2": "api:prod/orders_v1.2",
	} {
		ref, err := ParseRef(text, "component")
		require.NoError(t, err, text)
		require.Equal(t, want, ref.String(), text)
	}
	for _, text := range []string{"", ":", "a b", "/orders", "api:", "api:/x", "a:b:c", "1x:orders", "api:a/b/c", strings.Repeat("a", 64), "-a", "a-"} {
		_, err := ParseRef(text, "component")
		require.Error(t, err, text)
	}
	_, err := ParseRef("orders", "")
	require.EqualError(t, err, `"orders" names no kind; write it as kind:orders`)
}

func TestRead_EachKind_IsTakenAsBackstageWritesIt(t *testing.T) {
	t.Parallel()
	for kind, spec := range map[string]string{
		"Component": "{type: service, lifecycle: production, owner: team-a, system: shop, providesApis: [orders], consumesApis: [api:pay], dependsOn: ['resource:db']}",
		"API":       "{type: openapi, lifecycle: production, owner: team-a, definition: {$text: ./openapi.yaml}}",
		"Resource":  "{type: database, owner: team-a, system: shop}",
		"System":    "{owner: team-a, domain: retail}",
		"Domain":    "{owner: team-a, subdomainOf: business}",
		"Group":     "{type: team, children: [], profile: {displayName: A}, parent: business, members: [ada]}",
		"User":      "{profile: {displayName: Ada, email: ada@example.com}, memberOf: [team-a]}",
		"Location":  "{type: url, targets: ['https://example.com/a.yaml']}",
	} {
		_, faults := read(t, "apiVersion: backstage.io/v1alpha1\nkind: "+kind+"\nmetadata: {name: x, tags: [java, c++], uid: u, etag: e}\nspec: "+spec+"\nrelations: []\n")
		require.Empty(t, faults, kind)
	}
	_, faults := read(t, "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata: {name: x}\nspec: {type: service, owner: team-a, parameters: [{title: a}], steps: [{id: a, action: fetch:template, input: {url: ./x}}], output: {links: []}}\n")
	require.Empty(t, faults)
}

func TestRead_WhatIsWrong_HasItsPlaceAndTheNearestName(t *testing.T) {
	t.Parallel()
	component := func(metadata, spec string) string {
		return "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: orders" + metadata + "}\nspec:\n  type: service\n  lifecycle: production\n" + spec
	}
	for name, tc := range map[string]struct{ text, fault string }{
		"unknown field": {component("", "  ownr: team-a\n"), `e.yaml:7:3: unknown field "ownr" (did you mean "owner"?)`},
		"missing owner": {component("", ""), "spec.owner is missing"},
		"reference":     {component("", "  owner: team a\n"), `e.yaml:7:10: "team a" is no reference`},
		"kindless":      {component("", "  owner: a\n  dependsOn: [db]\n"), `e.yaml:8:15: "db" names no kind; write it as kind:db`},
		"tag":           {component(", tags: [Java]", "  owner: a\n"), `e.yaml:3:33: "Java" is not a tag`},
		"label":         {component(", labels: {a/b/c: x}", "  owner: a\n"), `"a/b/c" is not a key`},
		"metadata":      {component(", tittle: x", "  owner: a\n"), `did you mean "title"?`},
		"list for text": {component("", "  owner: [a]\n"), "e.yaml:7:10: a string is wanted here, this is a list"},
		"kind":          {"apiVersion: backstage.io/v1alpha1\nkind: Componnent\nmetadata: {name: a}\n", `e.yaml:2:7: unknown kind "Componnent" (did you mean "Component"?)`},
		"API version":   {"apiVersion: backstage.io/v1\nkind: User\nmetadata: {name: a}\nspec: {}\n", "is not an API version of User"},
		"name":          {"apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: a b}\nspec: {}\n", "is not a name"},
		"namespace":     {"apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: a, namespace: a_b}\nspec: {}\n", "is not a namespace"},
		"location":      {"apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: a}\nspec: {type: url}\n", "a Location has a target"},
		"template":      {"apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata: {name: a}\nspec: {type: x, steps: [{id: a}]}\n", "a step has an action"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, faults := read(t, tc.text)
			require.NotEmpty(t, faults)
			require.Contains(t, faults[0].String(), tc.fault)
		})
	}
}

func TestRelations_BothSidesOfEachPair(t *testing.T) {
	t.Parallel()
	e, faults := read(t, "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: orders, namespace: prod}\nspec: {type: service, lifecycle: x, owner: default/team-a, providesApis: [orders-api], dependsOn: ['resource:db']}\n")
	require.Empty(t, faults)
	var got []string
	for _, r := range e.Relations() {
		got = append(got, r.From.String()+" "+r.Type+" "+r.To.String())
	}
	require.Equal(t, []string{
		"component:prod/orders ownedBy group:default/team-a",
		"group:default/team-a ownerOf component:prod/orders",
		"component:prod/orders providesApi api:prod/orders-api",
		"api:prod/orders-api apiProvidedBy component:prod/orders",
		"component:prod/orders dependsOn resource:prod/db",
		"resource:prod/db dependencyOf component:prod/orders",
	}, got)
}

func FuzzRead_AnyText_NeverPanicsAndWhatIsTakenHasAReference(f *testing.F) {
	f.Add("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {type: a, lifecycle: b, owner: c}\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := document.Split("f", strings.NewReader(text))
		for _, d := range docs {
			if e, faults := Read(d); len(faults) == 0 {
				_, err := ParseRef(e.Ref().String(), "")
				require.NoError(t, err)
			}
		}
	})
}
