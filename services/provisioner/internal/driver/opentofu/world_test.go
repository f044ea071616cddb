package opentofu_test

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner/internal/backend"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/opentofu"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
	"github.com/slipway-idp/slipway/services/provisioner/internal/run"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/sandbox"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// program is the runner, and the stand-in for an engine.
var program enginetest.Program

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// world is everything below the driver, on disk; what is open of it can be
// closed and opened again, as when the platform is restarted.
type world struct {
	t      *testing.T
	dir    string
	engine engine.Engine
	decide func(run.Question) run.Decision

	mu     sync.Mutex
	driver *opentofu.Driver
	runs   *run.Runs
	stacks *stack.Stacks
	close  func()
}

func newWorld(t *testing.T, e engine.Engine) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), engine: e, close: func() {}}
	t.Cleanup(func() {
		w.shut()
		box := w.sandbox()
		started, err := os.ReadDir(filepath.Join(w.dir, "runs", "started"))
		require.NoError(t, err)
		for _, one := range started {
			name, _, _ := strings.Cut(one.Name(), ".")
			require.NoError(t, box.Cut(context.Background(), name, 0))
		}
	})
	w.open()
	return w
}

func (w *world) sandbox() *sandbox.Sandbox {
	w.t.Helper()
	keeper, err := process.Open(filepath.Join(w.dir, "processes"), process.Options{})
	require.NoError(w.t, err)
	box, err := sandbox.Open(sandbox.Config{Dir: filepath.Join(w.dir, "runs"), Keeper: keeper, Executable: []string{program.Path(w.t)}})
	require.NoError(w.t, err)
	return box
}

func (w *world) modules(vault *secret.Vault) *module.Modules {
	w.t.Helper()
	m, err := module.Open(module.Config{Dir: filepath.Join(w.dir, "modules"), Sealer: vault, Clock: time.Now})
	require.NoError(w.t, err)
	return m
}

// put keeps a module of one file, and gives its digest.
func (w *world) put(text string) string {
	w.t.Helper()
	vault, err := secret.OpenVault(filepath.Join(w.dir, "key"), false)
	require.NoError(w.t, err)
	tree, err := archive.Make([]archive.File{{Name: "main.tf", Content: []byte(text)}}, archive.Limits{Bytes: 1 << 20, Files: 10})
	require.NoError(w.t, err)
	var packed strings.Builder
	require.NoError(w.t, tree.WriteTar(&packed))
	m, err := w.modules(vault).Put(w.t.Context(), strings.NewReader(packed.String()))
	require.NoError(w.t, err)
	return m.Digest
}

// open starts the platform.
func (w *world) open() {
	w.t.Helper()
	s, err := sqlite.Open(context.Background(), filepath.Join(w.dir, "p.db"), sqlite.Options{})
	require.NoError(w.t, err)
	vault, err := secret.OpenVault(filepath.Join(w.dir, "key"), false)
	require.NoError(w.t, err)
	log := zerolog.New(zerolog.NewTestWriter(w.t)).Level(zerolog.WarnLevel)
	states := stack.New(stack.Config{Store: s, Vault: vault, Clock: time.Now, Log: log})
	var listener net.Listener
	box := w.sandbox()
	runs := run.New(run.Config{
		Store: s, Dir: filepath.Join(w.dir, "kept"), Vault: vault, Stacks: states, Sandbox: box, Engines: choice{w.engine},
		Modules: w.modules(vault), Backend: func() string { return backend.URL(listener) }, NewToken: rand.Text, Clock: time.Now, Log: log,
		Grace: 3 * time.Second, AskAgain: 20 * time.Millisecond,
		Decide: func(_ context.Context, q run.Question) (run.Decision, error) {
			if w.decide != nil {
				return w.decide(q), nil
			}
			return run.Decision{ID: "dec-1", Result: run.Allow}, nil
		},
	})
	listener, err = backend.Listen(w.dir, log)
	require.NoError(w.t, err)
	b := backend.New(backend.Config{Stacks: states, Granter: runs, Observe: runs.SawState, Clock: time.Now, Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = b.Serve(ctx, listener) })
	working, halt := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = runs.Run(working) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs, w.stacks = runs, states
	w.driver = opentofu.New(opentofu.Config{
		Name: opentofu.OpenTofu, Runs: runs, Stacks: states,
		Folder: func(_ context.Context, st stack.Stack) (string, error) { return box.StackFolder(st.Name), nil },
		Forget: func(_ context.Context, st stack.Stack) error { return box.RemoveStack(st.Name) },
	})
	w.close = sync.OnceFunc(func() {
		halt()
		work.Wait()
		cancel()
		parts.Wait()
		if err := s.Close(); err != nil {
			w.t.Errorf("closing the store: %v", err)
		}
	})
}

func (w *world) shut() {
	w.mu.Lock()
	stop := w.close
	w.mu.Unlock()
	stop()
}

func (w *world) now() *opentofu.Driver {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.driver
}

// choice is a finder that finds one engine.
type choice struct{ engine engine.Engine }

func (c choice) Choose(context.Context, string) (engine.Engine, error) { return c.engine, nil }

// latest is the driver of the platform that runs now, whichever that is.
type latest struct{ *world }

func (l latest) Kinds() []driver.Kind                           { return l.now().Kinds() }
func (l latest) Check(kind string, inputs map[string]any) error { return l.now().Check(kind, inputs) }
func (l latest) Plan(ctx context.Context, r driver.Request) (driver.Plan, error) {
	return l.now().Plan(ctx, r)
}
func (l latest) Apply(ctx context.Context, r driver.Request) (driver.Applied, error) {
	return l.now().Apply(ctx, r)
}
func (l latest) Read(ctx context.Context, ref driver.Ref) (driver.Observed, error) {
	return l.now().Read(ctx, ref)
}
func (l latest) Destroy(ctx context.Context, ref driver.Ref, by driver.Operation) error {
	return l.now().Destroy(ctx, ref, by)
}
func (l latest) Drift(ctx context.Context, r driver.Request) (driver.Difference, error) {
	return l.now().Drift(ctx, r)
}

// processes of the world's runs: "runner" or "engine".
func (w *world) processes(what string) []int {
	w.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(w.t, err)
	var out []int
	for _, dir := range all {
		cwd, err := os.Readlink(filepath.Join(dir, "cwd"))
		line, errLine := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || errLine != nil || !strings.HasPrefix(cwd, w.dir+"/") {
			continue
		}
		argv := strings.Split(string(line), "\x00")
		is := "other"
		switch {
		case len(argv) > 1 && argv[1] == runner.Command:
			is = "runner"
		case argv[0] == w.engine.Path && len(argv) > 1 && argv[1] == "apply":
			is = "engine"
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && is == what {
			out = append(out, pid)
		}
	}
	return out
}

func (w *world) kill(what string) {
	w.t.Helper()
	found := w.processes(what)
	require.NotEmpty(w.t, found, "no %s is at work", what)
	for _, pid := range found {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
