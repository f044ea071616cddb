//go:build engines

package engines

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/platform"
)

// docks counts those of this process.
var docks atomic.Int64

// dock is a platform that has one engine and the tests' provider.
type dock struct {
	*platform.Platform
	t       testing.TB
	e       engine
	yard    yard
	runsDir string // the folder of the runs
}

func newDock(t testing.TB, e engine) *dock {
	t.Helper()
	d := &dock{t: t, e: e, yard: newYard(t)}
	dir := t.TempDir()
	config := filepath.Join(dir, "engine.tfrc")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil,
		"provider_installation {\n  filesystem_mirror {\n    path    = %q\n    include = [\"slipway.test/*/*\"]\n  }\n}\n", mirror), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "path"), 0o755))
	require.NoError(t, os.Symlink(e.path, filepath.Join(dir, "path", e.name)))
	d.Platform = platform.New(t, binaries)
	// Below /var/tmp they would stay, and the test's own folder is closed to
	// other users. Its name is longer than the kernel takes as a socket's.
	runs, err := os.MkdirTemp("", "run-"+strings.Repeat("long-", 16))
	require.NoError(t, err)
	require.NoError(t, os.Chmod(runs, 0o711))
	t.Cleanup(func() { _ = os.RemoveAll(runs) })
	d.runsDir = runs
	// As root every stack is a user of its own: two platforms on one machine
	// need ranges of their own.
	uid := 10_000_000 + os.Getpid()*10_000 + int(docks.Add(1))*500
	d.Env = []string{"PATH=" + filepath.Join(dir, "path") + ":/usr/bin:/bin", "SLIPWAY_ENGINE_CONFIG=" + config,
		"SLIPWAY_RUNS_DIR=" + runs,
		fmt.Sprintf("SLIPWAY_RUNNER_UIDS=%d-%d", uid, uid+499)}
	t.Cleanup(func() { d.shown() })
	return d
}

// shown tells of the runs of a test that failed.
func (d *dock) shown() {
	if !d.t.Failed() {
		return
	}
	for _, e := range d.yard.ledger() {
		d.t.Logf("ledger: %s %s %s %s %s", e.Time.Format("15:04:05.000"), e.Op, e.Name, e.ID, e.Outcome)
	}
}

const project = "yard"

// begin starts the platform with the project, and the definitions of a fleet.
func (d *dock) begin() *dock {
	d.t.Helper()
	d.Start()
	d.Apply("", `
apiVersion: slipway.dev/v1alpha1
kind: Project
metadata: {name: yard}
---
apiVersion: slipway.dev/v1alpha1
kind: EnvironmentType
metadata: {name: dev}
---
apiVersion: slipway.dev/v1alpha1
kind: EnvironmentType
metadata: {name: guarded}
---
apiVersion: slipway.dev/v1alpha1
kind: Policy
metadata: {name: guarded-plans}
spec:
  kind: plan
  rego: |
    package slipway.plan
    require_approval contains "somebody looks at plans here" if {
      input.environment.type == "guarded"
      input.operation == "apply"
    }

    deny contains {"message": "no coal", "resource": change.address} if {
      some change in input.plan.resource_changes
      change.change.after.cargo == "coal"
    }
`)
	d.define("fleet", fleet, "")
	return d
}

// fleet is the module of most cases: two ships, the second of which carries
// the first one's id.
const fleet = `
terraform {
  required_providers {
    yard = { source = "slipway.test/fleet/yard" }
  }
}
variable "yard" { type = string }
variable "name" { type = string }
variable "cargo" {
  type    = string
  default = "tea"
}
variable "class" {
  type    = string
  default = "barque"
}
provider "yard" { folder = var.yard }
resource "yard_ship" "first" {
  name  = "${var.name}.first"
  class = var.class
  cargo = var.cargo
}
resource "yard_ship" "second" {
  name  = "${var.name}.second"
  cargo = yard_ship.first.id
}
output "id" { value = yard_ship.first.id }
output "cargo" { value = yard_ship.first.cargo }
output "secret" {
  value     = yard_ship.second.secret
  sensitive = true
}
`

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by)
}

// definition is the document by which resources of a type are made by a
// module. more is the rest of its spec.
func (d *dock) definition(typ, module, more string) string {
	return fmt.Sprintf(`
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: %s}
spec:
  type: %s
  driver: opentofu
  engine: %s
  inputs:
    yard: %s
    name: "${context.environment}.${context.resource}"
    cargo: ${params.cargo}
    class: ${params.class}
  module:
    inline:
      main.tf: |
%s
%s
`, typ, typ, d.e.name, d.yard.dir, indent(module, "        "), more)
}

func (d *dock) define(typ, module, more string) {
	d.t.Helper()
	d.Apply("", d.definition(typ, module, more))
}

// ask asks for an environment with one fleet.
func (d *dock) ask(name, typ string, resources map[string]client.Resource) client.Operation {
	d.t.Helper()
	op, err := d.Client().CreateEnvironment(d.Context(), project, client.EnvironmentRequest{Name: name, Type: typ, Resources: resources})
	require.NoError(d.t, err)
	return op
}

func fleetOf(params map[string]any) map[string]client.Resource {
	all := map[string]any{"cargo": "tea", "class": "barque"}
	for k, v := range params {
		all[k] = v
	}
	return map[string]client.Resource{"fleet": {Type: "fleet", Params: all}}
}

// over waits for the end of an operation.
func (d *dock) over(id string) client.Operation {
	d.t.Helper()
	var op client.Operation
	deadline := time.Now().Add(2 * platform.Patience)
	for {
		var err error
		if op, err = d.Client().Saga(context.Background(), id); err == nil && op.Over() {
			return op
		}
		if time.Now().After(deadline) {
			require.FailNow(d.t, "the saga does not end", "%v\n%s", err, text(op))
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (d *dock) must(id, status string) client.Operation {
	d.t.Helper()
	op := d.over(id)
	require.Equal(d.t, status, op.Status, text(op))
	return op
}

func (d *dock) remove(name string) client.Operation {
	d.t.Helper()
	op, err := d.Client().DeleteEnvironment(d.Context(), project, name, true)
	require.NoError(d.t, err)
	require.NotNil(d.t, op)
	return *op
}

func text(v any) string {
	out, _ := json.MarshalIndent(v, "", "  ")
	return string(out)
}

// execution is a run, as the API tells of it.
type execution struct {
	ID, Stack, Environment, Resource, Operation, Status, Reason, Waiting, PlanDigest string
	Made, Unresolved                                                                 []string
}

// runs are those of an environment, the newest first.
func (d *dock) runs(environment string) []execution {
	var page struct{ Items []execution }
	query := url.Values{"limit": {"200"}}
	if environment != "" {
		query.Set("environment", environment)
	}
	if err := d.Client().Do(context.Background(), client.Request{Path: client.ProjectPath(project, "runs"), Query: query}, &page); err != nil {
		return nil
	}
	return page.Items
}

func (d *dock) awaitRun(environment, what string, so func(execution) bool) execution {
	d.t.Helper()
	deadline := time.Now().Add(platform.Patience)
	for {
		all := d.runs(environment)
		for _, r := range all {
			if so(r) {
				return r
			}
		}
		if time.Now().After(deadline) {
			require.FailNow(d.t, "waited too long for a run that is "+what, text(all))
		}
		<-time.After(5 * time.Millisecond)
	}
}
