package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/leftovers"
	"github.com/slipway-idp/slipway/tests/platform"
)

// TestBadInput_EachOne_IsAProblemDocumentWithoutEffect shares one platform:
// none of it may have an effect, so none can disturb another.
func TestBadInput_EachOne_IsAProblemDocumentWithoutEffect(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	p.ApplyShop("")
	p.Apply("", "apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: gold-ledger}\nspec: {type: ledger, driver: local, kind: volume, match: [{class: gold}]}\n")
	before, events := leftovers.Take(t, p.Dir, p.PID()), eventCount(t, p)

	t.Run("deliveries", func(t *testing.T) { badDeliveries(t, p) })
	t.Run("documents", func(t *testing.T) { badDocuments(t, p) })
	t.Run("resources", func(t *testing.T) { badResources(t, p) })
	t.Run("artifacts", func(t *testing.T) { badArtifacts(t, p) })

	require.Empty(t, leftovers.Difference(before, leftovers.Take(t, p.Dir, p.PID())))
	require.Equal(t, events, eventCount(t, p), "no event is published for what was refused")
}

// eventCount is how many public events there are.
func eventCount(t *testing.T, p *platform.Platform) int {
	t.Helper()
	n, cursor := 0, ""
	for {
		var page struct {
			Items      []json.RawMessage
			NextCursor string
		}
		query := map[string][]string{}
		if cursor != "" {
			query["cursor"] = []string{cursor}
		}
		require.NoError(t, p.Client().Do(p.Context(), client.Request{Path: "/events", Query: query}, &page))
		n += len(page.Items)
		if cursor = page.NextCursor; cursor == "" {
			return n
		}
	}
}

func badDeliveries(t *testing.T, p *platform.Platform) {
	good := platform.Workflow(platform.Build{Repository: "orders", Commit: commit1}, "bad-delivery")
	with := func(change func(*platform.Delivery)) platform.Delivery {
		d := good
		change(&d)
		return d
	}
	undecodable := []byte(`{"action": `)
	large := append([]byte(`{"x":"`), append(bytes.Repeat([]byte("x"), 6<<20), []byte(`"}`)...)...)
	for name, c := range map[string]struct {
		webhook  string
		delivery platform.Delivery
		status   int
	}{
		"no signature":        {"github", with(func(d *platform.Delivery) { d.Signature = "none" }), http.StatusUnauthorized},
		"wrong signature":     {"github", with(func(d *platform.Delivery) { d.Signature = platform.Sign(d.Body, "another secret") }), http.StatusUnauthorized},
		"malformed signature": {"github", with(func(d *platform.Delivery) { d.Signature = "sha256=zzz" }), http.StatusUnauthorized},
		"undecodable JSON":    {"github", with(func(d *platform.Delivery) { d.Body = undecodable }), http.StatusBadRequest},
		"6 MiB":               {"github", with(func(d *platform.Delivery) { d.Body = large }), http.StatusRequestEntityTooLarge},
		"unknown webhook":     {"gitlab", good, http.StatusNotFound},
		"content type":        {"github", with(func(d *platform.Delivery) { d.ContentType = "text/plain" }), http.StatusUnsupportedMediaType},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := p.Deliver(c.webhook, c.delivery)
			require.Equal(t, c.status, status, string(body))
			var problem client.Problem
			require.NoError(t, json.Unmarshal(body, &problem), string(body))
			require.Equal(t, c.status, problem.Status)
			require.NotEmpty(t, problem.Type)
			require.NotEmpty(t, problem.Detail)
		})
	}
}

// refused applies documents that must not be accepted.
func refused(t *testing.T, p *platform.Platform, documents string) *client.Problem {
	t.Helper()
	err := p.TryApply("shop", documents)
	require.Error(t, err)
	return problem(t, err)
}

func badDocuments(t *testing.T, p *platform.Platform) {
	t.Run("unknown field", func(t *testing.T) {
		pr := refused(t, p, `apiVersion: slipway.dev/v1alpha1
kind: Channel
metadata: {name: fine, project: shop}
spec: {kind: webhook, url: "http://127.0.0.1:1/"}
---
apiVersion: slipway.dev/v1alpha1
kind: Channel
metadata: {name: wrong, project: shop}
spec:
  kind: webhook
  ulr: http://127.0.0.1:1/
`)
		require.Equal(t, http.StatusUnprocessableEntity, pr.Status)
		f := faultWith(t, pr, "ulr")
		require.Equal(t, 11, f.Line)
		require.Equal(t, 3, f.Column)
		require.Contains(t, f.Hint+f.Message, "url", "the nearest known name")
		_, err := p.Client().Get(p.Context(), client.ProjectPath("shop", "channels", "fine"))
		require.True(t, client.IsNotFound(err), "all or none: %v", err)
	})
	t.Run("unknown kind", func(t *testing.T) {
		pr := refused(t, p, "apiVersion: slipway.dev/v1alpha1\nkind: Chanel\nmetadata: {name: x, project: shop}\nspec: {}\n")
		f := faultWith(t, pr, "Chanel")
		require.Equal(t, 2, f.Line)
		require.Contains(t, f.Hint+f.Message, "Channel")
	})
	t.Run("YAML that is none", func(t *testing.T) {
		pr := refused(t, p, "kind: [\n")
		require.NotEmpty(t, pr.Errors)
	})
	t.Run("Score with an undefined placeholder", func(t *testing.T) {
		pr := refused(t, p, `apiVersion: score.dev/v1b1
metadata: {name: lost}
containers:
  main:
    image: .
    command: ["./x"]
    variables:
      HOST: ${resources.cache.host}
`)
		require.Positive(t, faultWith(t, pr, "cache").Line)
	})
	t.Run("Rego that does not compile keeps the old one", func(t *testing.T) {
		before, err := p.Client().Get(p.Context(), "/api/v1/policies/known-components")
		require.NoError(t, err)
		pr := refused(t, p, `apiVersion: slipway.dev/v1alpha1
kind: Policy
metadata: {name: known-components}
spec:
  kind: deploy
  rego: |
    package slipway.deploy
    deny contains msg if { input.owner == "" msg := }
`)
		require.NotEmpty(t, pr.Errors)
		after, err := p.Client().Get(p.Context(), "/api/v1/policies/known-components")
		require.NoError(t, err)
		require.Equal(t, text(t, before), text(t, after))
	})
}

func faultWith(t *testing.T, p *client.Problem, part string) client.Fault {
	t.Helper()
	for _, f := range p.Errors {
		if strings.Contains(f.Message+f.Hint+f.Pointer, part) {
			return f
		}
	}
	require.Fail(t, "no fault says "+part, text(t, p))
	return client.Fault{}
}

func badResources(t *testing.T, p *platform.Platform) {
	ask := func(name string, resources map[string]client.Resource) *client.Problem {
		_, err := p.Client().CreateEnvironment(p.Context(), "shop", client.EnvironmentRequest{Name: name, Type: "development", Resources: resources})
		require.Error(t, err)
		pr := problem(t, err)
		_, err = p.Client().Get(p.Context(), client.ProjectPath("shop", "environments", name))
		require.True(t, client.IsNotFound(err), "%v", err)
		return pr
	}
	t.Run("a cycle", func(t *testing.T) {
		pr := ask("cycle", map[string]client.Resource{
			"a": {Type: "volume", Params: map[string]any{"x": "${resources.b.path}"}},
			"b": {Type: "volume", Params: map[string]any{"x": "${resources.a.path}"}},
		})
		require.Contains(t, text(t, pr), "circle")
	})
	t.Run("no definition of the type", func(t *testing.T) {
		require.Contains(t, text(t, ask("nothing", map[string]client.Resource{"mainframe": {Type: "mainframe"}})), "mainframe")
	})
	t.Run("no definition matches", func(t *testing.T) {
		said := text(t, ask("classy", map[string]client.Resource{"book": {Type: "ledger", Class: "silver"}}))
		require.Contains(t, said, "gold-ledger", "which were considered")
		require.Contains(t, said, "gold", "and why not")
		require.Contains(t, said, "silver")
	})
}

func badArtifacts(t *testing.T, p *platform.Platform) {
	push := func(t *testing.T, body []byte) *client.Problem {
		t.Helper()
		_, err := p.Client().PushArtifact(p.Context(), "shop", "orders", "bad", bytes.NewReader(body))
		require.Error(t, err)
		return problem(t, err)
	}
	score := platform.File{Name: "score.yaml", Body: []byte("apiVersion: score.dev/v1b1\nmetadata: {name: orders}\ncontainers: {main: {image: ., command: [./x]}}\n")}
	for name, files := range map[string][]platform.File{
		"no score.yaml":           {{Name: "orders", Body: []byte("x"), Mode: 0o755}},
		"climbs out":              {score, {Name: "../../evil", Body: []byte("x")}},
		"absolute":                {score, {Name: "/tmp/evil", Body: []byte("x")}},
		"link out":                {score, {Name: "evil", Link: "../../../etc/passwd"}},
		"undefined placeholder":   {{Name: "score.yaml", Body: []byte("apiVersion: score.dev/v1b1\nmetadata: {name: orders}\ncontainers: {main: {image: ., command: [./x], variables: {A: '${resources.no.x}'}}}\n")}},
		"score.yaml that is none": {{Name: "score.yaml", Body: []byte("hello: world\n")}},
	} {
		t.Run(name, func(t *testing.T) {
			pr := push(t, p.Archive(files...))
			require.GreaterOrEqual(t, pr.Status, 400)
			require.Less(t, pr.Status, 500)
			require.NotEmpty(t, pr.Detail+text(t, pr.Errors))
		})
	}
	t.Run("no archive at all", func(t *testing.T) { push(t, []byte("not a gzip")) })
	t.Run("cut in the middle", func(t *testing.T) {
		whole := p.Archive(score, platform.File{Name: "big", Body: bytes.Repeat([]byte("abc"), 10000)})
		push(t, whole[:len(whole)/2])
	})
}

func TestResources_TwoDefinitionsTie_RefusedNamingBoth(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	p.ApplyShop("")
	second := "apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: %s}\nspec: {type: redis, driver: local, match: [{class: tie}]}\n"
	p.Apply("", fmt.Sprintf(second, "tie-a")+"---\n"+fmt.Sprintf(second, "tie-b"))
	before := leftovers.Take(t, p.Dir, p.PID())
	_, err := p.Client().CreateEnvironment(p.Context(), "shop", client.EnvironmentRequest{
		Name: "tied", Type: "development", Resources: map[string]client.Resource{"cache": {Type: "redis", Class: "tie"}},
	})
	pr := problem(t, err)
	require.Contains(t, text(t, pr), "tie-a")
	require.Contains(t, text(t, pr), "tie-b")
	require.Empty(t, leftovers.Difference(before, leftovers.Take(t, p.Dir, p.PID())))
}

// broken is a release of the test's program that does as mode says.
func broken(t *testing.T, p *platform.Platform, mode string) client.Operation {
	t.Helper()
	score := fmt.Sprintf(`apiVersion: score.dev/v1b1
metadata:
  name: program
  annotations: {slipway.dev/startup: 2s, slipway.dev/stop: 1s}
service: {ports: {http: {port: 8080}}}
containers:
  main:
    image: .
    command: ["./program"]
    variables: {MODE: %s, VERSION: %s}
    readinessProbe: {httpGet: {path: /, port: 8080}}
`, mode, mode)
	p.Push("lab", "program", mode, p.Executable("program", binaries.Program(t)), platform.File{Name: "score.yaml", Body: []byte(score)})
	op, err := p.Client().Deploy(p.Context(), "lab", client.DeployRequest{
		Workload: "program", Environment: "dev", EnvironmentType: "development", Artifact: "program:" + mode,
	})
	require.NoError(t, err)
	op, err = p.Client().Wait(p.Context(), op.ID)
	require.NoError(t, err)
	return op
}

func TestDeploy_ProgramMisbehaves_UndoneWithItsLastLogLines(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	p.Apply("", `apiVersion: slipway.dev/v1alpha1
kind: Project
metadata: {name: lab}
spec: {description: for tests}
---
apiVersion: slipway.dev/v1alpha1
kind: EnvironmentType
metadata: {name: development}
spec: {description: for tests}
`)
	op := broken(t, p, "serve")
	require.Equal(t, client.StatusDone, op.Status, text(t, op))
	host := platform.Host("program", "dev", "lab")
	require.Equal(t, "serve", p.Version(host))
	before := leftovers.Take(t, p.Dir, p.PID())
	for mode, lines := range map[string][]string{
		"exit":      {"DATABASE_URL is not set"},
		"silent":    {"warming up, for ever"},
		"elsewhere": {"listening on 127.0.0.1:"},
	} {
		op := broken(t, p, mode)
		require.Equal(t, client.StatusUndone, op.Status, mode)
		saga, err := p.Client().Saga(p.Context(), op.ID)
		require.NoError(t, err)
		for _, line := range lines {
			require.Contains(t, text(t, saga), line, "%s: its last log lines are in the answer", mode)
		}
		require.Equal(t, "serve", p.Version(host), "the old release goes on")
	}
	leftovers.RequireSame(t, before, func() leftovers.Look { return leftovers.Take(t, p.Dir, p.PID()) }, 15*time.Second,
		"+ file deployer/artifacts/sha256/") // they were pushed, and stay
}

func TestAPI_NobodyOrAStranger_IsRefused(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	for _, token := range []string{"", "slp_wrong"} {
		c, err := client.New(client.Config{URL: "http://" + p.Listen, Token: token})
		require.NoError(t, err)
		_, err = c.Get(p.Context(), "/api/v1/projects")
		var pr *client.Problem
		require.True(t, errors.As(err, &pr), "%v", err)
		require.Equal(t, http.StatusUnauthorized, pr.Status)
	}
}
