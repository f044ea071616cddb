package provisioner

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/provisioner/internal/backend"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/opentofu"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
	"github.com/slipway-idp/slipway/services/provisioner/internal/run"
	"github.com/slipway-idp/slipway/services/provisioner/internal/sandbox"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// RunOptions are what an operator may set of how modules are carried out.
type RunOptions struct {
	// Dir is where runs have their work folders; "": in the service's data
	// folder, or, as root, a folder that other users may pass.
	Dir string
	// FirstUID and UIDs are the user ids that stacks get where the platform runs
	// as root; UIDs 0 is the usual range, negative: none, all runs as root.
	FirstUID, UIDs int
	// EngineConfig is a configuration file for the engines: mirrors of
	// providers, development overrides. Its text is given to every run.
	EngineConfig string
	// DriftEvery is how often each stack is looked at for drift; 0 is every
	// 6 h, negative: only when asked.
	DriftEvery time.Duration
	// Timeout of one phase where the definition says none; 0 is 10 min.
	Timeout time.Duration
	// Grace is what an engine that is interrupted gets; 0 is 30 s.
	Grace time.Duration
	// Path is where engines are looked for; "" is PATH.
	Path string
}

// runSettings are the settings of RunOptions.
func runSettings() []service.Setting {
	return []service.Setting{
		{Name: "runs-dir", Usage: "folder of the runs of infrastructure modules; when empty: in the data folder, or, as root, below /var/tmp"},
		{Name: "runner-uids", Default: "700000-765535", Usage: "user ids of stacks where the platform runs as root: FIRST-LAST, or off", Check: checkUIDs},
		{Name: "engine-config", Usage: "configuration file (CLI config) that OpenTofu and Terraform are given"},
		{Name: "drift-every", Default: "6h", Usage: "how often each stack is looked at for drift, or off", Check: checkSpan},
		{Name: "run-timeout", Default: "10m", Usage: "how long planning, or applying, may take where a definition does not say it", Check: checkSpan},
	}
}

const off = "off"

func checkUIDs(v string) error {
	_, _, err := parseUIDs(v)
	return err
}

func parseUIDs(v string) (first, n int, err error) {
	if v == off {
		return 0, -1, nil
	}
	a, b, _ := strings.Cut(v, "-")
	first, errFirst := strconv.Atoi(a)
	last, errLast := strconv.Atoi(b)
	if errFirst != nil || errLast != nil || first < 1000 || last < first {
		return 0, 0, fmt.Errorf("%q is no range of user ids: write FIRST-LAST, from 1000 on, or off", v)
	}
	return first, last - first + 1, nil
}

func checkSpan(v string) error {
	if v == off {
		return nil
	}
	_, err := document.ParseDuration(v)
	return err
}

func span(v string) time.Duration {
	d, err := document.ParseDuration(v)
	if v == off || err != nil {
		return -1
	}
	return d.Std()
}

func runOptionsOf(s service.Settings) RunOptions {
	first, n, err := parseUIDs(s.Get("runner-uids"))
	if err != nil {
		n = 0 // it was checked when it was read
	}
	return RunOptions{
		Dir: s.Get("runs-dir"), FirstUID: first, UIDs: n, EngineConfig: s.Get("engine-config"),
		DriftEvery: span(s.Get("drift-every")), Timeout: span(s.Get("run-timeout")),
	}
}

// runsPath names the folder of the runs, for whoever stops what a platform
// left behind and is not told its settings.
const runsPath = "runs.path"

// runsDir is where runs have their folders. As root it is where other users may
// pass, which a data folder is not.
func (o RunOptions) runsDir(dataDir string, asRoot bool) (string, error) {
	if o.Dir != "" {
		return filepath.Abs(o.Dir)
	}
	abs, err := filepath.Abs(dataDir)
	if err != nil || !asRoot {
		return filepath.Join(abs, "runs"), err
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join("/var/tmp", "slipway-"+hex.EncodeToString(sum[:8])), nil
}

// engines is everything that carries modules out.
type engines struct {
	stacks  *stack.Stacks
	runs    *run.Runs
	sandbox *sandbox.Sandbox
	finder  *engine.Finder
	backend *backend.Backend
	dir     string // of the runs
	url     string // of the backend, once it listens
	over    func(context.Context, run.Run)
}

func openEngines(c Config, vault *secret.Vault, modules *module.Modules) (*engines, error) {
	o := c.Runs
	asRoot := os.Geteuid() == 0 && o.UIDs >= 0
	dir, err := o.runsDir(c.DataDir, asRoot)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.DataDir, runsPath), []byte(dir+"\n"), 0o600); err != nil {
		return nil, err
	}
	config := ""
	if o.EngineConfig != "" {
		b, err := os.ReadFile(o.EngineConfig)
		if err != nil {
			return nil, fmt.Errorf("the engines' configuration file (engine-config): %w", err)
		}
		config = string(b)
	}
	box, err := openSandbox(c.DataDir, dir, asRoot, c.Executable, c.Clock)
	if err != nil {
		return nil, err
	}
	e := &engines{sandbox: box, dir: dir, finder: &engine.Finder{Path: o.Path}}
	if o.Path == "" {
		e.finder.Path = os.Getenv("PATH") //nolint:forbidigo // where programs are found is the machine's to say
	}
	if len(c.Executable) > 0 {
		e.finder.Beside = filepath.Dir(c.Executable[0])
	}
	first, n := o.FirstUID, o.UIDs
	switch {
	case !asRoot:
		first, n = 0, 0
	case n == 0:
		first, n = stack.DefaultFirstUID, stack.DefaultUIDs
	}
	e.stacks = stack.New(stack.Config{Store: c.Store, Vault: vault, Clock: c.Clock, Log: c.Log, FirstUID: first, UIDs: n, Salt: c.DataDir})
	e.runs = run.New(run.Config{
		Store: c.Store, Dir: filepath.Join(c.DataDir, "runs.kept"), Vault: vault, Stacks: e.stacks, Sandbox: box, Engines: e.finder,
		Modules: modules, Decide: decider(c), Backend: func() string { return e.url }, CLIConfig: config, NewToken: rand.Text,
		Clock: c.Clock, Log: c.Log, Timeout: max(o.Timeout, 0), Grace: o.Grace,
		Over: func(ctx context.Context, r run.Run) { e.over(ctx, r) },
	})
	e.backend = backend.New(backend.Config{Stacks: e.stacks, Granter: e.runs, Observe: e.runs.SawState, Clock: c.Clock, Log: c.Log})
	return e, nil
}

func openSandbox(dataDir, dir string, asRoot bool, executable []string, clock func() time.Time) (*sandbox.Sandbox, error) {
	keeper, err := process.Open(filepath.Join(dataDir, "runs.processes"), process.Options{Clock: clock})
	if err != nil {
		return nil, fmt.Errorf("the runners: %w", err)
	}
	return sandbox.Open(sandbox.Config{Dir: dir, Keeper: keeper, Executable: executable, Root: asRoot, Clock: clock, Owner: dataDir})
}

// drivers are those that carry modules out.
func (e *engines) drivers() map[string]driver.Driver {
	out := map[string]driver.Driver{}
	for _, name := range []string{opentofu.OpenTofu, opentofu.Terraform} {
		out[name] = opentofu.New(opentofu.Config{
			Name: name, Runs: e.runs, Stacks: e.stacks,
			Folder: func(_ context.Context, st stack.Stack) (string, error) { return e.sandbox.StackFolder(st.Name), nil },
			Forget: func(_ context.Context, st stack.Stack) error { return e.sandbox.RemoveStack(st.Name) },
		})
	}
	return out
}

// askTimeout is how long policy may think before it counts as not there.
const askTimeout = 4 * time.Second

// decider asks the policy service about a plan.
func decider(c Config) func(context.Context, run.Question) (run.Decision, error) {
	return func(ctx context.Context, q run.Question) (run.Decision, error) {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		var answer struct {
			Decision string       `json:"decision"` // its id
			Result   string       `json:"result"`
			Reasons  []run.Reason `json:"reasons"`
		}
		err := c.Bus.Request(ctx, "rpc.policy.decide", map[string]any{
			"id": q.ID, "kind": "plan", "project": q.Project, "subject": q.Subject, "input": q.Input,
			"correlationId": q.Cause.CorrelationID, "causationId": q.Cause.ID, "actor": q.Cause.Actor,
		}, &answer)
		return run.Decision{ID: answer.Decision, Result: answer.Result, Reasons: answer.Reasons}, err
	}
}

// over tells the saga that waits for a run, and who looks for drift.
func (s *Service) over(ctx context.Context, r run.Run) {
	s.environments.PokeDrift()
	if r.Saga == "" {
		return
	}
	if err := s.environments.Sagas().Nudge(ctx, r.Saga); err != nil && !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
		// It asks by itself, a little later.
		s.c.Log.Warn().Err(err).Str("saga", r.Saga).Str("run", r.ID).Msg("a saga was not told that its run is over")
	}
}

// tidy takes the folder of the runs away where nothing is in it: most platforms
// never carry a module out.
func (e *engines) tidy() {
	for _, name := range []string{"work", "stacks", "logs", "started", "bin", ""} {
		_ = os.Remove(filepath.Join(e.dir, name)) // what holds something stays
	}
}

// runsOf is the folder of a data folder's runs; "" where there never was one.
func runsOf(dataDir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, runsPath))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// downGrace is what an engine gets that is at work when all is stopped.
const downGrace = 10 * time.Second

// stopRuns interrupts what runs of a data folder whose service does not run.
// What they had done by then is found out at the next start.
func stopRuns(ctx context.Context, dataDir string) error {
	dir, err := runsOf(dataDir)
	if err != nil || dir == "" {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	box, err := openSandbox(dataDir, dir, os.Geteuid() == 0, []string{self}, time.Now)
	if err != nil {
		return err
	}
	started, err := os.ReadDir(filepath.Join(dir, "started"))
	if err != nil {
		return err
	}
	var errs []error
	for _, one := range started {
		name, _, _ := strings.Cut(one.Name(), ".")
		errs = append(errs, box.Cut(ctx, name, downGrace))
	}
	return errors.Join(errs...)
}

// removeRuns removes the folder of the runs, wherever it is.
func removeRuns(dataDir string) error {
	dir, err := runsOf(dataDir)
	if err != nil || dir == "" {
		return err
	}
	return errors.Join(os.RemoveAll(dir), os.RemoveAll(filepath.Join(dataDir, "runs.processes")))
}
