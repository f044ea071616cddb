package enginetest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
)

func TestMain(m *testing.M) {
	enginetest.Main()
	os.Exit(m.Run())
}

// bench is one engine in one folder over one backend.
type bench struct {
	t      *testing.T
	engine string
	dir    string
	server *server
	env    map[string]string
}

func on(t *testing.T, path string, files map[string]string) *bench {
	t.Helper()
	b := &bench{t: t, engine: path, dir: t.TempDir(), server: serve(t), env: map[string]string{}}
	b.write(files)
	b.write(map[string]string{"backend_override.tf.json": `{"terraform": {"backend": {"http": {}}}}`})
	return b
}

func (b *bench) write(files map[string]string) {
	b.t.Helper()
	for name, text := range files {
		require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644))
	}
}

type answer struct {
	code     int
	out, err string
}

// run runs a command of the engine with nothing but what the runner gives it.
func (b *bench) run(args ...string) answer {
	b.t.Helper()
	cmd := b.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(b.t, err)
	}
	return answer{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func (b *bench) command(args ...string) *exec.Cmd {
	env := map[string]string{"PATH": "/usr/bin:/bin", "HOME": b.dir, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.DevNull,
		"TF_HTTP_ADDRESS": b.server.URL, "TF_HTTP_LOCK_ADDRESS": b.server.URL, "TF_HTTP_UNLOCK_ADDRESS": b.server.URL,
		"TF_HTTP_USERNAME": "run-1", "TF_HTTP_PASSWORD": "token", "TF_HTTP_RETRY_MAX": "1", "TF_HTTP_RETRY_WAIT_MIN": "0", "TF_HTTP_RETRY_WAIT_MAX": "0"}
	maps.Copy(env, b.env)
	cmd := exec.Command(b.engine, args...)
	cmd.Dir = b.dir
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

func (b *bench) must(code int, args ...string) answer {
	b.t.Helper()
	a := b.run(args...)
	require.Equal(b.t, code, a.code, "%s\n%s%s", strings.Join(args, " "), a.out, a.err)
	return a
}

func (b *bench) init() { b.t.Helper(); b.must(0, "init", "-input=false", "-no-color") }

// plan plans and reads the plan as the platform does.
func (b *bench) plan(code int, args ...string) *tfjson.Plan {
	b.t.Helper()
	b.must(code, append([]string{"plan", "-input=false", "-no-color", "-detailed-exitcode", "-out=plan.bin"}, args...)...)
	var p tfjson.Plan
	shown := b.must(0, "show", "-json", "-no-color", "plan.bin")
	require.NoError(b.t, json.Unmarshal([]byte(shown.out), &p), shown.out)
	return &p
}

// lines are those of a JSON log, by type.
func lines(t *testing.T, log string) map[string][]map[string]any {
	t.Helper()
	all := map[string][]map[string]any{}
	for line := range strings.Lines(log) {
		var one map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		kind, _ := one["type"].(string)
		all[kind] = append(all[kind], one)
	}
	return all
}

// fakes are both of them.
func fakes(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	return map[string]string{"as tofu": enginetest.Install(t, dir, engine.Tofu), "as terraform": enginetest.Install(t, dir, engine.Terraform)}
}

func TestFake_Module_BehavesAsTheRealOnes(t *testing.T) {
	t.Parallel()
	for name, path := range fakes(t) {
		t.Run(name, func(t *testing.T) { t.Parallel(); behaves(t, path) })
	}
}
