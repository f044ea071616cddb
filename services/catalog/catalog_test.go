package catalog_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	catalogevents "github.com/slipway-idp/slipway/events/catalog"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/service/servicetest"

	"github.com/slipway-idp/slipway/services/catalog"
)

// platform is the catalog under test, and what tests often ask of it.
type platform struct{ *servicetest.Platform }

func newPlatform(t *testing.T) *platform {
	t.Helper()
	return &platform{servicetest.Start(t, catalog.Name, func(d service.Deps) (service.Service, error) {
		return catalog.New(catalog.Config{Deps: d})
	})}
}

func (p *platform) apply(text string) docapi.Applied {
	p.T.Helper()
	docs, faults := document.Split("shop.yaml", strings.NewReader(text))
	require.Empty(p.T, faults)
	var r docapi.Request
	for _, d := range docs {
		r.Documents = append(r.Documents, docapi.Raw{Source: d.Source, Line: d.Line, Raw: string(d.Raw)})
	}
	var out docapi.Applied
	require.Equal(p.T, http.StatusOK, p.Call("POST", "/documents/apply", r, &out))
	return out
}

type shown struct {
	Ref       string
	Metadata  struct{ Name, Description string }
	Relations []struct {
		Type, TargetRef string
		Dangling        bool
	}
	Version int64
}

func (s shown) relations() []string {
	var out []string
	for _, r := range s.Relations {
		text := r.Type + " " + r.TargetRef
		if r.Dangling {
			text += " (dangling)"
		}
		out = append(out, text)
	}
	return out
}

func (p *platform) get(ref string) shown {
	p.T.Helper()
	var e shown
	require.Equal(p.T, http.StatusOK, p.Call("GET", "/api/v1/entities/"+ref, nil, &e))
	return e
}

// list follows the cursor to the end.
func (p *platform) list(query string) []string {
	p.T.Helper()
	refs := []string{}
	for cursor := ""; ; {
		var page httpapi.Page[shown]
		require.Equal(p.T, http.StatusOK, p.Call("GET", "/api/v1/entities?"+query+"&cursor="+url.QueryEscape(cursor), nil, &page))
		for _, e := range page.Items {
			refs = append(refs, e.Ref)
		}
		if cursor = page.NextCursor; cursor == "" {
			return refs
		}
	}
}

const shop = `apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: ada}
spec: {profile: {displayName: Ada}, memberOf: [team-orders]}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: team-orders}
spec: {type: team, children: []}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: Orders, description: Takes orders of customers, tags: [go]}
spec: {type: service, lifecycle: production, owner: team-orders, system: shop, providesApis: [orders-api], dependsOn: ['resource:orders-cache']}
---
apiVersion: backstage.io/v1alpha1
kind: Resource
metadata: {name: orders-cache}
spec: {type: redis, owner: user:ada}
`

func TestCatalog_Applied_IsRelatedOwnedFoundAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for _, r := range p.apply(shop).Results {
		require.Equal(t, docapi.Created, r.Result, r.Name)
	}
	for _, r := range p.apply(shop).Results {
		require.Equal(t, docapi.Unchanged, r.Result, r.Name)
	}
	check := func() {
		require.Equal(t, []string{
			"dependsOn resource:default/orders-cache", "ownedBy group:default/team-orders",
			"partOf system:default/shop (dangling)", "providesApi api:default/orders-api (dangling)",
		}, p.get("component:default/orders").relations())
		require.Equal(t, []string{"hasMember user:default/ada", "ownerOf component:default/orders"}, p.get("group/team-orders").relations())
		require.Equal(t, "Orders", p.get("Component/default/ORDERS").Metadata.Name, "references have no case, names keep theirs")

		require.Equal(t, []string{"component:default/orders"}, p.list("owner=team-orders"))
		require.Equal(t, []string{"component:default/orders", "resource:default/orders-cache"}, p.list("owner=user:ada"), "what a person's teams own is theirs too")
		require.Equal(t, []string{"group:default/team-orders", "user:default/ada"}, p.list("kind=user&kind=Group"))
		require.Equal(t, []string{"component:default/orders"}, p.list("q=customers"))
		require.Equal(t, []string{"resource:default/orders-cache"}, p.list("q=orders&kind=resource"))
		require.Len(t, p.list("limit=1"), 4)
		require.Len(t, p.list("q=orders&limit=1"), 4-1)
	}
	check()
	p.Stop()
	p.Start()
	check()
}

func TestCatalog_ChangedAndRemoved_SaysSoOnceInOrder(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.apply(shop)
	p.apply(strings.Replace(shop, "Takes orders", "Loses orders", 1))
	require.Equal(t, []string{"component:default/orders"}, p.list("q=loses"))
	require.Empty(t, p.list("q=takes"))
	require.Equal(t, http.StatusNoContent, p.Call("DELETE", "/api/v1/entities/component:default/orders", nil, nil))
	require.Equal(t, http.StatusNotFound, p.Call("DELETE", "/api/v1/entities/component:default/orders", nil, nil))
	require.Equal(t, http.StatusNotFound, p.Call("GET", "/api/v1/entities/component:default/orders", nil, nil))
	require.Empty(t, p.list("q=loses"))
	require.Equal(t, []string{"hasMember user:default/ada"}, p.get("group:team-orders").relations())
	p.apply(shop)
	require.Equal(t, int64(4), p.get("component:orders").Version, "versions go on over a removal")

	var got []string
	for stored, err := range p.Bus.Tail(t.Context(), bus.TailOptions{}) {
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(stored.Subject, "evt.org.dev.slipway.catalog.entity."), stored.Subject)
		if stored.Event.Subject() != "component:default/orders" {
			continue
		}
		if stored.Event.Type() == catalogevents.EntityRemoved.Type() {
			data, err := catalogevents.EntityRemoved.Decode(stored.Event)
			require.NoError(t, err)
			got = append(got, fmt.Sprint("removed ", data.Version))
			continue
		}
		data, err := catalogevents.EntityChanged.Decode(stored.Event)
		require.NoError(t, err)
		require.Equal(t, "group:default/team-orders", data.Owner)
		got = append(got, fmt.Sprint(data.Change, " ", data.Version))
		if data.Version == 4 {
			break
		}
	}
	require.Equal(t, []string{"created 1", "updated 2", "removed 3", "created 4"}, got)
}

func TestCatalog_AnotherReplicaCommits_IsSeenHere(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	another := &platform{p.Replica()}
	another.apply(shop)
	require.Eventually(t, func() bool { return len(p.list("q=customers")) == 1 }, 10*time.Second, 10*time.Millisecond)
}

func TestCatalog_BackstageReads_AnswerAsItsClientsExpect(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.apply(shop)
	var e map[string]any
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/catalog/entities/by-name/component/default/orders", nil, &e))
	require.Equal(t, "default", e["metadata"].(map[string]any)["namespace"])
	require.Len(t, e["metadata"].(map[string]any)["uid"], 36)
	require.Contains(t, e["relations"], map[string]any{"type": "ownedBy", "targetRef": "group:default/team-orders"})

	var query struct {
		Items      []map[string]any
		TotalItems int
		PageInfo   struct{ NextCursor string }
	}
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/catalog/entities/by-query?limit=3", nil, &query))
	require.Equal(t, 4, query.TotalItems)
	require.Len(t, query.Items, 3)
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/catalog/entities/by-query?limit=3&cursor="+query.PageInfo.NextCursor, nil, &query))
	require.Len(t, query.Items, 1)

	for filter, want := range map[string]int{
		"":                                      4,
		"filter=kind%3Dcomponent":               1,
		"filter=kind%3Dcomponent,kind%3Duser":   2,
		"filter=kind%3Dcomponent,spec.type%3Dx": 0,
		"filter=kind%3Dcomponent&filter=kind%3Dgroup":          2,
		"filter=metadata.tags%3Dgo":                            1,
		"filter=metadata.tags.go%3Dtrue":                       1,
		"filter=spec.memberOf":                                 1,
		"filter=relations.ownedBy%3Dgroup:default/team-orders": 1,
	} {
		var items []map[string]any
		require.Equal(t, http.StatusOK, p.Call("GET", "/api/catalog/entities?"+filter, nil, &items))
		require.Len(t, items, want, filter)
	}

	var refs struct{ Items []map[string]any }
	require.Equal(t, http.StatusOK, p.Call("POST", "/api/catalog/entities/by-refs", map[string]any{"entityRefs": []string{"user:ada", "user:nobody"}}, &refs))
	require.Len(t, refs.Items, 2)
	require.Nil(t, refs.Items[1])
}

func TestCatalog_BadQuestions_SayWhatIsMeant(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for query, detail := range map[string]string{
		"/api/v1/entities?onwer=a":         `Did you mean "owner"?`,
		"/api/v1/entities?kind=componnent": `Did you mean "Component"?`,
		"/api/v1/entities?cursor=x":        "cursor",
		"/api/v1/entities?q=a&cursor=x":    "cursor",
		"/api/v1/entities?limit=0":         "limit=0",
		"/api/v1/entities/component/a%20b": "no reference",
	} {
		var problem httpapi.Problem
		require.Equal(t, http.StatusBadRequest, p.Call("GET", query, nil, &problem), query)
		require.Contains(t, problem.Detail, detail, query)
	}
	var problem httpapi.Problem
	require.Equal(t, http.StatusUnprocessableEntity, p.Call("POST", "/documents/apply", docapi.Request{Documents: []docapi.Raw{
		{Source: "a.yaml", Line: 1, Raw: shop[:strings.Index(shop, "---")]},
		{Source: "a.yaml", Line: 6, Raw: "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: bob}\nspec: {membrOf: []}\n"},
	}}, &problem))
	require.Equal(t, `a.yaml:9:8: unknown field "membrOf" (did you mean "memberOf"?)`, problem.Errors[0].String())
	require.Empty(t, p.list(""), "nothing of a batch is applied when one of it is wrong")
}
