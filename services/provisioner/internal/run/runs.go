package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

const service = "provisioner"

// Sandbox is where phases run: package sandbox.
type Sandbox interface {
	Prepare(ctx context.Context, run string, uid int, fill func(dir string) error) error
	Start(ctx context.Context, run string, uid int, job runner.Job) error
	Wait(ctx context.Context, run string) error
	Alive(run string) (bool, error)
	Cut(ctx context.Context, run string, grace time.Duration) error
	Result(run string) (runner.Result, bool, error)
	Plan(run string) (bin, planJSON []byte, err error)
	Log(run string) string
	Apply(run string) ([]runner.Event, error)
	ErroredState(run string) ([]byte, bool, error)
	Remove(run string) error
}

// Engines chooses one: package engine.
type Engines interface {
	Choose(ctx context.Context, wish string) (engine.Engine, error)
}

// Modules unpacks one: package module.
type Modules interface {
	Unpack(ctx context.Context, digest, dir string) error
}

// Config is what runs work with.
type Config struct {
	Store   store.Store
	Dir     string // folder of their own: logs, and what is sealed
	Vault   *secret.Vault
	Stacks  *stack.Stacks
	Sandbox Sandbox
	Engines Engines
	Modules Modules
	// Decide asks policy. An error is no answer.
	Decide func(ctx context.Context, q Question) (Decision, error)
	// Backend is where the runners reach their state: "http://127.0.0.1:8461".
	Backend func() string
	// CLIConfig is the text of the engines' configuration file; "" is none.
	CLIConfig string
	Limits    runner.Limits
	// NewToken makes what a runner proves itself with; at least 128 bits.
	NewToken func() string
	Clock    func() time.Time
	Log      zerolog.Logger

	Timeout  time.Duration // of one phase where the definition says none; default 10 min
	Grace    time.Duration // from interrupting an engine to killing it; default 30 s
	AskAgain time.Duration // before policy is asked again; default 2 s
	// Over, where set, is called after a run is over and put away.
	Over func(ctx context.Context, r Run)
}

// Runs are the runs of all stacks.
type Runs struct {
	c    Config
	repo *aggregate.Repository[Run]
	keep keep
	bell bell

	mu     sync.Mutex
	ctx    context.Context // of Run; workers live in it
	queued []string        // asked for before Run
	busy   map[string]bool // runs that a worker is at
	again  map[string]bool // those that were woken while it was
	masks  map[string]*hiding
	work   sync.WaitGroup
}

// New wires the capability. Nothing is carried out before Run.
func New(c Config) *Runs {
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Minute
	}
	if c.Grace <= 0 {
		c.Grace = 30 * time.Second
	}
	if c.AskAgain <= 0 {
		c.AskAgain = 2 * time.Second
	}
	return &Runs{
		c: c, keep: keep{dir: c.Dir, vault: c.Vault}, busy: map[string]bool{}, again: map[string]bool{}, masks: map[string]*hiding{},
		repo: aggregate.New(c.Store, aggregate.Options[Run]{
			Service: service, Kind: "run", Clock: c.Clock, Log: c.Log,
			Indexes: func(r *Run) store.Indexes {
				ix := store.Indexes{
					"project": {r.Project}, "stack": {r.Stack}, "status": {string(r.Status)},
					"environment": {r.Project + "/" + r.Environment}, "key": {r.Stack + "\n" + r.Key},
				}
				if !r.Closed {
					ix["open"] = []string{"true"}
				}
				return ix
			},
		}),
	}
}

// Ask asks for a run. The same key and number again give the run that there is.
func (r *Runs) Ask(ctx context.Context, w Wish) (Run, error) {
	id := derive("run-", w.Stack.Name, w.By.Key, strconv.Itoa(w.Number))
	if v, err := r.repo.Get(ctx, id); err == nil {
		r.wake(id)
		return v.State, nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return Run{}, err
	}
	secrets, err := json.Marshal(sealed{Inputs: w.Inputs, Env: w.Module.Env, Hidden: w.Hidden})
	if err != nil {
		return Run{}, fmt.Errorf("the inputs of run %s: %w", id, err)
	}
	if err := r.keep.write(id, fileWish, secrets); err != nil {
		return Run{}, err
	}
	timeout := w.Module.Timeout
	if timeout <= 0 {
		timeout = r.c.Timeout
	}
	cause := w.By.Cause
	cause.Consumer = ""
	v, err := r.repo.Update(ctx, id, cause, func(run *Run, exists bool) (aggregate.Decision, error) {
		if exists {
			return aggregate.Decision{Skip: true}, nil
		}
		*run = Run{
			ID: id, Stack: w.Stack.Name, Project: w.Stack.Project, Environment: w.Stack.Environment, EnvironmentType: w.By.Type,
			Resource: w.Stack.Resource, Definition: w.Module.Definition, Operation: w.Operation, Status: Queued,
			Key: w.By.Key, Number: w.Number, Saga: w.By.Saga, Step: w.By.Step, Why: w.Why, Cause: cause,
			Wished: w.Module.Engine, ModuleDigest: w.Module.Digest, Declared: w.Module.Outputs, Timeout: timeout,
			CreatedAt: r.now(),
		}
		return aggregate.Decision{}, nil
	})
	if err != nil {
		return Run{}, err
	}
	r.wake(id)
	return v.State, nil
}

// Get is one run; store.ErrNotFound.
func (r *Runs) Get(ctx context.Context, id string) (Run, error) {
	v, err := r.repo.Get(ctx, id)
	return v.State, err
}

// List is a page of runs, the newest first.
func (r *Runs) List(ctx context.Context, f Filter) ([]Run, string, error) {
	var where []store.Term
	for index, value := range map[string]string{"project": f.Project, "stack": f.Stack, "status": string(f.Status)} {
		if value != "" {
			where = append(where, store.Term{Index: index, Value: value})
		}
	}
	if f.Environment != "" {
		where = append(where, store.Term{Index: "environment", Value: f.Project + "/" + f.Environment})
	}
	return r.list(ctx, where, f.Limit, f.Cursor)
}

func (r *Runs) list(ctx context.Context, where []store.Term, limit int, cursor string) ([]Run, string, error) {
	page, next, err := r.repo.List(ctx, aggregate.Filter{Where: where, Limit: limit, Cursor: cursor, Order: store.OrderCreatedDesc})
	var out []Run
	for _, v := range page {
		out = append(out, v.State)
	}
	return out, next, err
}

// Asked are the runs that a key asked for on a stack, in their order.
func (r *Runs) Asked(ctx context.Context, stack, key string) ([]Run, error) {
	var all []Run
	for cursor := ""; ; {
		page, next, err := r.list(ctx, []store.Term{{Index: "key", Value: stack + "\n" + key}}, store.MaxLimit, cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if cursor = next; next == "" {
			break
		}
	}
	slices.SortFunc(all, func(a, b Run) int { return a.Number - b.Number })
	return all, nil
}

// Open are the runs of a stack that are not put away yet.
func (r *Runs) Open(ctx context.Context, stack string) ([]Run, error) {
	page, _, err := r.list(ctx, []store.Term{{Index: "stack", Value: stack}, {Index: "open", Value: "true"}}, store.MaxLimit, "")
	return page, err
}

// Newest is the newest run of a stack that is over and whose turn had come;
// false where there is none.
func (r *Runs) Newest(ctx context.Context, stack string) (Run, bool, error) {
	for cursor := ""; ; {
		page, next, err := r.list(ctx, []store.Term{{Index: "stack", Value: stack}}, 20, cursor)
		if err != nil {
			return Run{}, false, err
		}
		for _, run := range page {
			if run.Closed && run.Applies() && !run.PlanningAt.IsZero() {
				return run, true, nil
			}
		}
		if cursor = next; next == "" {
			return Run{}, false, nil
		}
	}
}

// Told notes that whoever asked for a run was told of its failure: if it asks
// again, it wants another attempt.
func (r *Runs) Told(ctx context.Context, id string) error {
	_, err := r.update(ctx, id, func(run *Run) ([]events.Draft, error) {
		if run.Answered {
			return nil, errUnchanged
		}
		run.Answered = true
		return nil, nil
	})
	return err
}

var errUnchanged = errors.New("nothing to commit")

// update changes a run in one commit. fn may be called more than once.
func (r *Runs) update(ctx context.Context, id string, fn func(*Run) ([]events.Draft, error)) (Run, error) {
	return r.updateBy(ctx, id, events.Cause{}, fn)
}

func (r *Runs) updateBy(ctx context.Context, id string, cause events.Cause, fn func(*Run) ([]events.Draft, error)) (Run, error) {
	cause.Consumer = ""
	v, err := r.repo.Update(ctx, id, cause, func(run *Run, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, fmt.Errorf("run %q: %w", id, store.ErrNotFound)
		}
		drafts, err := fn(run)
		if errors.Is(err, errUnchanged) {
			return aggregate.Decision{Skip: true}, nil
		}
		if err != nil {
			return aggregate.Decision{}, err
		}
		// Whatever a run publishes belongs to the story that began it.
		for i := range drafts {
			if drafts[i].CorrelationID == "" {
				drafts[i].CorrelationID = run.Cause.CorrelationID
			}
			if drafts[i].Actor == "" {
				drafts[i].Actor = run.Cause.Actor
			}
		}
		return aggregate.Decision{Events: drafts}, nil
	})
	if err == nil {
		r.bell.ring(id)
	}
	return v.State, err
}

// note says what a run waits for; the same words again commit nothing.
func (r *Runs) note(ctx context.Context, id, waits string) error {
	_, err := r.update(ctx, id, func(run *Run) ([]events.Draft, error) {
		if run.Waits == waits || run.Status.Over() {
			return nil, errUnchanged
		}
		run.Waits = waits
		return nil, nil
	})
	return err
}

func (r *Runs) now() time.Time { return r.c.Clock().UTC() }

// derive makes an id from what it is for, the same every time.
func derive(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return prefix + hex.EncodeToString(sum[:10])
}
