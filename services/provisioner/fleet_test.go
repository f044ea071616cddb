package provisioner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/service/servicetest"
	"github.com/slipway-idp/slipway/services/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// fleet is the real service with an engine, a policy that says what a test
// tells it to, and a yard in which ships are really there.
type fleet struct {
	*platform
	yard string
	runs string // folder of the runs

	judge   sync.Mutex
	verdict func(input map[string]any) map[string]any // nil: nobody answers
	asked   []map[string]any
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{platform: &platform{}, yard: t.TempDir(), runs: filepath.Join(t.TempDir(), "runs")}
	require.NoError(t, os.MkdirAll(filepath.Join(f.yard, "gates"), 0o755))
	bin := t.TempDir()
	program.Install(t, bin, engine.Tofu)
	f.Platform = servicetest.New(t, provisioner.Name, func(d service.Deps) (service.Service, error) {
		d.Log, d.Clock, d.Executable = zerolog.New(f), f.clock, []string{program.Path(t)}
		return provisioner.New(provisioner.Config{Deps: d, UndoDeadline: 2 * time.Second, Options: provisioner.Options{
			Runs: provisioner.RunOptions{Dir: f.runs, UIDs: -1, Path: bin, Grace: 3 * time.Second, DriftEvery: -1},
		}})
	})
	t.Cleanup(func() {
		f.Stop()
		require.NoError(t, provisioner.StopProcesses(context.Background(), f.DataDir()))
		if t.Failed() {
			t.Log(f.logged())
		}
	})
	f.verdict = say("allow")
	f.serve()
	f.Start()
	f.define("ship", one, "")
	return f
}

// serve answers for policy, and hears what is told.
func (f *fleet) serve() {
	f.Background(func(ctx context.Context) error {
		return f.Bus.Serve(ctx, "rpc.policy.decide", "policy", func(_ context.Context, body []byte) ([]byte, error) {
			var q struct{ Input map[string]any }
			if err := json.Unmarshal(body, &q); err != nil {
				return nil, err
			}
			f.judge.Lock()
			defer f.judge.Unlock()
			f.asked = append(f.asked, q.Input)
			return json.Marshal(f.verdict(q.Input))
		})
	})
	f.ear = f.Listen("evt.>", "int.>")
	f.deployer = f.Peer("deployer")
}

// say is a policy that always answers the same.
func say(result string, reasons ...map[string]any) func(map[string]any) map[string]any {
	return func(map[string]any) map[string]any {
		return map[string]any{"id": "dec-1", "result": result, "reasons": reasons}
	}
}

func (f *fleet) policy(verdict func(map[string]any) map[string]any) {
	f.judge.Lock()
	defer f.judge.Unlock()
	f.verdict = verdict
}

// one is a module that makes one ship.
const one = `
variable "name" {}
variable "cargo" { default = "tea" }
variable "password" {
  default   = "none"
  sensitive = true
}
resource "yard_ship" "one" {
  name     = var.name
  cargo    = var.cargo
  password = var.password
}
output "id" { value = yard_ship.one.id }
output "cargo" { value = yard_ship.one.cargo }
output "secret" {
  value     = yard_ship.one.secret
  sensitive = true
}
`

// define applies a definition of a type of that name, by a module of one file.
func (f *fleet) define(typ, module, more string) {
	f.T.Helper()
	status, b := f.apply("apply", f.definition(typ, module, more))
	require.Equal(f.T, http.StatusOK, status, string(b))
}

func (f *fleet) definition(typ, module, more string) string {
	if !strings.Contains(more, "inputs:") {
		more += `  inputs: {name: "${context.resource}"}` + "\n"
	}
	return fmt.Sprintf("apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: %s}\nspec:\n  type: %s\n  driver: opentofu\n"+
		"  module:\n    inline:\n      main.tf: |\n        %s\n  env: {YARD_FOLDER: %q}\n%s",
		typ, typ, strings.ReplaceAll(module, "\n", "\n        "), f.yard, more)
}

// gate makes the yard hold, fail or kill at a moment; open takes it away.
func (f *fleet) gate(name, text string) (open func()) {
	f.T.Helper()
	path := filepath.Join(f.yard, "gates", name)
	require.NoError(f.T, os.WriteFile(path, []byte(text), 0o644))
	return func() { _ = os.Remove(path) }
}

// reached waits until somebody stands before a gate that holds.
func (f *fleet) reached(name string) {
	f.T.Helper()
	path := filepath.Join(f.yard, "gates", name+".reached")
	require.Eventually(f.T, func() bool { _, err := os.Stat(path); return err == nil }, time.Minute, 5*time.Millisecond, "nobody reached gate %s\n%s", name, f.logged())
}

// ships are the names of those that are really there, sorted.
func (f *fleet) ships() []string {
	f.T.Helper()
	files, err := filepath.Glob(filepath.Join(f.yard, "ships", "*.json"))
	require.NoError(f.T, err)
	out := []string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f.T, err)
		var h struct{ Name, Cargo string }
		require.NoError(f.T, json.Unmarshal(b, &h))
		out = append(out, h.Name+" with "+h.Cargo)
	}
	slices.Sort(out)
	return out
}

// ledger are the operations that were done to ships, in order.
func (f *fleet) ledger() []string {
	b, err := os.ReadFile(filepath.Join(f.yard, "ledger.jsonl"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(f.T, err)
	var out []string
	for line := range strings.Lines(string(b)) {
		var l struct{ Op, Name, Outcome string }
		require.NoError(f.T, json.Unmarshal([]byte(line), &l))
		if l.Outcome != "asked" {
			out = append(out, l.Op+" "+l.Name+" "+l.Outcome)
		}
	}
	return out
}

type runView struct {
	ID, Stack, Operation, Status, Result, Reason, Fault, Summary, PlanDigest, Why, Saga, Waiting string
	Counts                                                                                       struct{ Add, Change, Destroy int }
	Made, Gone, Unresolved, Drift                                                                []string
	Engine                                                                                       struct{ Kind string }
}

// all runs, the oldest first.
func (f *fleet) all(query string) []runView {
	f.T.Helper()
	var page struct{ Items []runView }
	f.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/runs?limit=200&"+query, nil, &page)
	slices.Reverse(page.Items)
	return page.Items
}

// told are the runs in short: "apply finished".
func (f *fleet) told() []string {
	out := []string{}
	for _, r := range f.all("") {
		text := r.Operation + " " + r.Status
		if r.Fault != "" {
			text += " " + r.Fault
		}
		out = append(out, text)
	}
	return out
}

// env asks for an environment with ships of these names.
func (f *fleet) env(name string, ships ...string) sagaapi.Operation {
	f.T.Helper()
	for i := range ships {
		if !strings.Contains(ships[i], ":") {
			ships[i] += ":ship"
		}
	}
	return f.preview(name, ships...)
}

func (f *fleet) drop(name string) sagaapi.Operation {
	f.T.Helper()
	var op sagaapi.Operation
	f.ok(http.StatusAccepted, http.MethodDelete, "/api/v1/projects/shop/environments/"+name, nil, &op)
	return f.end(op.ID)
}

func (f *fleet) resource(environment, key string) map[string]any {
	f.T.Helper()
	var r map[string]any
	f.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/resources/"+environment+"/"+key, nil, &r)
	return r
}

func replaceIn(t *testing.T, path, old, new string) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(b), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(b), old, new)), 0o644))
}
