package provisioner_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/services/provisioner"
)

// What must be found nowhere: a secret that the module is given, one of the
// engine's environment, one that stands in the module's text, and one that is
// made while it runs (read from the world outside).
const (
	canaryGiven   = "canary-given-7c1e\"<&>/é"
	canaryEnv     = "canary-env-91bd"
	canaryLiteral = "canary-literal-44a0"
)

// aviary shows its secrets to whoever looks at its log: from a file, because
// what it is given as a secret the engine would hide by itself.
const aviary = `
variable "name" {}
variable "cargo" { default = "tea" }
variable "password" { sensitive = true }
resource "yard_ship" "one" {
  name     = var.name
  cargo    = var.cargo
  password = var.password
  provisioner "local-exec" {
    command     = "cat $(grep -l $NAME $YARD_FOLDER/ships/*.json); echo $YARD_TOKEN; echo $YARD_TOKEN | base64"
    environment = { NAME = var.name }
  }
}
resource "terraform_data" "copy" {
  input = { given = var.password, open = "this is no secret" }
}
output "id" { value = yard_ship.one.id }
output "secret" {
  value     = yard_ship.one.secret
  sensitive = true
}
output "literal" {
  value     = "` + canaryLiteral + `"
  sensitive = true
}
`

// wreck tells them in the error that ends it.
const wreck = aviary + `
resource "terraform_data" "wreck" {
  input = yard_ship.one.id
  provisioner "local-exec" {
    command     = "cat $(grep -l $NAME $YARD_FOLDER/ships/*.json); exit 3"
    environment = { NAME = var.name }
  }
}
`

// canaries are the secrets by now, made ones included.
func (f *fleet) canaries() map[string]string {
	f.T.Helper()
	out := map[string]string{"given": canaryGiven, "env": canaryEnv, "literal": canaryLiteral}
	files, err := filepath.Glob(filepath.Join(f.yard, "ships", "*.json"))
	require.NoError(f.T, err)
	for i, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f.T, err)
		var ship struct{ Secret string }
		require.NoError(f.T, json.Unmarshal(b, &ship))
		require.NotEmpty(f.T, ship.Secret)
		out[fmt.Sprintf("made %d", i)] = ship.Secret
	}
	return out
}

// forms are how a secret may be written.
func forms(secret string) []string {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	_ = e.Encode(secret)
	escaped, _ := json.Marshal(secret)
	return []string{
		secret, strings.Trim(string(escaped), `"`), strings.Trim(strings.TrimSpace(plain.String()), `"`),
		base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret + "\n")),
	}
}

// nowhere looks for the secrets in a text; what names it.
func nowhere(t *testing.T, canaries map[string]string, what string, text []byte) {
	t.Helper()
	for name, secret := range canaries {
		for _, form := range forms(secret) {
			if i := bytes.Index(text, []byte(form)); i >= 0 {
				t.Errorf("%s holds the canary %q: …%s…", what, name, text[max(0, i-80):min(len(text), i+len(form)+40)])
				break
			}
		}
	}
}

// answers are those of every GET route that there is.
func (f *fleet) answers() map[string][]byte {
	f.T.Helper()
	var doc struct{ Paths map[string]map[string]any }
	require.NoError(f.T, yaml.Unmarshal(provisioner.OpenAPI(), &doc))
	known := map[string][]string{
		"project": {"shop"}, "environment": {"pr-1", "pr-2"}, "resource": {"one"}, "definition": {"bird", "wreck"},
		"secret": {"hush", "token", "resource/pr-1/one/secret"}, "type": {"preview"}, "stack": {"shop.pr-1.one", "shop.pr-2.one"},
	}
	for _, r := range f.all("") {
		known["run"] = append(known["run"], r.ID)
	}
	for path := range f.paths("/api/v1/sagas?limit=200") {
		known["saga"] = append(known["saga"], path)
	}
	out := map[string][]byte{}
	var ask func(path string)
	ask = func(path string) {
		before, rest, open := strings.Cut(path, "{")
		if !open {
			status, b := f.do(http.MethodGet, path, nil)
			require.Less(f.T, status, 500, "%s: %s", path, b)
			out[path] = b
			return
		}
		name, after, _ := strings.Cut(rest, "}")
		for _, one := range known[name] {
			ask(before + one + after)
		}
	}
	for path, methods := range doc.Paths {
		if methods["get"] != nil {
			ask(path)
		}
	}
	for _, id := range known["saga"] {
		ask("/api/v1/sagas/" + id)
		ask("/api/v1/operations/" + id)
	}
	return out
}

// paths are the ids of a list.
func (f *fleet) paths(list string) map[string]bool {
	f.T.Helper()
	var page struct{ Items []struct{ ID string } }
	f.ok(http.StatusOK, http.MethodGet, list, nil, &page)
	out := map[string]bool{}
	for _, one := range page.Items {
		out[one.ID] = true
	}
	return out
}

// search looks everywhere: in what the API answers, in what was said on the bus
// and in the log, in what policy was asked, and in every file that the platform
// and the bus keep. States, plans and modules are among them, sealed.
func (f *fleet) search(when string) {
	t := f.T
	t.Helper()
	canaries := f.canaries()
	for path, b := range f.answers() {
		nowhere(t, canaries, when+": "+path, b)
	}
	for _, e := range f.platform.all("") {
		raw, err := e.MarshalJSON()
		require.NoError(t, err)
		nowhere(t, canaries, when+": event "+e.Type(), raw)
	}
	nowhere(t, canaries, when+": the log", []byte(f.logged()))
	f.judge.Lock()
	asked, err := json.Marshal(f.asked)
	f.judge.Unlock()
	require.NoError(t, err)
	nowhere(t, canaries, when+": what policy is asked", asked)
	files := 0
	for _, dir := range []string{f.Dir, f.runs} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if os.IsNotExist(err) || err == nil && !e.Type().IsRegular() {
				return nil
			}
			require.NoError(t, err)
			b, err := os.ReadFile(path)
			if os.IsNotExist(err) {
				return nil
			}
			require.NoError(t, err)
			files++
			nowhere(t, canaries, when+": file "+strings.TrimPrefix(path, dir), b)
			return nil
		}))
	}
	require.Greater(t, files, 5, "what is searched is there")
}

// quiet waits until every run is put away: what is kept of one is masked once
// more when it is over.
func (f *fleet) quiet() {
	f.T.Helper()
	require.Eventually(f.T, func() bool {
		for _, r := range f.all("") {
			_, over := f.logOf(r.ID)
			if !over {
				return false
			}
		}
		return true
	}, 20*time.Second, 20*time.Millisecond)
}

func (f *fleet) logOf(id string) (text string, over bool) {
	f.T.Helper()
	a := f.Do(http.MethodGet, "/api/v1/projects/shop/runs/"+id+"/log", nil)
	require.Equal(f.T, http.StatusOK, a.Status)
	return string(a.Body), a.Header.Get("Slipway-Log-Over") == "true"
}

func TestCanary_InEverythingThatTheModuleDoes_IsFoundNowhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.ok(http.StatusOK, http.MethodPut, "/api/v1/projects/shop/secrets/hush", map[string]string{"value": canaryGiven}, nil)
	f.ok(http.StatusOK, http.MethodPut, "/api/v1/projects/shop/secrets/token", map[string]string{"value": canaryEnv}, nil)
	for name, text := range map[string]string{"bird": aviary, "wreck": wreck} {
		packed, digest := packedModule(t, text)
		status, b := f.upload("", packed.Bytes())
		require.Equal(t, http.StatusCreated, status, string(b))
		f.applyOK(fmt.Sprintf(`apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: %s}
spec:
  type: %s
  driver: opentofu
  module: {folder: ./aviary, digest: %q}
  inputs: {name: "${context.environment}", cargo: "${params.cargo}", password: {secretRef: hush}}
  outputs: {id: string, secret: string, literal: string}
  env: {YARD_FOLDER: %q, YARD_TOKEN: {secretRef: token}}
`, name, name, digest, f.yard))
	}
	env := func(name, typ, cargo string) string {
		return "apiVersion: slipway.dev/v1alpha1\nkind: Environment\nmetadata: {name: " + name + "}\nspec: {type: preview, resources: {one: {type: " + typ + ", params: {cargo: " + cargo + "}}}}\n"
	}

	// Made: its log says all that it knows while it runs.
	op := f.end(f.applyOK(env("pr-1", "bird", "tea"))[0]["operation"].(string))
	require.Equal(t, saga.Done, op.Status, op.Failure)
	f.quiet()
	log, _ := f.logOf(f.all("")[0].ID)
	require.Contains(t, log, "(secret)", "the module did print them")
	require.Contains(t, log, `"name": "pr-1"`, "and what else it printed is there")
	f.search("made")

	// A dry run, a change, drift.
	var plan struct{ Steps []pe.PlannedResource }
	f.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/environments?dryRun=true", map[string]any{
		"name": "pr-3", "type": "preview", "resources": map[string]any{"one": map[string]any{"type": "bird", "params": map[string]any{"cargo": "rum"}}}}, &plan)
	require.NotEmpty(t, plan.Steps[1].Run)
	require.Contains(t, string(plan.Steps[1].Changes), `"rum"`)
	shown, err := json.Marshal(plan)
	require.NoError(t, err)
	nowhere(t, f.canaries(), "a dry run", shown)
	op = f.end(f.applyOK(env("pr-1", "bird", "rum"))[0]["operation"].(string))
	require.Equal(t, saga.Done, op.Status, op.Failure)
	ships, err := filepath.Glob(filepath.Join(f.yard, "ships", "*.json"))
	require.NoError(t, err)
	replaceIn(t, ships[0], `"rum"`, `"rats"`)
	f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/projects/shop/resources/pr-1/one/drift", nil, nil)
	f.await("resource.drifted", 1)
	f.quiet()
	f.search("changed")

	// Made half-way, with an error that tells all; undone.
	id := f.applyOK(env("pr-2", "wreck", "tea"))[0]["operation"].(string)
	require.Eventually(t, func() bool {
		op = sagaapi.Operation{}
		f.ok(http.StatusOK, http.MethodGet, "/api/v1/operations/"+id, nil, &op)
		return op.Status.Over() || op.Status == saga.Parked
	}, time.Minute, 20*time.Millisecond, "three runs")
	require.Equal(t, saga.Undone, op.Status, op.Failure)
	f.quiet()
	f.search("wrecked")

	f.drop("pr-1")
	f.quiet()
	f.search("destroyed")
}
