package runner_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner/runnertest"
)

// program is the runner, and the stand-in for an engine.
var program enginetest.Program

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const fileLog = "log"

// onEach runs a case on each engine.
func onEach(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	for _, e := range engines(t) {
		t.Run(string(e.Kind), func(t *testing.T) { t.Parallel(); run(t, newBench(t, e)) })
	}
}

// bench is a work folder, a backend and an engine.
type bench struct {
	t       *testing.T
	dir     string
	backend *runnertest.Backend
	job     runner.Job
}

func newBench(t *testing.T, e engine.Engine) *bench {
	b := &bench{t: t, dir: t.TempDir(), backend: runnertest.Serve(t)}
	b.job = runner.Job{
		Run: "r1", Stack: "shop.dev.bucket", Operation: runner.OpApply, Engine: e,
		Backend: b.backend.URL, Token: runnertest.Token, Grace: 5 * time.Second, Marker: "SLIPWAY_PROCESS=test/" + t.Name(),
	}
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, runner.FileModule), 0o700))
	return b
}

func (b *bench) write(files map[string]string) *bench {
	b.t.Helper()
	for name, text := range files {
		require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, runner.FileModule, name), []byte(text), 0o600))
	}
	return b
}

func (b *bench) inputs(values map[string]any) {
	b.t.Helper()
	text, err := json.Marshal(values)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, runner.FileInputs), text, 0o600))
}

// start starts a phase as the platform would: nothing but the job.
func (b *bench) start(phase runner.Phase) *exec.Cmd {
	b.t.Helper()
	b.job.Phase = phase
	text, err := json.Marshal(b.job)
	require.NoError(b.t, err)
	require.NoError(b.t, os.RemoveAll(filepath.Join(b.dir, runner.FileResult)))
	cmd := exec.Command(program.Path(b.t), runner.Command)
	log, err := os.OpenFile(filepath.Join(b.dir, fileLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(b.t, err)
	defer log.Close()
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = b.dir, []string{}, bytes.NewReader(text), log, os.Stderr
	require.NoError(b.t, cmd.Start())
	b.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// phase runs one to its end.
func (b *bench) phase(phase runner.Phase) runner.Result {
	b.t.Helper()
	require.NoError(b.t, b.start(phase).Wait())
	return b.result()
}

func (b *bench) result() runner.Result {
	b.t.Helper()
	var r runner.Result
	require.NoError(b.t, json.Unmarshal([]byte(b.file(runner.FileResult)), &r))
	return r
}

// planned runs the phase plan and remembers its digest as allowed.
func (b *bench) planned() runner.Result {
	b.t.Helper()
	r := b.phase(runner.Plan)
	require.True(b.t, r.OK, "%+v\n%s", r, b.file(fileLog))
	b.job.PlanDigest = r.PlanDigest
	return r
}

func (b *bench) applied() runner.Result {
	b.t.Helper()
	b.planned()
	r := b.phase(runner.Apply)
	require.True(b.t, r.OK, "%+v\n%s", r, b.file(fileLog))
	// As the platform does between two runs.
	for _, name := range []string{runner.FileApply, runner.FileStderr, runner.FilePlan} {
		require.NoError(b.t, os.Remove(filepath.Join(b.dir, name)))
	}
	return r
}

func (b *bench) file(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(b.t, err)
	}
	return string(text)
}

// searched is every file of the folder that holds text.
func (b *bench) searched(text string) []string {
	b.t.Helper()
	var found []string
	require.NoError(b.t, filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), text) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

func with(m map[string]string, more map[string]string) map[string]string {
	out := maps.Clone(m)
	maps.Copy(out, more)
	return out
}
