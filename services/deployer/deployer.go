// Package deployer is the deployer service: artifacts, workloads, deployment
// sets, deployments, pipelines, and the traffic in front of what runs.
package deployer

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/deployer/internal/api"
	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
	processtarget "github.com/slipway-idp/slipway/services/deployer/internal/driver/process"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/ingress"
	"github.com/slipway-idp/slipway/services/deployer/internal/pipeline"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/traffic"
	"github.com/slipway-idp/slipway/services/deployer/internal/workload"
)

// Name is the service's name on the bus, in event sources and in logs.
const Name = "deployer"

// DefaultIngressAddr is where traffic to workloads is taken.
const DefaultIngressAddr = "127.0.0.1:8088"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the service's API document.
func OpenAPI() []byte { return openAPI }

// Config is what the service works with.
type Config struct {
	service.Deps
	// IngressAddr is where traffic to workloads is taken; DefaultIngressAddr
	// where it is empty. An ingress that runs already is used where it is.
	IngressAddr string
	// IngressAddrGiven: a person named the address, so another one will not
	// do. Otherwise a free port is taken where it is in use.
	IngressAddrGiven bool
	// Keep is what garbage collection leaves of artifacts that nothing uses;
	// zero is generous.
	Keep artifact.Keep
	// Target and Ingress stand in for the real ones in tests.
	Target  target.Target
	Ingress traffic.Ingress
	// Ask is how soon a policy that did not answer is asked again; 2 s where it is 0.
	Ask time.Duration
}

// Service is the deployer.
type Service struct {
	c           Config
	launcher    ingress.Launcher
	artifacts   *artifact.Store
	deployments *deployment.Deployments
	runner      *runner.Runner
	runs        *pipeline.Runs
	traffic     *traffic.Router
	api         http.Handler
}

// checksFiles is what a target may have to say about an artifact's files.
type checksFiles interface {
	CheckFiles(w workloadScore, executables map[string]bool) []scoreFault
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	if c.IngressAddr == "" {
		c.IngressAddr = DefaultIngressAddr
	}
	if c.Keep == (artifact.Keep{}) {
		c.Keep = artifact.DefaultKeep()
	}
	limits := archive.DefaultLimits()
	blobs, err := artifact.OpenBlobs(filepath.Join(c.DataDir, "artifacts"), limits)
	if err != nil {
		return nil, err
	}
	keeper, err := openKeeper(c.DataDir, c.Clock)
	if err != nil {
		return nil, err
	}
	if c.Target == nil {
		c.Target, err = processtarget.New(processtarget.Config{
			Keeper: keeper, Executable: c.Executable, Dir: instancesDir(c.DataDir), Open: blobs.Open, Limits: limits, Env: inherited(),
		})
		if err != nil {
			return nil, err
		}
	}
	s := &Service{c: c, launcher: launcherOf(c, keeper)}
	return s, s.wire(blobs)
}

func (s *Service) wire(blobs *artifact.Blobs) error {
	c := s.c
	checkFiles := func(workloadScore, map[string]bool) []scoreFault { return nil }
	if t, ok := c.Target.(checksFiles); ok {
		checkFiles = t.CheckFiles
	}
	s.artifacts = artifact.NewStore(c.Store, Name, blobs, c.Clock, checkFiles)
	environments := environment.NewRepository(c.Store, Name, c.Clock)
	s.traffic = traffic.NewRouter(environments)
	if c.Ingress != nil {
		s.traffic.Use(c.Ingress, c.IngressAddr)
	}
	sets := deployment.NewSets(c.Store, Name, c.Clock)
	s.deployments = deployment.New(deployment.Parts{
		Environments: environments, Sets: sets, Artifacts: s.artifacts, Target: c.Target, Traffic: s.traffic,
		Decide: s.askPolicy, PlanResources: s.planResources, Secrets: s.resolveSecrets, Clock: c.Clock, Log: c.Log, Ask: c.Ask,
	})
	var err error
	s.runner, err = runner.New(runner.Config{
		Store: c.Store, Service: Name, Clock: c.Clock, Log: c.Log, Definitions: []saga.Definition{s.deployments.Definition()},
	})
	if err != nil {
		return err
	}
	s.deployments.Attach(s.runner)
	pipelines := pipeline.NewPipelines(c.Store, Name, c.Clock)
	s.runs = pipeline.NewRuns(c.Store, Name, pipelines, s.artifacts, c.Clock, c.Log)
	a := &api.API{
		Deployments: s.deployments, Runner: s.runner, Artifacts: s.artifacts, Environments: environments, Sets: sets,
		Workloads: workload.New(c.Store, Name, c.Clock), Pipelines: pipelines, Runs: s.runs,
		Target: c.Target, Traffic: s.traffic, NewID: newID, Spec: openAPI,
	}
	s.api = httpapi.Chain(a.Handler(c.Identity), httpapi.Correlation(newID), httpapi.AccessLog(c.Log, c.Clock), httpapi.Recover)
	return nil
}

// Run serves until ctx ends. Workloads and the ingress go on without it.
func (s *Service) Run(ctx context.Context) error {
	if s.c.Ingress == nil {
		if err := s.ensureIngress(ctx); err != nil {
			return err
		}
	}
	var g service.Group
	g.Add("relay", func(ctx context.Context) error { return s.c.Bus.Relay(ctx, s.c.Store.Outbox()) })
	g.Add("deployments", s.runner.Run)
	g.Add("pipeline runs", s.runs.Sweep)
	if s.c.Ingress == nil {
		g.Add("ingress", s.watchIngress)
	}
	g.Add("instances", func(ctx context.Context) error { return s.deployments.Watch(ctx, reconcileEvery) })
	g.Add("artifact collection", s.collect)
	g.Add("consumers", func(ctx context.Context) error { return s.c.Bus.Run(ctx, Name, consumers(s)) })
	g.Add("http", service.Serve(s.c.Deps, s.api, nil))
	return g.Run(ctx)
}

// reconcileEvery is how long something that ended without its supervisor may
// go unnoticed.
const reconcileEvery = 3 * time.Second

// IngressURL is where traffic is taken, once Run has begun.
func (s *Service) IngressURL() string {
	if addr := s.traffic.Addr(); addr != "" {
		return "http://" + addr
	}
	return ""
}

// collectEvery is how often old artifacts are looked through.
const collectEvery = time.Hour

func (s *Service) collect(ctx context.Context) error {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		removed, err := s.artifacts.Collect(ctx, s.c.Keep, s.deployments.InUse)
		if err != nil && !errors.Is(err, context.Canceled) {
			s.c.Log.Error().Err(err).Msg("old artifacts could not be collected; it is tried again")
		}
		if len(removed) > 0 {
			s.c.Log.Info().Strs("artifacts", removed).Msg("old artifacts were removed; nothing used them")
		}
	}
}

func newID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}

func openKeeper(dataDir string, clock func() time.Time) (*process.Keeper, error) {
	return process.Open(filepath.Join(dataDir, "processes"), process.Options{Clock: clock})
}

func instancesDir(dataDir string) string { return filepath.Join(dataDir, "instances") }
