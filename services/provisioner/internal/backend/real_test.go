//go:build engines

package backend_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

const module = `
terraform {
  backend "http" {}
}
variable "text" {
  type      = string
  sensitive = true
}
resource "terraform_data" "folder" {
  for_each = toset(["a", "b.c"])
  input    = { path = "/srv/${each.key}", key = var.text }
}
resource "terraform_data" "second" {
  count = 1
  input = terraform_data.folder["a"].id
}
output "key" {
  value     = terraform_data.folder["a"].output.key
  sensitive = true
}
output "path" {
  value = terraform_data.folder["a"].input.path
  sensitive = true
}
output "kind" {
  value = "folder"
}
`

// workshop is a folder in which an engine works for a run.
type workshop struct {
	*door
	engine  engine.Engine
	dir     string
	retries string
}

func (w *workshop) as(run string, args ...string) (string, error) {
	w.Helper()
	cmd := w.command(run, args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *workshop) command(run string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.Context(), w.engine.Path, args...)
	cmd.Dir = w.dir
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + w.dir, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_INPUT=0", "TF_CLI_CONFIG_FILE=" + os.DevNull,
		"TF_VAR_text=planted-canary",
		"TF_HTTP_ADDRESS=" + w.url + state, "TF_HTTP_LOCK_ADDRESS=" + w.url + state, "TF_HTTP_UNLOCK_ADDRESS=" + w.url + state,
		"TF_HTTP_USERNAME=" + run, "TF_HTTP_PASSWORD=token-of-" + run, "TF_HTTP_RETRY_MAX=" + w.retries, "TF_HTTP_RETRY_WAIT_MIN=1", "TF_HTTP_RETRY_WAIT_MAX=1",
	}
	return cmd
}

func (w *workshop) must(run string, args ...string) string {
	w.Helper()
	out, err := w.as(run, args...)
	require.NoError(w, err, out)
	return out
}

// told is what people read, without the frame and the breaks of its lines.
func told(out string) string {
	return strings.Join(strings.Fields(regexp.MustCompile(`\x1b\[[0-9;]*m|[╷│╵]`).ReplaceAllString(out, "")), " ")
}

// onEach tries something with every engine on this machine, in a folder with a
// module that is initialised.
func onEach(t *testing.T, module, retries string, try func(*workshop)) {
	t.Helper()
	all, err := (&engine.Finder{Path: os.Getenv("PATH"), Beside: os.Getenv("SLIPWAY_ENGINES")}).All(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, all, engine.ErrNone.Error())
	for _, e := range all {
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			w := &workshop{door: newDoor(t), engine: e, dir: t.TempDir(), retries: retries}
			require.NoError(t, os.WriteFile(filepath.Join(w.dir, "main.tf"), []byte(module), 0o600))
			w.must("run-1", "init", "-no-color")
			try(w)
		})
	}
}

func TestReal_ApplyLockConflictUnlockDestroy(t *testing.T) {
	t.Parallel()
	onEach(t, module, "1", func(w *workshop) {
		w.applies()
		w.isHeld()
		w.mayOnlyPlan()
		w.losesItsLock()
		w.destroys()
	})
}

// slow waits in the middle, until somebody opens the gate.
const slow = `
terraform {
  backend "http" {}
}
resource "terraform_data" "folder" {
  input = "made"
  provisioner "local-exec" {
    command = "echo > started; cat gate"
  }
}
`

func TestReal_PlatformAwayWhileAnEngineApplies_ItsStateArrivesAtTheSamePort(t *testing.T) {
	t.Parallel()
	onEach(t, slow, "30", func(w *workshop) {
		gate, started := filepath.Join(w.dir, "gate"), filepath.Join(w.dir, "started")
		require.NoError(w, syscall.Mkfifo(gate, 0o600))
		require.NoError(w, syscall.Mkfifo(started, 0o600))
		cmd := w.command("run-1", "apply", "-auto-approve", "-no-color")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		require.NoError(w, cmd.Start())
		_, err := os.ReadFile(started)
		require.NoError(w, err)

		before := w.url
		w.stop()
		nobody, err := net.Listen("tcp", strings.TrimPrefix(before, "http://"))
		require.NoError(w, err)
		require.NoError(w, os.WriteFile(gate, []byte("go on\n"), 0))
		call, err := nobody.Accept() // the engine brings its state, and finds nobody
		require.NoError(w, err)
		require.NoError(w, call.Close())
		require.NoError(w, nobody.Close())
		w.open()
		require.Equal(w, before, w.url)
		require.NoError(w, cmd.Wait(), out.String())

		st, err := w.stacks.Get(w.Context(), bucket)
		require.NoError(w, err)
		require.Equal(w, 1, st.Version.Resources)
		require.Nil(w, st.Lock)
		require.NoFileExists(w, filepath.Join(w.dir, "errored.tfstate"))
	})
}

func (w *workshop) applies() {
	w.Helper()
	w.must("run-1", "apply", "-auto-approve", "-no-color")
	raw, v, err := w.stacks.State(w.Context(), bucket)
	require.NoError(w, err)
	require.Equal(w, 3, v.Resources)
	require.Equal(w, "run-1", v.Run)
	c, err := stack.Read(raw)
	require.NoError(w, err)
	var addresses []string
	for _, i := range c.Instances {
		addresses = append(addresses, i.Address)
	}
	require.ElementsMatch(w, []string{`terraform_data.folder["a"]`, `terraform_data.folder["b.c"]`, "terraform_data.second[0]"}, addresses)
	require.Contains(w, c.Secrets, "planted-canary")
	require.True(w, c.Outputs["key"].Sensitive)
	require.JSONEq(w, `"folder"`, string(c.Outputs["kind"].Value))
	require.True(w, strings.HasPrefix(w.engine.Version, c.EngineVersion), c.EngineVersion)
	st, err := w.stacks.Get(w.Context(), bucket)
	require.NoError(w, err)
	require.Nil(w, st.Lock)
	w.nowhere("planted-canary")

	out := w.must("run-1", "apply", "-auto-approve", "-no-color")
	require.Contains(w, out, "No changes")
	_, again, err := w.stacks.State(w.Context(), bucket)
	require.NoError(w, err)
	require.Equal(w, v, again, "what changes nothing writes nothing")
}

// isHeld: the engine tells people whose lock it is and how to free it.
func (w *workshop) isHeld() {
	w.Helper()
	_, err := w.stacks.LockFor(w.Context(), bucket, "run-dead")
	require.NoError(w, err)
	out, err := w.as("run-1", "apply", "-auto-approve", "-no-color")
	require.Error(w, err)
	require.Contains(w, told(out), "stack shop.dev.bucket is locked by run run-dead (settle)")
	require.Contains(w, told(out), "slipway stack unlock shop.dev.bucket --reason")
	_, err = w.stacks.ForceUnlock(w.Context(), events.Cause{Actor: "user:default/ada"}, bucket, "the run is dead")
	require.NoError(w, err)
	w.must("run-1", "apply", "-auto-approve", "-no-color")
}

func (w *workshop) mayOnlyPlan() {
	w.Helper()
	out := w.must("planner", "plan", "-no-color")
	require.Contains(w, out, "No changes")
	_, before, err := w.stacks.State(w.Context(), bucket)
	require.NoError(w, err)
	out, err = w.as("planner", "apply", "-auto-approve", "-no-color", "-replace=terraform_data.second[0]")
	require.Error(w, err, out)
	require.FileExists(w, filepath.Join(w.dir, "errored.tfstate"))
	_, after, err := w.stacks.State(w.Context(), bucket)
	require.NoError(w, err)
	require.Equal(w, before, after)

	// What it left behind is taken by whoever settles the run.
	left, err := os.ReadFile(filepath.Join(w.dir, "errored.tfstate"))
	require.NoError(w, err)
	l, err := w.stacks.LockFor(w.Context(), bucket, "planner")
	require.NoError(w, err)
	v, err := w.stacks.Put(w.Context(), bucket, stack.Writer{Run: "planner", LockID: l.ID}, left)
	require.NoError(w, err)
	require.Greater(w, v.Serial, before.Serial)
	require.NoError(w, w.stacks.Unlock(w.Context(), bucket, "planner", ""))
}

// losesItsLock: an engine's own force-unlock frees only what its run has.
func (w *workshop) losesItsLock() {
	w.Helper()
	_, err := w.stacks.Lock(w.Context(), bucket, stack.Lock{Run: "run-2", ID: "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b"})
	require.NoError(w, err)
	out, err := w.as("run-1", "force-unlock", "-force", "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b")
	require.Error(w, err, out)
	w.must("run-2", "force-unlock", "-force", "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b")
}

func (w *workshop) destroys() {
	w.Helper()
	w.must("run-1", "destroy", "-auto-approve", "-no-color")
	_, v, err := w.stacks.State(w.Context(), bucket)
	require.NoError(w, err)
	require.Zero(w, v.Resources)
	versions, _, err := w.stacks.Versions(w.Context(), bucket, 100, "")
	require.NoError(w, err)
	require.Equal(w, v, versions[0])
	require.Greater(w, len(versions), 2)
	require.NoError(w, w.stacks.Remove(w.Context(), bucket))
	w.nowhere("planted-canary")
}
