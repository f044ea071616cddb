package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner/runnertest"
	"github.com/slipway-idp/slipway/services/provisioner/internal/sandbox"
)

// program is the runner, and the stand-in for an engine.
var program enginetest.Program

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// onEach runs a case on each engine, in both ways that a sandbox works.
func onEach(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	on(t, engines(t), run)
}

// onOne is for cases that do not depend on the engine.
func onOne(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	on(t, engines(t)[:1], run)
}

func on(t *testing.T, engines []engine.Engine, run func(t *testing.T, b *bench)) {
	t.Helper()
	ways := map[string]bool{"same user": false}
	if os.Geteuid() == 0 {
		ways["own user"] = true
	}
	for _, e := range engines {
		for name, root := range ways {
			t.Run(string(e.Kind)+", "+name, func(t *testing.T) { t.Parallel(); run(t, newBench(t, e, root)) })
		}
	}
}

// lastUID: nobody else on a machine has these, another run of the tests neither.
var lastUID atomic.Int64

func nextUID() int { return 1_000_000_000 + os.Getpid()*200 + int(lastUID.Add(1)) }

// bench is a sandbox with one run.
type bench struct {
	*sandbox.Sandbox
	t       *testing.T
	dir     string
	config  sandbox.Config
	keeper  *process.Keeper
	backend *runnertest.Backend
	uid     int
	job     runner.Job
	files   map[string]string // of the module
	inputs  map[string]any
}

const aRun = "run-1"

func newBench(t *testing.T, e engine.Engine, root bool) *bench {
	t.Helper()
	b := &bench{t: t, dir: passable(t), backend: runnertest.Serve(t), uid: nextUID()}
	b.config = sandbox.Config{
		Dir: filepath.Join(b.dir, "runs"), Executable: []string{program.Path(t)}, Root: root,
		Claims: filepath.Join(b.dir, "claims"),
	}
	b.job = runner.Job{
		Run: aRun, Stack: "shop.dev.thing", Operation: runner.OpApply, Engine: e,
		Backend: b.backend.URL, Token: runnertest.Token, Grace: 5 * time.Second,
		Deadline: time.Now().Add(time.Minute),
	}
	b.reopen()
	t.Cleanup(func() {
		require.NoError(t, b.Cut(context.Background(), aRun, 0))
		require.NoError(t, b.Remove(aRun))
		known, err := b.keeper.Known()
		require.NoError(t, err)
		require.Empty(t, known)
		left, err := process.Of(b.uid)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	return b
}

// passable is a folder of the test's that other users may pass.
func passable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sandbox-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// reopen is what a restarted platform does.
func (b *bench) reopen() {
	b.t.Helper()
	var err error
	b.keeper, err = process.Open(filepath.Join(b.dir, "processes"), process.Options{})
	require.NoError(b.t, err)
	b.config.Keeper = b.keeper
	b.Sandbox, err = sandbox.Open(b.config)
	require.NoError(b.t, err)
}

func (b *bench) work(name ...string) string {
	return filepath.Join(append([]string{b.config.Dir, "work", aRun}, name...)...)
}

// prepare fills the folder as the platform does before each phase.
func (b *bench) prepare(plan []byte) {
	b.t.Helper()
	require.NoError(b.t, b.Prepare(b.t.Context(), aRun, b.uid, func(dir string) error {
		if err := os.Mkdir(filepath.Join(dir, runner.FileModule), 0o700); err != nil {
			return err
		}
		for name, text := range b.files {
			if err := os.WriteFile(filepath.Join(dir, runner.FileModule, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
		if b.inputs != nil {
			text, err := json.Marshal(b.inputs)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, runner.FileInputs), text, 0o600); err != nil {
				return err
			}
		}
		if plan == nil {
			return nil
		}
		return os.WriteFile(filepath.Join(dir, runner.FilePlan), plan, 0o600)
	}))
}

func (b *bench) start(phase runner.Phase) {
	b.t.Helper()
	b.job.Phase = phase
	require.NoError(b.t, b.Start(b.t.Context(), aRun, b.uid, b.job))
}

// wait waits as long as a test may; what is left is cut, as the platform does.
func (b *bench) wait() (runner.Result, bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	require.NoError(b.t, b.Wait(ctx, aRun))
	require.NoError(b.t, b.Cut(ctx, aRun, 0))
	r, ok, err := b.Result(aRun)
	require.NoError(b.t, err)
	return r, ok
}

// planned runs the phase plan and prepares the phase apply.
func (b *bench) planned() {
	b.t.Helper()
	b.prepare(nil)
	b.start(runner.Plan)
	r, ok := b.wait()
	require.True(b.t, ok && r.OK, "%+v\n%s", r, b.log())
	bin, data, err := b.Plan(aRun)
	require.NoError(b.t, err)
	require.Contains(b.t, string(data), "resource_changes")
	b.job.PlanDigest = r.PlanDigest
	b.prepare(bin)
}

func (b *bench) log() string {
	text, _ := os.ReadFile(b.Log(aRun))
	return string(text)
}

// until waits for a file that a module writes.
func (b *bench) until(path string) string {
	b.t.Helper()
	var text []byte
	require.Eventually(b.t, func() bool {
		var err error
		text, err = os.ReadFile(path)
		return err == nil && strings.HasSuffix(string(text), "\n")
	}, 30*time.Second, 2*time.Millisecond, path)
	return string(text)
}

// shared is a folder that the module's user may write to.
func (b *bench) shared() string {
	b.t.Helper()
	dir := filepath.Join(b.dir, "shared")
	require.NoError(b.t, os.MkdirAll(dir, 0o700))
	require.NoError(b.t, os.Chmod(dir, 0o777))
	return dir
}

// doing is a module with one thing that runs a command when it is made.
func doing(command string) map[string]string {
	return map[string]string{"main.tf": fmt.Sprintf(`
resource "terraform_data" "thing" {
  provisioner "local-exec" {
    command = %q
  }
}
output "made" {
  value = "yes"
}
`, command)}
}

func (b *bench) killRunner(phase runner.Phase) {
	b.t.Helper()
	p, ok, err := b.keeper.Find(aRun + "/" + string(phase))
	require.NoError(b.t, err)
	if ok {
		require.NoError(b.t, syscall.Kill(p.PID, syscall.SIGKILL))
	}
}
