package environment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

const service = "provisioner"

// Config is what environments work with.
type Config struct {
	Store   store.Store
	Drivers map[string]driver.Driver
	Secrets *secret.Secrets
	Clock   func() time.Time
	Log     zerolog.Logger
	// Warning is how long before its end an environment is said to expire; at
	// most a quarter of its time to live. Default 1 h.
	Warning time.Duration
	// StepTimeout bounds one call of a driver; default 1 min.
	StepTimeout time.Duration
	// UndoDeadline is after how long a failing undo parks its saga; default 5 min.
	UndoDeadline time.Duration
	// Attempts is how often a driver that failed is asked again before the
	// saga turns back; default 3.
	Attempts int
	// DriftEvery is how often a resource is looked at for differences, where
	// its driver can; default 6 h, negative: only when asked.
	DriftEvery time.Duration
}

// Environments is the capability: every use case is a method of it.
type Environments struct {
	cfg         Config
	repo        *aggregate.Repository[Environment]
	types       *aggregate.Repository[Type]
	definitions *aggregate.Repository[definition.Definition]
	sagas       *runner.Runner
	poke        chan struct{} // KeepDrift, to look now
}

// New wires the capability and its sagas.
func New(cfg Config) (*Environments, error) {
	if cfg.Warning <= 0 {
		cfg.Warning = time.Hour
	}
	if cfg.StepTimeout <= 0 {
		cfg.StepTimeout = time.Minute
	}
	if cfg.UndoDeadline <= 0 {
		cfg.UndoDeadline = 5 * time.Minute
	}
	if cfg.Attempts <= 0 {
		cfg.Attempts = 3
	}
	if cfg.DriftEvery == 0 {
		cfg.DriftEvery = DriftEvery
	}
	e := &Environments{cfg: cfg, poke: make(chan struct{}, 1)}
	e.repo = aggregate.New(cfg.Store, aggregate.Options[Environment]{
		Service: service, Kind: "environment", Clock: cfg.Clock, Log: cfg.Log,
		Indexes: func(s *Environment) store.Indexes {
			ix := store.Indexes{"project": {s.Project}}
			if s.Status.There() {
				ix["there"] = []string{"true"}
			}
			return ix
		},
	})
	e.types = aggregate.New(cfg.Store, aggregate.Options[Type]{Service: service, Kind: "environment-type", Clock: cfg.Clock})
	e.definitions = aggregate.New(cfg.Store, aggregate.Options[definition.Definition]{
		Service: service, Kind: "resource-definition", Clock: cfg.Clock,
		Indexes: func(d *definition.Definition) store.Indexes { return store.Indexes{"project": {scope(d.Project)}} },
	})
	var err error
	e.sagas, err = runner.New(runner.Config{
		Store: cfg.Store, Service: service, Clock: cfg.Clock, Log: cfg.Log, Definitions: e.sagaDefinitions(),
	})
	return e, err
}

// Sagas runs the sagas; the API shows them.
func (e *Environments) Sagas() *runner.Runner { return e.sagas }

// errUnchanged: nothing is committed.
var errUnchanged = errors.New("nothing to commit")

// update changes an environment in one commit. fn may be called more than once.
func (e *Environments) update(ctx context.Context, project, name string, cause events.Cause,
	fn func(env *Environment) ([]events.Draft, error),
) (aggregate.Versioned[Environment], error) {
	return e.repo.Update(ctx, ID(project, name), cause, func(env *Environment, _ bool) (aggregate.Decision, error) {
		env.Project, env.Name = project, name
		if env.Claims == nil {
			env.Claims = map[string]*Claim{}
		}
		if env.Resources == nil {
			env.Resources = map[string]*Resource{}
		}
		if env.Released == nil {
			env.Released = map[string]time.Time{}
		}
		drafts, err := fn(env)
		if errors.Is(err, errUnchanged) {
			return aggregate.Decision{Skip: true}, nil
		}
		if err != nil {
			return aggregate.Decision{}, err
		}
		env.forget(e.cfg.Clock())
		return aggregate.Decision{Events: drafts, WakeAt: env.wakeAt(e.cfg.Warning)}, nil
	})
}

// fenceLife is longer than any message lives that could come late.
const fenceLife = 45 * 24 * time.Hour

// forget drops fences that nothing can run into any more.
func (env *Environment) forget(now time.Time) {
	maps.DeleteFunc(env.Released, func(_ string, at time.Time) bool { return now.Sub(at) > fenceLife })
}

// inStep is the cause of what a saga's step commits: of the same story, but no
// message of its own, so it leaves no inbox mark.
func inStep(c events.Cause) events.Cause {
	c.Consumer = ""
	return c
}

// Get is one environment that is there; store.ErrNotFound.
func (e *Environments) Get(ctx context.Context, project, name string) (aggregate.Versioned[Environment], error) {
	v, err := e.repo.Get(ctx, ID(project, name))
	if err == nil && !v.State.Status.There() {
		return v, fmt.Errorf("environment %s: %w", v.ID, store.ErrNotFound)
	}
	return v, err
}

// load is one environment in whatever state; the zero one where there is none.
func (e *Environments) load(ctx context.Context, project, name string) (Environment, error) {
	v, err := e.repo.Get(ctx, ID(project, name))
	if errors.Is(err, store.ErrNotFound) {
		return Environment{Project: project, Name: name}, nil
	}
	return v.State, err
}

// List is a page of a project's environments that are there; of all projects
// where project is empty.
func (e *Environments) List(ctx context.Context, project string, limit int, cursor string) ([]aggregate.Versioned[Environment], string, error) {
	where := []store.Term{{Index: "there", Value: "true"}}
	if project != "" {
		where = append(where, store.Term{Index: "project", Value: project})
	}
	return e.repo.List(ctx, aggregate.Filter{Where: where, Limit: limit, Cursor: cursor})
}

// all is every environment that is there.
func (e *Environments) all(ctx context.Context) ([]aggregate.Versioned[Environment], error) {
	var out []aggregate.Versioned[Environment]
	for cursor := ""; ; {
		page, next, err := e.List(ctx, "", store.MaxLimit, cursor)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if cursor = next; next == "" {
			return out, nil
		}
	}
}

// derive makes an id from what it is for, the same every time.
func derive(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return prefix + hex.EncodeToString(sum[:10])
}

func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte(err.Error()) // params came from JSON: this cannot be
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func same(a, b *Desired) bool {
	if a == nil || b == nil {
		return a == b
	}
	return digest(a) == digest(b)
}

// changed are the names of inputs that differ.
func changed(a, b *Desired) []string {
	var out []string
	seen := map[string]bool{}
	for _, m := range []map[string]any{a.Inputs, b.Inputs} {
		for k := range m {
			if !seen[k] && digest(a.Inputs[k]) != digest(b.Inputs[k]) {
				out = append(out, k)
			}
			seen[k] = true
		}
	}
	if digest(a.Module) != digest(b.Module) {
		out = append(out, "module")
	}
	slices.Sort(out)
	return out
}

// conflict is a problem that says what stands in the way.
func conflict(format string, args ...any) error {
	return httpapi.Conflict(fmt.Sprintf(format, args...))
}
