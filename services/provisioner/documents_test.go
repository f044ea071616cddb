package provisioner_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
)

func (p *platform) faults(endpoint, text string) []httpapi.Fault {
	p.T.Helper()
	status, b := p.apply(endpoint, text)
	var out struct {
		Faults []httpapi.Fault
		Errors []httpapi.Fault
	}
	require.NoError(p.T, json.Unmarshal(b, &out), string(b))
	if endpoint == "check" {
		require.Equal(p.T, http.StatusOK, status)
		return out.Faults
	}
	require.Equal(p.T, http.StatusUnprocessableEntity, status, string(b))
	return out.Errors
}

func TestDocuments_Wrong_EachFaultHasItsLineAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for text, want := range map[string]string{
		"apiVersion: slipway.dev/v1alpha1\nkind: Secret\nmetadata: {name: x}\nspec:\n  valeu: hush\n":                                                                          `test.yaml:5:3: unknown field "valeu"`,
		"apiVersion: slipway.dev/v1alpha1\nkind: Secret\nmetadata: {name: x}\nspec: {value: ''}\n":                                                                             "the value is empty",
		"apiVersion: slipway.dev/v1alpha1\nkind: Secret\nmetadata: {name: 'a/b'}\nspec: {value: x}\n":                                                                          "is not a name for a secret",
		"apiVersion: slipway.dev/v2\nkind: Secret\nmetadata: {name: x}\nspec: {value: x}\n":                                                                                    "unknown apiVersion slipway.dev/v2",
		"apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: x}\nspec: {type: redis, driver: fak}\n":                                                  `no driver "fak"; there is fake`,
		"apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: x}\nspec: {type: redis, driver: fake, inputs: {sice: 1}}\n":                              "has no input sice",
		"apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: x}\nspec: {type: nosql, driver: fake}\n":                                                 `unknown kind "nosql"`,
		"apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: x}\nspec:\n  type: redis\n  driver: fake\n  match:\n    - {enviroment: dev}\n":           `did you mean "environment"`,
		"apiVersion: slipway.dev/v1alpha1\nkind: Environment\nmetadata: {name: x}\nspec: {type: moon}\n":                                                                       "environment type \"moon\"",
		"apiVersion: slipway.dev/v1alpha1\nkind: Environment\nmetadata: {name: x}\nspec: {type: preview, resources: {db: {type: postgres}}}\n":                                 "no resource definition is for resource db",
		"apiVersion: slipway.dev/v1alpha1\nkind: EnvironmentType\nmetadata: {name: x}\nspec: {defaultTtl: 3d, maxTtl: 1d}\n":                                                   "longer than maxTtl",
		"apiVersion: slipway.dev/v1alpha1\nkind: Enviroment\nmetadata: {name: x}\nspec: {}\n":                                                                                  `did you mean "Environment"`,
		"apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: x}\nspec: {type: redis, driver: fake, requires: {n: {type: 'a b'}}}\n":                   "type \"a b\"",
		"apiVersion: slipway.dev/v1alpha1\nkind: Environment\nmetadata: {name: x}\nspec: {type: preview, resources: {a: {type: redis, params: {x: '${resources.a.host}'}}}}\n": "circle: a → a",
	} {
		for _, endpoint := range []string{"check", "apply"} {
			faults := p.faults(endpoint, text)
			require.NotEmpty(t, faults, text)
			require.Contains(t, faults[0].String(), want)
			require.Positive(t, faults[0].Line, text)
			require.NotContains(t, faults[0].String(), "hush")
		}
	}
	require.Empty(t, p.secrets())
	require.Empty(t, p.environments())
}

func TestDocuments_AppliedTwice_AreUnchangedTheSecondTime(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	text := `
apiVersion: slipway.dev/v1alpha1
kind: Secret
metadata: {name: github}
spec: {value: hush-hush-hush}
---
apiVersion: slipway.dev/v1alpha1
kind: EnvironmentType
metadata: {name: playground}
spec: {description: To play in., defaultTtl: 1h}
---
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: own, project: shop}
spec: {type: volume, driver: fake}
---
apiVersion: slipway.dev/v1alpha1
kind: Environment
metadata: {name: dev}
spec: {type: playground, resources: {cache: {type: redis}}}
`
	results := p.applyOK(text)
	for i, project := range []string{"shop", "org", "shop", "shop"} {
		require.Equal(t, "created", results[i]["result"], results[i])
		require.Equal(t, project, results[i]["project"])
	}
	require.Equal(t, saga.Done, p.end(results[3]["operation"].(string)).Status)
	for _, r := range p.applyOK(text) {
		require.Equal(t, "unchanged", r["result"], r)
	}
	require.NotContains(t, p.logged(), "hush")
}

func TestDocuments_Previewed_TellFieldsNeverSecretsAndChangeNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	const head = "apiVersion: slipway.dev/v1alpha1\nkind: "
	text := head + "Secret\nmetadata: {name: github}\nspec: {value: hush-old}\n---\n" +
		head + "EnvironmentType\nmetadata: {name: playground}\nspec: {defaultTtl: 1h}\n---\n" +
		head + "ResourceDefinition\nmetadata: {name: own, project: shop}\nspec: {type: volume, driver: fake}\n---\n" +
		head + "Environment\nmetadata: {name: dev}\nspec: {type: playground, resources: {cache: {type: redis}}}\n"
	preview := func(text string) (results []string) {
		status, b := p.apply("preview", text)
		require.Equal(t, http.StatusOK, status, string(b))
		require.NotContains(t, string(b), "hush")
		var out struct{ Results []docapi.Result }
		require.NoError(t, json.Unmarshal(b, &out))
		for _, r := range out.Results {
			line := r.Result
			for _, c := range r.Changes {
				line += fmt.Sprintf(" %s %v→%v", c.Field, c.Old, c.New)
			}
			results = append(results, line)
		}
		return results
	}
	require.Equal(t, []string{"created", "created", "created", "created"}, preview(text))
	require.Empty(t, p.secrets())
	p.end(p.applyOK(text)[3]["operation"].(string))
	require.Equal(t, []string{"unchanged", "unchanged", "unchanged", "unchanged"}, preview(text))
	status, b := p.apply("preview", strings.Replace(text, "type: playground", "type: development", 1))
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, string(b), "a type cannot be changed")
	other := strings.NewReplacer("hush-old", "hush-new", "1h", "2h", "type: volume", "type: volume, protect: true", "cache:", "store:").Replace(text)
	for range 2 { // the first has no effect
		require.Equal(t, []string{
			"updated /spec/value <nil>→<nil>", "updated /spec/defaultTtl 1h→2h", "updated /spec/protect <nil>→true",
			"updated /spec/resources/cache/type redis→<nil> /spec/resources/store/type <nil>→redis",
		}, preview(other))
	}
}

func TestEnvironmentDocument_Changed_AddsAndRemovesResources(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	doc := func(resources string) string {
		return "apiVersion: slipway.dev/v1alpha1\nkind: Environment\nmetadata: {name: dev}\nspec: {type: development, resources: {" + resources + "}}\n"
	}
	step := func(resources string, want ...string) {
		r := p.applyOK(doc(resources))
		require.Equal(t, saga.Done, p.end(r[0]["operation"].(string)).Status)
		require.Equal(t, want, p.Driver.Existing())
	}
	step("cache: {type: redis}, bucket: {type: s3}", "shop.dev.bucket", "shop.dev.cache")
	step("cache: {type: redis}, queue: {type: queue}", "shop.dev.cache", "shop.dev.queue")
	p.await("environment.modified", 1)
	p.Driver.Fail("apply", ".bucket", http.ErrBodyNotAllowed, -1)
	r := p.applyOK(doc("bucket: {type: s3}"))
	require.Equal(t, saga.Undone, p.end(r[0]["operation"].(string)).Status)
	require.Equal(t, []string{"shop.dev.cache", "shop.dev.queue"}, p.Driver.Existing(), "a change that failed takes nothing away")
	require.Equal(t, "unchanged", p.applyOK(doc("cache: {type: redis}, queue: {type: queue}"))[0]["result"])
}

func TestSecrets_NoRouteGivesAValue(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	const base = "/api/v1/projects/shop/secrets"
	p.ok(http.StatusOK, http.MethodPut, base+"/github", map[string]string{"value": "hush-hush-hush"}, nil)
	for _, path := range []string{base, base + "/github", "/openapi.yaml"} {
		_, b := p.do(http.MethodGet, path, nil)
		require.NotContains(t, string(b), "hush-hush")
	}
	var info struct {
		Name, UpdatedBy string
		Version         int
	}
	p.ok(http.StatusOK, http.MethodGet, base+"/github", nil, &info)
	require.Equal(t, "user:default/ada", info.UpdatedBy)
	require.Equal(t, 1, info.Version)
	p.refused(http.StatusUnprocessableEntity, http.MethodPut, base+"/github", map[string]string{"value": ""})

	var answer struct {
		Values  map[string]string
		Missing []string
	}
	ask := map[string]any{"project": "shop", "names": []string{"github", "nothing"}, "purpose": "test", "service": "gateway"}
	require.NoError(t, p.Bus.Request(t.Context(), "rpc.secret.resolve", ask, &answer))
	require.Equal(t, map[string]string{"github": "hush-hush-hush"}, answer.Values)
	require.Equal(t, []string{"nothing"}, answer.Missing)
	ask["service"] = "catalog"
	require.ErrorContains(t, p.Bus.Request(t.Context(), "rpc.secret.resolve", ask, &answer), "may not resolve")

	err := filepath.WalkDir(p.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		require.False(t, strings.Contains(string(b), "hush-hush-hush"), path)
		return err
	})
	require.NoError(t, err)
	status, _ := p.do(http.MethodDelete, base+"/github", nil)
	require.Equal(t, http.StatusNoContent, status)
	p.refused(http.StatusNotFound, http.MethodDelete, base+"/github", nil)
}

func TestExplain_TellsWinnerScoresAndWhyNot(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var out struct {
		Resources []struct {
			Name, Definition, Driver, Reason string
			Considered                       []struct {
				Definition, Reason string
				Matches            bool
				Score              int
			}
		}
		Order    []string
		Problems []struct{ Resource, Message string }
	}
	body := map[string]any{"environment": "dev", "environmentType": "development", "score": map[string]any{
		"apiVersion": "score.dev/v1b1", "metadata": map[string]any{"name": "orders"}, "containers": map[string]any{},
		"resources": map[string]any{"cache": map[string]any{"type": "redis", "class": "sized", "params": map[string]any{"size": "1"}, "metadata": map[string]any{}}, "db": map[string]any{"type": "postgres"}},
	}}
	p.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/resources:explain", body, &out)
	require.Equal(t, "redis", out.Resources[0].Definition)
	require.Contains(t, out.Resources[0].Reason, "it matches by class sized; more specific than plain-redis")
	require.Equal(t, 1, out.Resources[0].Considered[0].Score)
	require.Len(t, out.Resources[0].Considered, 4)
	require.Empty(t, out.Resources[1].Definition)
	require.Contains(t, out.Resources[1].Reason, "Considered:")
	require.Equal(t, "db", out.Problems[0].Resource)
	require.Empty(t, p.Driver.Calls())
	p.refused(http.StatusUnprocessableEntity, http.MethodPost, "/api/v1/projects/shop/resources:explain", map[string]any{})
}

func TestDefinitionsAndTypes_AreListedShownAndDeleted(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var page struct{ Items []struct{ Name string } }
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/resource-definitions", nil, &page)
	require.Len(t, page.Items, 4)
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/resource-definitions/bucket", nil, nil)
	status, _ := p.do(http.MethodDelete, "/api/v1/projects/shop/resource-definitions/bucket", nil)
	require.Equal(t, http.StatusNoContent, status)
	p.refused(http.StatusNotFound, http.MethodGet, "/api/v1/projects/shop/resource-definitions/bucket", nil)
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/environment-types", nil, &page)
	require.Len(t, page.Items, 4)
	p.refused(http.StatusNotFound, http.MethodDelete, "/api/v1/environment-types/preview", nil)
	p.refused(http.StatusNotFound, http.MethodGet, "/api/v1/projects/shop/environments/nothing", nil)
	p.refused(http.StatusNotFound, http.MethodGet, "/api/v1/operations/env-nothing", nil)
}

func TestAPI_WithoutIdentity_IsRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusUnauthorized, p.Do("GET", "/api/v1/projects/shop/secrets", nil, httpapi.IdentityHeader, "").Status)
}
