// Package provisioner is the provisioner service: environments, the resources
// in them, the definitions by which these are made, and secrets.
package provisioner

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/provisioner/internal/api"
	"github.com/slipway-idp/slipway/services/provisioner/internal/backend"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/local"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module/git"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// Name is the service's name on the bus, in event sources and in logs.
const Name = "provisioner"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the service's API document.
func OpenAPI() []byte { return openAPI }

// Config is what the service works with.
type Config struct {
	service.Deps
	Options
	// Drivers by name; nil: those that this package knows. See drivers.
	Drivers map[string]driver.Driver
	// Warning is how long before its end an environment is said to expire;
	// default 1 h, and at most a quarter of its time to live.
	Warning time.Duration
	// UndoDeadline is after how long a failing undo parks its saga; default 5 min.
	UndoDeadline time.Duration
}

// Service is the provisioner.
type Service struct {
	c            Config
	environments *environment.Environments
	secrets      *secret.Secrets
	engines      *engines
	plan         func(context.Context, []byte) ([]byte, error) // answers dry runs of others
	api          http.Handler
}

// drivers is where a driver is registered: a line each.
func drivers(d service.Deps) (map[string]driver.Driver, error) {
	l, err := local.Open(localConfig(d.DataDir, d.Executable, d.Clock))
	if err != nil {
		return nil, err
	}
	return map[string]driver.Driver{
		"local": l,
	}, nil
}

func localConfig(dataDir string, executable []string, clock func() time.Time) local.Config {
	return local.Config{Dir: filepath.Join(dataDir, "local"), Executable: executable, Clock: clock, Secret: rand.Text}
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	ctx := context.Background()
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	vault, err := openVault(ctx, c)
	if err != nil {
		return nil, err
	}
	modules, err := openModules(c.Deps, vault)
	if err != nil {
		return nil, err
	}
	engines, err := openEngines(c, vault, modules)
	if err != nil {
		return nil, err
	}
	if c.Drivers == nil {
		if c.Drivers, err = drivers(c.Deps); err != nil {
			return nil, err
		}
		maps.Copy(c.Drivers, engines.drivers())
	}
	secrets := secret.New(c.Store, vault, c.Clock)
	environments, err := environment.New(environment.Config{
		Store: c.Store, Drivers: c.Drivers, Secrets: secrets, Clock: c.Clock, Log: c.Log,
		Warning: c.Warning, UndoDeadline: c.UndoDeadline, DriftEvery: c.Runs.DriftEvery,
	})
	if err != nil {
		return nil, err
	}
	a := &api.API{
		Environments: environments, Secrets: secrets, Spec: openAPI,
		NewID:   func() string { return strings.ToLower(rand.Text()[:20]) },
		Drivers: lookup(c.Drivers), Modules: modules, Runs: engines.runs, Stacks: engines.stacks, Engines: engines.finder,
	}
	s := &Service{c: c, environments: environments, secrets: secrets, engines: engines, plan: a.PlanRPC, api: httpapi.Recover(a.Handler(c.Identity))}
	engines.over = s.over
	return s, nil
}

// openModules opens where the modules of definitions are kept.
func openModules(d service.Deps, vault *secret.Vault) (*module.Modules, error) {
	dir := filepath.Join(d.DataDir, "modules")
	fetching := filepath.Join(dir, "fetching")
	// What a killed platform was fetching is of no use.
	if err := errors.Join(os.RemoveAll(fetching), os.MkdirAll(fetching, 0o700)); err != nil {
		return nil, fmt.Errorf("the folder of modules: %w", err)
	}
	return module.Open(module.Config{
		Dir: dir, Sealer: vault, Clock: d.Clock,
		Repositories: &git.Client{Dir: fetching, HTTP: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		}}},
	})
}

// lookup is what a check of definitions must know of the drivers.
func lookup(all map[string]driver.Driver) definition.Drivers {
	return func(name string) (definition.Driver, []string, bool) {
		known := slices.Sorted(maps.Keys(all))
		d, ok := all[name]
		if !ok {
			return definition.Driver{}, known, false
		}
		kinds := d.Kinds()
		return definition.Driver{
			Check:   d.Check,
			Modules: slices.ContainsFunc(kinds, func(k driver.Kind) bool { return k.Name == driver.AnyKind }),
		}, known, true
	}
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	// Before anything runs: engines that outlived the platform look for it there.
	states, err := backend.Listen(s.c.DataDir, s.c.Log)
	if err != nil {
		return err
	}
	s.engines.url = backend.URL(states)
	var g service.Group
	g.Add("relay", func(ctx context.Context) error { return s.c.Bus.Relay(ctx, s.c.Store.Outbox()) })
	g.Add("secrets", func(ctx context.Context) error {
		return s.c.Bus.Serve(ctx, secret.Subject, Name, s.secrets.Serve)
	})
	g.Add("dry runs", func(ctx context.Context) error {
		return s.c.Bus.Serve(ctx, pe.PlanSubject, Name, s.plan)
	})
	g.Add("states", func(ctx context.Context) error { return s.engines.backend.Serve(ctx, states) })
	g.Add("stacks", s.engines.stacks.Sweep)
	g.Add("runs", s.engines.runs.Run)
	g.Add("sagas", s.environments.Sagas().Run)
	g.Add("expiry", s.environments.Sweep)
	g.Add("resources", s.environments.KeepUp)
	g.Add("drift", s.environments.KeepDrift)
	g.Add("consumers", func(ctx context.Context) error { return s.c.Bus.Run(ctx, Name, s.Consumers()) })
	g.Add("http", service.Serve(s.c.Deps, s.api, nil))
	defer s.engines.tidy()
	return g.Run(ctx)
}

// Hidden are the commands by which the service's own processes are started.
func Hidden() []service.Hidden {
	return []service.Hidden{
		{Name: local.Command, Run: func(ctx context.Context, args []string) error {
			return local.Serve(ctx, args, os.Stdin)
		}},
		{Name: runner.Command, Run: func(ctx context.Context, args []string) error {
			return runner.Serve(ctx, args, os.Stdin, os.Stdout)
		}},
	}
}

// StopProcesses stops every local resource, and every run, of a data folder
// whose service does not run, and keeps their data: the next start brings the
// resources back, and looks what became of the runs.
func StopProcesses(ctx context.Context, dataDir string) error {
	if err := stopRuns(ctx, dataDir); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dataDir, "local")); os.IsNotExist(err) {
		return nil
	}
	d, err := local.Open(localConfig(dataDir, nil, time.Now))
	if err != nil {
		return err
	}
	return d.Stop(ctx)
}

// RemoveLocalData stops every local resource and every run of a data folder and
// removes them with their data, for good.
func RemoveLocalData(ctx context.Context, dataDir string) error {
	if err := StopProcesses(ctx, dataDir); err != nil {
		return err
	}
	return errors.Join(removeRuns(dataDir), os.RemoveAll(filepath.Join(dataDir, "local")))
}
