package opentofu_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/drivertest"
)

// shed is a folder that provisioners make and remove, as any engine can. It
// stands still where there is a file hold-create or hold-destroy beside it.
const shed = `
variable "yard" {}
variable "size" {}
resource "terraform_data" "shed" {
  input = var.yard
  provisioner "local-exec" {
    command = "touch ${self.input}/create.reached; while [ -e ${self.input}/hold-create ]; do sleep 0.02; done; mkdir ${self.input}/shed"
  }
  provisioner "local-exec" {
    when    = destroy
    command = "touch ${self.input}/destroy.reached; while [ -e ${self.input}/hold-destroy ]; do sleep 0.02; done; rm -rf ${self.input}/shed"
  }
}
resource "terraform_data" "size" { input = var.size }
output "path" { value = "${terraform_data.shed.output}/shed" }
output "size" { value = terraform_data.size.output }
output "token" {
  value     = "token-${terraform_data.shed.id}"
  sensitive = true
}
`

// shedSubject is a shed on an engine.
func shedSubject(t *testing.T, w *world) drivertest.Subject {
	t.Helper()
	yard := t.TempDir()
	digest := w.put(shed)
	declare := func(typ string) *driver.Module {
		return &driver.Module{Definition: "shed", Digest: digest, Outputs: map[string]string{"size": typ, "token": "string"}, Timeout: time.Minute,
			Env: map[string]string{"PATH": os.Getenv("PATH")}}
	}
	return drivertest.Subject{
		New: func(_ *testing.T, reopen bool) driver.Driver {
			if reopen {
				w.shut()
				w.open()
			}
			return latest{w}
		},
		Kind: "shed", Inputs: map[string]any{"yard": yard, "size": "1"}, Changed: map[string]any{"yard": yard, "size": "2"},
		Module: declare("string"), Undeclared: declare("number"),
		Write: func(t *testing.T, a driver.Applied) {
			require.NoError(t, os.WriteFile(filepath.Join(a.Outputs["path"].(string), "note"), []byte("kept"), 0o600))
			require.True(t, strings.HasPrefix(a.Secrets["token"], "token-"))
		},
		Check: func(t *testing.T, a driver.Applied) {
			b, err := os.ReadFile(filepath.Join(a.Outputs["path"].(string), "note"))
			require.NoError(t, err)
			require.Equal(t, "kept", string(b))
		},
		Gone: func(t *testing.T, name string, _ driver.Applied) {
			require.NoDirExists(t, filepath.Join(yard, "shed"))
			_, err := w.stacks.Get(t.Context(), name)
			require.Error(t, err)
			left, err := filepath.Glob(filepath.Join(w.dir, "runs", "work", "*"))
			require.NoError(t, err)
			require.Empty(t, left)
		},
		Interruptions: []drivertest.Interruption{
			w.interruption("RunnerKilled", yard, func(t *testing.T) { w.kill("runner") }),
			w.interruption("PlatformRestarted", yard, func(*testing.T) { w.shut(); w.open() }),
			w.interruption("PlatformAndRunnerKilled", yard, func(t *testing.T) { w.shut(); w.kill("runner"); w.open() }),
		},
		Unknown: func(t *testing.T, name string) (func(*testing.T), func()) {
			all := w.interruption("EngineKilled", yard, func(*testing.T) {
				w.shut()
				w.kill("runner")
				w.kill("engine")
				w.open()
			})
			return all.Arm(t, "apply"), func() {
				require.NoError(t, os.RemoveAll(filepath.Join(yard, "shed")))
				_, err := w.stacks.ForceUnlock(t.Context(), events.Cause{Actor: "user:default/ada"}, name, "I looked")
				require.NoError(t, err)
			}
		},
	}
}

func (w *world) hold(yard, what string) string {
	path := filepath.Join(yard, "hold-"+what)
	_ = os.Remove(filepath.Join(yard, what+".reached"))
	require.NoError(w.t, os.WriteFile(path, nil, 0o600))
	return path
}

func (w *world) awaitReached(yard, what string) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 12_000 {
		if _, err := os.Stat(filepath.Join(yard, what+".reached")); err == nil {
			return true
		}
		<-tick.C
	}
	return false
}

func (w *world) interruption(name, yard string, strike func(t *testing.T)) drivertest.Interruption {
	return drivertest.Interruption{Name: name, Arm: func(t *testing.T, operation string) func(t *testing.T) {
		what := map[string]string{"apply": "create", "destroy": "destroy"}[operation]
		hold := w.hold(yard, what)
		t.Cleanup(func() { _ = os.Remove(hold) })
		return func(t *testing.T) {
			require.True(t, w.awaitReached(yard, what), "nobody came to %s", what)
			strike(t)
			require.NoError(t, os.Remove(hold))
		}
	}}
}

func TestEngines_PassTheSuite(t *testing.T) {
	t.Parallel()
	for _, e := range engines(t) {
		t.Run(string(e.Kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, e)
			drivertest.Run(t, shedSubject(t, w))
		})
	}
}
