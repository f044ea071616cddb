//go:build engines

package engines

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-idp/slipway/libs/client"
)

// What must be found nowhere: a secret that the module is given, one of the
// engine's environment, and one that stands in the module's text. The one that
// is made while it runs is read from the yard.
const (
	canaryGiven   = `canary-given-7c1e"<&>/é`
	canaryEnv     = "canary-env-91bd"
	canaryLiteral = "canary-literal-44a0"
)

// aviary prints its secrets where the engine cannot know that they are: from a
// file and from its environment.
const aviary = `
terraform {
  required_providers {
    yard = { source = "slipway.test/fleet/yard" }
  }
}
variable "yard" { type = string }
variable "name" { type = string }
variable "cargo" { type = string }
variable "password" {
  type      = string
  sensitive = true
}
provider "yard" { folder = var.yard }
resource "yard_ship" "one" {
  name     = var.name
  cargo    = var.cargo
  password = var.password
  provisioner "local-exec" {
    command     = "cat $(grep -l $NAME $YARD/ships/*.json); echo $CANARY; echo $CANARY | base64"
    environment = { NAME = var.name, YARD = var.yard }
  }
}
resource "terraform_data" "copy" {
  input = { given = var.password, open = "this is no secret", cargo = var.cargo }
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

// cage tells them in the error that ends it.
const cage = aviary + `
resource "terraform_data" "cage" {
  input = yard_ship.one.id
  provisioner "local-exec" {
    command     = "cat $(grep -l $NAME $YARD/ships/*.json); exit 3"
    environment = { NAME = var.name, YARD = var.yard }
  }
}
`

// secrets are the canaries by now, with the made ones, and every form in which
// one may be written.
func (d *dock) secrets() map[string][]string {
	d.t.Helper()
	all := map[string]string{"given": canaryGiven, "env": canaryEnv, "literal": canaryLiteral}
	for _, ship := range d.yard.ships("") {
		require.NotEmpty(d.t, ship.Secret)
		all["made for "+ship.Name] = ship.Secret
	}
	out := map[string][]string{}
	for name, secret := range all {
		escaped, _ := json.Marshal(secret)
		var plain bytes.Buffer
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		_ = e.Encode(secret)
		out[name] = []string{secret, strings.Trim(string(escaped), `"`), strings.Trim(strings.TrimSpace(plain.String()), `"`),
			base64.RawStdEncoding.EncodeToString([]byte(secret))}
	}
	return out
}

func (d *dock) clean(secrets map[string][]string, what string, text []byte) {
	d.t.Helper()
	for name, forms := range secrets {
		for _, form := range forms {
			if i := bytes.Index(text, []byte(form)); i >= 0 {
				d.t.Errorf("%s holds the canary %q: …%s…", what, name, text[max(0, i-80):min(len(text), i+len(form)+40)])
				break
			}
		}
	}
}

// get is the answer of a GET route, whatever it is.
func (d *dock) get(path string) []byte {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.Context(), http.MethodGet, "http://"+d.Listen+path, nil)
	require.NoError(d.t, err)
	req.Header.Set("Authorization", "Bearer "+d.Token())
	res, err := d.HTTP.Do(req)
	require.NoError(d.t, err, path)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(d.t, err, path)
	return body
}

// ids are those of a list of the API.
func (d *dock) ids(path, field string) []string {
	d.t.Helper()
	var page struct{ Items []map[string]any }
	if json.Unmarshal(d.get(path), &page) != nil {
		return nil
	}
	var out []string
	for _, one := range page.Items {
		if id, ok := one[field].(string); ok {
			out = append(out, id)
		}
	}
	return out
}

// everywhere searches what every GET route of the API answers, what the
// command line prints, what the platform logs, and every file that it keeps.
func (d *dock) everywhere(when string, environments ...string) {
	t := d.t
	t.Helper()
	secrets := d.secrets()
	of := "/api/v1/projects/" + project
	runs, sagas := d.ids(of+"/runs?limit=200", "id"), d.ids("/api/v1/sagas?limit=200", "id")
	known := map[string][]string{
		"project": {project}, "environment": environments, "resource": {"bird"}, "definition": {"bird", "cage"}, "run": runs, "saga": sagas,
		"id": append(sagas, runs...), "secret": {"hush", "token"}, "stack": d.ids(of+"/stacks", "name"), "decision": d.ids("/api/v1/decisions?limit=200", "id"),
		"policy": d.ids("/api/v1/policies", "name"), "type": {"dev"}, "correlationid": d.ids("/api/v1/timelines?limit=200", "correlationId"),
		"digest": d.ids(of+"/modules", "digest"),
	}
	known["correlationId"], known["operation"], known["timeline"] = known["correlationid"], sagas, known["correlationid"]
	var doc struct{ Paths map[string]map[string]any }
	require.NoError(t, yaml.Unmarshal(d.get("/openapi.yaml"), &doc))
	require.Greater(t, len(doc.Paths), 40)
	asked := 0
	var ask func(path string)
	ask = func(path string) {
		before, rest, open := strings.Cut(path, "{")
		if !open {
			asked++
			d.clean(secrets, when+": GET "+path, d.get(path))
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
	ask("/events?since=0&limit=1000")
	require.Greater(t, asked, 60, "the routes were asked")

	commands := [][]string{{"run", "list"}, {"get", "runs", "-o", "yaml"}, {"get", "resources", "-o", "json"}, {"resources", "drift"}, {"stack", "list"},
		{"saga", "list"}, {"get", "decisions", "-o", "json"}, {"events", "dead-letters"}, {"get", "resource-definitions", "-o", "yaml"}}
	for _, id := range runs {
		commands = append(commands, []string{"run", "show", id}, []string{"run", "show", id, "-o", "json"}, []string{"run", "logs", id})
	}
	for _, id := range sagas {
		commands = append(commands, []string{"saga", "show", id})
	}
	for _, id := range known["correlationid"] {
		commands = append(commands, []string{"timeline", id})
	}
	for _, c := range commands {
		out, err := d.Run(append(c, "-p", project)...)
		require.NoError(t, err, "%v: %s", c, out)
		d.clean(secrets, when+": slipway "+strings.Join(c, " "), []byte(out))
	}
	d.clean(secrets, when+": the log", []byte(d.Output()))
	d.files(secrets, when, d.Dir)
	d.files(secrets, when, d.runsDir)
}

// files searches those below a folder; some come and go.
func (d *dock) files(secrets map[string][]string, when, dir string) {
	d.t.Helper()
	require.NoError(d.t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if b, err := os.ReadFile(path); err == nil {
			d.clean(secrets, when+": file "+strings.TrimPrefix(path, dir), b)
		}
		return nil
	}))
}

// putAway waits until every run is put away.
func (d *dock) putAway() {
	d.t.Helper()
	d.Await("every run to be put away", func() bool {
		for _, id := range d.ids("/api/v1/projects/"+project+"/runs?limit=200", "id") {
			req, err := http.NewRequestWithContext(d.Context(), http.MethodGet, "http://"+d.Listen+"/api/v1/projects/"+project+"/runs/"+id+"/log", nil)
			require.NoError(d.t, err)
			req.Header.Set("Authorization", "Bearer "+d.Token())
			res, err := d.HTTP.Do(req)
			require.NoError(d.t, err)
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.Header.Get("Slipway-Log-Over") != "true" {
				return false
			}
		}
		return true
	})
}

func TestCanary_InEverythingThatModulesDo_IsFoundNowhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.Apply(project, fmt.Sprintf("apiVersion: slipway.dev/v1alpha1\nkind: Secret\nmetadata: {name: hush, project: yard}\nspec: {value: %q}\n---\n"+
			"apiVersion: slipway.dev/v1alpha1\nkind: Secret\nmetadata: {name: token, project: yard}\nspec: {value: %q}\n", canaryGiven, canaryEnv))
		dir := t.TempDir()
		for name, module := range map[string]string{"bird": aviary, "cage": cage} {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name, "main.tf"), []byte(module), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".yaml"), fmt.Appendf(nil, `apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: %s}
spec:
  type: %s
  driver: opentofu
  engine: %s
  module: {folder: ./%s}
  inputs: {yard: %q, name: "${context.environment}.bird", cargo: "${params.cargo}", password: {secretRef: hush}}
  outputs: {id: string, secret: string, literal: string}
  env: {CANARY: {secretRef: token}}
`, name, name, e.name, name, d.yard.dir), 0o644))
		}
		out, err := d.Run("apply", "-f", dir, "-p", project)
		require.NoError(t, err, out)
		bird := func(typ, cargo string) map[string]client.Resource {
			return map[string]client.Resource{"bird": {Type: typ, Params: map[string]any{"cargo": cargo}}}
		}

		// Made, with somebody's approval: what is shown to them is safe too.
		op := d.ask("one", "guarded", bird("bird", "tea"))
		waits := d.awaitRun("one", "waiting", func(r execution) bool { return r.Status == "waiting" })
		for _, c := range [][]string{{"run", "show", waits.ID}, {"run", "approve", waits.ID}} {
			out, err := d.Run(append(c, "-p", project)...)
			require.NoError(t, err, out)
			require.Contains(t, out, "(secret)")
			d.clean(d.secrets(), strings.Join(c, " "), []byte(out))
		}
		d.must(op.ID, client.StatusDone)
		d.putAway()
		text, _, err := d.Client().RunLog(d.Context(), project, waits.ID, 0)
		require.NoError(t, err)
		require.Contains(t, text, "(secret)", "the module did print them")
		require.Contains(t, text, "one.bird", "and what else it printed is there")
		d.everywhere("made", "one")

		// A dry run; drift.
		score := filepath.Join(dir, "score.yaml")
		require.NoError(t, os.WriteFile(score, []byte("apiVersion: score.dev/v1b1\nmetadata: {name: birds}\ncontainers: {main: {image: .}}\nresources:\n  bird: {type: bird, params: {cargo: rum}}\n"), 0o644))
		out, err = d.Run("env", "create", "two", "--type", "dev", "-r", score, "--dry-run", "-p", project)
		require.NoError(t, err, out)
		require.Contains(t, out, `+   terraform_data.copy`)
		require.Contains(t, out, `"this is no secret"`)
		require.Contains(t, out, "(secret)")
		d.clean(d.secrets(), "a dry run", []byte(out))
		out, err = d.Run("resources", "drift", "one/bird", "-p", project)
		require.NoError(t, err, out)
		require.Contains(t, out, "is as it was made")

		// Made half-way, with an error that tells all; undone.
		d.must(d.ask("three", "dev", bird("cage", "tea")).ID, client.StatusUndone)
		d.putAway()
		d.everywhere("wrecked", "one", "three")

		d.must(d.remove("one").ID, client.StatusDone)
		d.putAway()
		d.everywhere("destroyed", "one")
		require.Empty(t, d.yard.ships(""))
	})
}
