package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// asRoot runs a case where modules have users of their own. README.md says what
// holds without.
func asRoot(t *testing.T, run func(t *testing.T, e engine.Engine)) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for _, e := range engines(t) {
		t.Run(string(e.Kind), func(t *testing.T) { t.Parallel(); run(t, e) })
	}
}

// platform is what a module must not get at: a data folder, and a process with
// secrets in its environment.
func platform(t *testing.T) (data string, pid int) {
	t.Helper()
	data = filepath.Join(passable(t), "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, "admin.token"), []byte("canary-token\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(data, "secret.key"), []byte("canary-key\n"), 0o600))
	p := exec.Command("sleep", "604")
	p.Env = []string{"SLIPWAY_NATS_CREDS=canary-environment"}
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	return data, p.Process.Pid
}

func TestHostile_LooksForSecrets_FindsItsOwnTokenAndNothingElse(t *testing.T) {
	t.Parallel()
	asRoot(t, func(t *testing.T, e engine.Engine) {
		data, pid := platform(t)
		other := newBench(t, e, true)
		shared := other.shared()
		other.job.Token = "token-of-another-run"
		b := newBench(t, e, true)
		b.job.Env = map[string]string{"PROVIDER_KEY": "its-own"}
		b.files = doing(strings.Join([]string{
			"exec > $TMPDIR/found 2> $TMPDIR/refused",
			"env",
			"echo -- data", "ls " + data, "cat " + data + "/admin.token " + data + "/secret.key",
			"echo -- processes", fmt.Sprintf("cat /proc/%d/environ", pid), "cat /proc/[0-9]*/environ | tr '\\\\0' '\\\\n'", fmt.Sprintf("ls -l /proc/%d/fd; cat /proc/%d/maps", pid, pid),
			"echo -- runs", "ls " + b.config.Dir + " " + b.config.Dir + "/work " + b.config.Dir + "/logs " + b.config.Dir + "/started", "cat " + b.Log(aRun),
			"cat " + other.work("module", "main.tf") + " " + other.StackFolder(other.job.Stack) + "/*",
			"echo x > " + b.config.Dir + "/bin/new; echo x > " + b.config.Dir + "/work/new; echo x >> " + b.Log(aRun) + "; ln -s / " + b.config.Dir + "/stacks/new",
			"echo -- rights", "su -c id; sudo -n id; id", "true",
		}, "; "))
		// Another run is at work meanwhile, with a token of its own.
		other.files = doing("echo here > " + shared + "/here; until [ -e " + shared + "/go ]; do sleep 0.02; done")
		other.job.Token = b.job.Token
		other.planned()
		other.job.Env = map[string]string{"OTHERS_KEY": "canary-of-another-run"}
		other.start(runner.Apply)
		other.until(shared + "/here")

		b.planned()
		b.start(runner.Apply)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v\n%s", r, b.log())
		found, err := os.ReadFile(b.work("tmp", "found"))
		require.NoError(t, err)
		require.NotContains(t, string(found), "canary")
		require.NotContains(t, string(found), "uid=0")
		require.Contains(t, string(found), fmt.Sprintf("uid=%d gid=%d groups=%d\n", b.uid, b.uid, b.uid))
		env, _, _ := strings.Cut(string(found), "-- data")
		var names []string
		for line := range strings.Lines(env) {
			name, _, _ := strings.Cut(line, "=")
			names = append(names, name)
		}
		for _, name := range names {
			allowed := strings.HasPrefix(name, "TF_") || slices.Contains([]string{"PATH", "LANG", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_",
				"CHECKPOINT_DISABLE", "PLUGIN_UNIX_SOCKET_DIR", "PROVIDER_KEY", process.Marker}, name)
			require.True(t, allowed, "the module was given %s", name)
		}
		refused, err := os.ReadFile(b.work("tmp", "refused"))
		require.NoError(t, err)
		for _, path := range []string{data, other.work("module", "main.tf"), b.config.Dir + "/work", b.config.Dir + "/bin/new", b.Log(aRun)} {
			require.Contains(t, string(refused), path, "it should have been refused")
		}
		require.NoFileExists(t, b.config.Dir+"/bin/new")
		require.NoFileExists(t, b.config.Dir+"/work/new")

		require.NoError(t, os.WriteFile(shared+"/go", nil, 0o600))
		r, ok = other.wait()
		require.True(t, ok && r.OK, "%+v", r)
	})
}

func TestHostile_HarmsAllItCan_AnotherRunGoesOnAndNothingOfItIsLeft(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"kills everybody": "kill -9 -1",
		// Bounded by the limit of threads; nobody outside its user notices.
		"forks without end":  "f() { f | f & f; }; f; sleep 600",
		"hides and comes on": "for i in 1 2 3 4 5 6 7 8; do env -i setsid sh -c 'trap \\\"\\\" INT TERM HUP; while :; do (sleep 0.01; :) ; done' > /dev/null 2>&1 & done; sleep 1",
		"forks and goes":     "env -i setsid sh -c 'f() { sleep 0.005; f & exit; }; f' > /dev/null 2>&1 & sleep 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asRoot(t, func(t *testing.T, e engine.Engine) {
				other := newBench(t, e, true)
				shared := other.shared()
				other.files = doing("echo here > " + shared + "/here; until [ -e " + shared + "/go ]; do sleep 0.02; done")
				other.planned()
				other.start(runner.Apply)
				other.until(shared + "/here")

				b := newBench(t, e, true)
				b.job.Limits = runner.Limits{Threads: 150}
				b.config.Limits = runner.Limits{Processes: 60}
				b.reopen()
				b.files = map[string]string{"main.tf": strings.ReplaceAll(doing("COMMAND")["main.tf"], `"COMMAND"`, `"`+command+`"`)}
				b.planned()
				b.job.Deadline = time.Now().Add(10 * time.Second)
				b.start(runner.Apply)
				b.wait()
				left, err := process.Of(b.uid)
				require.NoError(t, err)
				require.Empty(t, left)
				require.NoError(t, b.Remove(aRun))
				require.NoDirExists(t, b.work())

				require.NoError(t, os.WriteFile(shared+"/go", nil, 0o600))
				r, ok := other.wait()
				require.True(t, ok && r.OK, "%+v\n%s", r, other.log())
			})
		})
	}
}

func TestHostile_CutForWhatItWroteElsewhere_ThatIsRemovedToo(t *testing.T) {
	t.Parallel()
	asRoot(t, func(t *testing.T, e engine.Engine) {
		b := newBench(t, e, true)
		b.config.Limits = runner.Limits{Folder: 4 << 20}
		b.reopen()
		name := fmt.Sprintf("/var/tmp/hostile-%d", b.uid)
		b.files = doing("mkdir " + name + "; i=0; while :; do i=$((i+1)); head -c 1048576 /dev/zero > " + name + "/$i; sleep 0.05; done")
		b.planned()
		b.start(runner.Apply)
		r, _ := b.wait()
		require.Contains(t, r.Cut, "it wrote more than 4 MiB")
		require.DirExists(t, name)
		require.NoError(t, b.Remove(aRun))
		require.NoDirExists(t, name)
	})
}
