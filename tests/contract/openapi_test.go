// Package contract holds what the platform serves against what it documents.
package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-idp/slipway/tests/platform"
)

// binaries of this run; see platform.Main.
var binaries *platform.Binaries

func TestMain(m *testing.M) { os.Exit(platform.Main(m, &binaries)) }

const commit = "1111111111111111111111111111111111111111"

// named are the values of path parameters that the example shop gives.
var named = map[string]string{
	"/api/catalog/entities/by-name/{kind}/{namespace}/{name}": "kind=component namespace=default name=orders",
	"/api/v1/entities/{ref}":                                  "ref=component:default/orders",
	"/api/v1/environment-types/{type}":                        "type=development",
	"/api/v1/policies/{policy}":                               "policy=known-components",
	"/api/v1/projects/{project}/artifacts/{name}/{version}":   "name=orders version=" + commit,
	"/api/v1/projects/{project}/channels/{name}":              "name=chat",
	"/api/v1/projects/{project}/routes/{name}":                "name=deployments",
	"/events/types/{type}/schema":                             "type=dev.slipway.policy.decision.made.v1",
	"/schemas/{file}":                                         "file=Channel.json",
	"":                                                        "project=shop environment=dev workload=orders definition=local-redis resource=orders.cache secret=github webhook=github pipeline=orders",
}

// unmade are paths of what only an infrastructure engine makes, and the shop
// is without one here: that there is none is answered as documented, too. With
// engines they are asked in services/provisioner and tests/engines.
var unmade = map[string]string{
	"/api/v1/projects/{project}/modules/{digest}":        "digest=sha256:" + commit,
	"/api/v1/projects/{project}/runs/{run}":              "run=run-nothing",
	"/api/v1/projects/{project}/runs/{run}/log":          "run=run-nothing",
	"/api/v1/projects/{project}/stacks/{stack}":          "stack=shop.dev.nothing",
	"/api/v1/projects/{project}/stacks/{stack}/versions": "stack=shop.dev.nothing",
}

// TestOpenAPI_EveryDocumentedGet_AnswersAsDocumented asks a platform that has
// something of everything.
func TestOpenAPI_EveryDocumentedGet_AnswersAsDocumented(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	p.ApplyShop("")
	p.PushOrders(binaries, "shop", commit, "v1")
	status, body := p.Deliver("github", platform.Workflow(platform.Build{Repository: "orders", Commit: commit}, "d1"))
	require.Equal(t, http.StatusAccepted, status, string(body))
	p.AwaitVersion(platform.Host("orders", "dev", "shop"), "v1")

	c := newContract(t, p)
	for _, path := range slices.Sorted(maps.Keys(c.gets)) {
		t.Run(path, func(t *testing.T) { c.check(t, path) })
	}
}

type contract struct {
	p        *platform.Platform
	compiler *jsonschema.Compiler
	gets     map[string]operation
	shared   map[string]response // by their pointer in the document
}

// operation is what of an OpenAPI operation is looked at.
type operation struct {
	Responses map[string]response `yaml:"responses"`
}

type response struct {
	Ref     string `yaml:"$ref"`
	Content map[string]struct {
		Schema any `yaml:"schema"`
	} `yaml:"content"`
}

// documented is a response of a path, and where in the document it is.
func (c *contract) documented(path, status string) (response, string) {
	r := c.gets[path].Responses[status]
	if at, ok := strings.CutPrefix(r.Ref, "#"); ok {
		return c.shared[at], at
	}
	return r, "/paths/" + pointer(path) + "/get/responses/" + status
}

// pointer escapes one part of a JSON pointer in a URL.
func pointer(part string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
}

const document = "https://slipway.invalid/openapi.json"

func newContract(t *testing.T, p *platform.Platform) *contract {
	t.Helper()
	text, media, status := fetch(t, p, "/openapi.yaml")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "application/yaml", media)
	var spec struct {
		OpenAPI string                          `yaml:"openapi"`
		Paths   map[string]map[string]yaml.Node `yaml:"paths"`

		Components struct {
			Responses map[string]response `yaml:"responses"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(text, &spec))
	require.True(t, strings.HasPrefix(spec.OpenAPI, "3.1."), spec.OpenAPI)
	c := &contract{p: p, compiler: jsonschema.NewCompiler(), gets: map[string]operation{}, shared: map[string]response{}}
	for name, r := range spec.Components.Responses {
		c.shared["/components/responses/"+name] = r
	}
	for path, item := range spec.Paths {
		if node, ok := item["get"]; ok {
			var o operation
			require.NoError(t, node.Decode(&o), path)
			c.gets[path] = o
		}
	}
	var whole any
	require.NoError(t, yaml.Unmarshal(text, &whole))
	raw, err := json.Marshal(whole)
	require.NoError(t, err)
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, c.compiler.AddResource(document, parsed))
	return c
}

// fetch asks as the admin and returns body, media type and status.
func fetch(t *testing.T, p *platform.Platform, path string) ([]byte, string, int) {
	t.Helper()
	request, err := http.NewRequestWithContext(p.Context(), http.MethodGet, "http://"+p.Listen+path, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+p.Token())
	response, err := p.HTTP.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	media, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return body, media, response.StatusCode
}

func (c *contract) check(t *testing.T, path string) {
	target := c.fill(t, path)
	if path == "/api/v1/projects/{project}/workloads/{workload}/logs" {
		target += "?environment=dev"
	}
	want, as := http.StatusOK, "200"
	if unmade[path] != "" {
		want, as = http.StatusNotFound, "default"
	}
	body, media, status := fetch(t, c.p, target)
	require.Equal(t, want, status, "%s: %s", target, body)
	answered, at := c.documented(path, as)
	documented := answered.Content
	require.NotEmpty(t, documented, "the %s of %s has no content in the document", as, path)
	require.Contains(t, slices.Collect(maps.Keys(documented)), media, target)
	if documented[media].Schema == nil || !strings.HasSuffix(media, "json") || media == "application/x-ndjson" {
		return
	}
	schema, err := c.compiler.Compile(document + "#" + at + "/content/" + pointer(media) + "/schema")
	require.NoError(t, err)
	answer, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err, string(body))
	require.NoError(t, schema.Validate(answer), "%s answered %s", target, body)
}

// fill replaces the parameters of a path: by name where the shop has such a
// thing, and otherwise by the id of the first in the collection.
func (c *contract) fill(t *testing.T, path string) string {
	t.Helper()
	values := map[string]string{}
	for _, list := range []string{named[""], named[path], unmade[path]} {
		for _, pair := range strings.Fields(list) {
			k, v, _ := strings.Cut(pair, "=")
			values[k] = v
		}
	}
	var parts []string
	for _, part := range strings.Split(path, "/") {
		if strings.HasPrefix(part, "{") {
			name := strings.Trim(part, "{}")
			value, ok := values[name]
			if !ok {
				value = c.first(t, strings.Join(parts, "/"))
			}
			part = url.PathEscape(value)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "/")
}

// first is the id of the first item that a collection has.
func (c *contract) first(t *testing.T, collection string) string {
	t.Helper()
	var found string
	c.p.Await("something in "+collection, func() bool {
		body, _, status := fetch(t, c.p, collection)
		require.Equal(t, http.StatusOK, status, "%s: %s", collection, body)
		var page struct{ Items []map[string]any }
		require.NoError(t, json.Unmarshal(body, &page), string(body))
		if len(page.Items) == 0 {
			return false
		}
		for _, field := range []string{"id", "digest", "correlationId"} {
			if id, ok := page.Items[0][field].(string); ok {
				found = id
				return true
			}
		}
		require.Fail(t, "an item without an id", "%s: %s", collection, body)
		return true
	})
	return found
}
