package enginetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
)

const fleet = `
variable "cargo" { default = "tea" }
variable "class" { default = "barque" }
resource "yard_ship" "one" {
  name  = "one"
  cargo = var.cargo
  class = var.class
}
resource "yard_ship" "two" {
  name  = "two"
  cargo = yard_ship.one.id
}
output "id" { value = yard_ship.one.id }
output "secret" {
  value     = yard_ship.two.secret
  sensitive = true
}
`

// fleetOn is a module of two ships with a yard of its own.
func fleetOn(t *testing.T) (*bench, yard) {
	t.Helper()
	b := on(t, enginetest.Install(t, t.TempDir(), engine.Tofu), map[string]string{"main.tf": fleet})
	y := yard{t, t.TempDir()}
	b.env["YARD_FOLDER"] = y.dir
	require.NoError(t, os.MkdirAll(filepath.Join(y.dir, "gates"), 0o755))
	b.init()
	return b, y
}

type yard struct {
	t   *testing.T
	dir string
}

func (y yard) gate(name, text string) string {
	y.t.Helper()
	path := filepath.Join(y.dir, "gates", name)
	require.NoError(y.t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// ships are those that are there, by name.
func (y yard) ships() map[string]map[string]any {
	y.t.Helper()
	files, err := filepath.Glob(filepath.Join(y.dir, "ships", "*.json"))
	require.NoError(y.t, err)
	all := map[string]map[string]any{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(y.t, err)
		var one map[string]any
		require.NoError(y.t, json.Unmarshal(text, &one))
		one["file"] = f
		all[one["name"].(string)] = one
	}
	return all
}

func (y yard) ledger() (all []string) {
	text, _ := os.ReadFile(filepath.Join(y.dir, "ledger.jsonl"))
	for line := range strings.Lines(string(text)) {
		var one struct{ Op, Name, Outcome string }
		require.NoError(y.t, json.Unmarshal([]byte(line), &one))
		all = append(all, one.Op+" "+one.Name+" "+one.Outcome)
	}
	return all
}

func (b *bench) apply() answer {
	return b.run("apply", "-json", "-input=false", "-no-color", "plan.bin")
}

func TestYard_Ships_AreMadeChangedReplacedAndDestroyed(t *testing.T) {
	t.Parallel()
	b, y := fleetOn(t)
	p := b.plan(2)
	require.Equal(t, true, p.ResourceChanges[1].Change.AfterSensitive.(map[string]any)["secret"])
	require.Zero(t, b.apply().code)
	require.Len(t, y.ships(), 2)
	one := y.ships()["one"]
	require.Equal(t, "tea", one["cargo"])
	require.Equal(t, one["id"], y.ships()["two"]["cargo"])
	require.Equal(t, y.ships()["two"]["secret"], b.server.content(t).Outputs["secret"].Value)

	require.True(t, b.plan(2, "-var=cargo=wool").ResourceChanges[0].Change.Actions.Update())
	require.Zero(t, b.apply().code)
	require.Equal(t, "wool", y.ships()["one"]["cargo"])
	require.Equal(t, one["id"], y.ships()["one"]["id"])

	p = b.plan(2, "-var=cargo=wool", "-var=class=clipper")
	require.True(t, p.ResourceChanges[0].Change.Actions.DestroyBeforeCreate())
	require.True(t, p.ResourceChanges[1].Change.Actions.Update(), "its cargo is the other's id, which is not known yet")
	require.Zero(t, b.apply().code)
	require.NotEqual(t, one["id"], y.ships()["one"]["id"])
	require.Equal(t, y.ships()["one"]["id"], y.ships()["two"]["cargo"])

	b.plan(2, "-destroy")
	require.Zero(t, b.apply().code)
	require.Empty(t, y.ships())
	require.Equal(t, []string{
		"create one asked", "create one done", "create two asked", "create two done", "update one asked", "update one done",
		"delete one asked", "delete one done", "create one asked", "create one done", "update two asked", "update two done",
		"delete two asked", "delete two done", "delete one asked", "delete one done",
	}, y.ledger())
}

func TestYard_SomebodyChangesTheShip_IsDriftAndIsMended(t *testing.T) {
	t.Parallel()
	b, y := fleetOn(t)
	b.plan(2)
	require.Zero(t, b.apply().code)
	require.NoError(t, os.Remove(y.ships()["two"]["file"].(string)))
	one := y.ships()["one"]
	file := one["file"].(string)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte("tea"), []byte("rats")), 0o644))

	p := b.plan(2, "-refresh-only")
	require.Len(t, p.ResourceDrift, 2)
	require.Equal(t, "rats", p.ResourceDrift[0].Change.After.(map[string]any)["cargo"])
	require.True(t, p.ResourceDrift[1].Change.Actions.Delete())
	require.Empty(t, changing(p))

	p = b.plan(2)
	require.Equal(t, []string{"yard_ship.one", "yard_ship.two"}, changing(p))
	require.Zero(t, b.apply().code)
	require.Equal(t, "tea", y.ships()["one"]["cargo"])
	require.Equal(t, one["id"], y.ships()["one"]["id"])
	require.Contains(t, y.ships(), "two")
}

func TestYard_CreateFails_BeforeNothingIsThereAfterItIsTainted(t *testing.T) {
	t.Parallel()
	for when, there := range map[string]int{"before": 1, "after": 2} {
		b, y := fleetOn(t)
		y.gate("two.create."+when, "fail the crane broke")
		b.plan(2)
		log := b.apply()
		require.Equal(t, 1, log.code)
		require.Contains(t, log.out, "the crane broke")
		require.Len(t, y.ships(), there, when)
		s := b.server.content(t)
		require.Len(t, s.Resources, there)
		if when == "after" {
			require.Equal(t, "tainted", s.Resources[1].Instances[0].Status)
		}
	}
}

func TestYard_EngineKilledAfterTheEffect_LeavesAShipThatNoStateKnows(t *testing.T) {
	t.Parallel()
	b, y := fleetOn(t)
	y.gate("two.create.after", "kill")
	b.plan(2)
	require.Equal(t, -1, b.apply().code)
	require.Len(t, y.ships(), 2)
	require.Empty(t, b.server.kept())
	require.NotEmpty(t, b.server.held(), "its lock is left behind")
}

func TestYard_Interrupted_EndsInOrderAndKeepsWhatThereIs(t *testing.T) {
	t.Parallel()
	b, y := fleetOn(t)
	gate := y.gate("two.create.before", "hold")
	b.plan(2)
	cmd := b.command("apply", "-json", "-input=false", "-no-color", "plan.bin")
	var out bytes.Buffer
	cmd.Stdout = &out
	require.NoError(t, cmd.Start())
	await(t, gate+".reached")
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Contains(t, out.String(), "interrupted")
	require.Len(t, b.server.content(t).Resources, 1)
	require.Len(t, y.ships(), 1)
	require.Empty(t, b.server.held())
}

// await waits for a file.
func await(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			require.FailNow(t, "waited too long for "+path)
		case <-tick.C:
		}
	}
}
