// Package runner stores sagas and carries out what package saga decides.
//
// Every decision is one commit of the saga's aggregate: the new state, the
// commands and events it sends, and when it wants to be woken. Local
// activities are called after that commit, so the intent is durable before the
// call; their answers are the next commit.
package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/store"
)

// Kind is the store kind under which sagas are kept.
const Kind = "saga"

// Config says what a Runner works with. Store, Service and Definitions are
// needed.
type Config struct {
	Store       store.Store
	Service     string
	Definitions []saga.Definition
	Clock       func() time.Time // default time.Now
	Log         zerolog.Logger
	// Concurrency bounds the local activities at work at once; default 64.
	Concurrency int
}

// Runner runs the sagas of one service. It is meant to be alone on its store:
// at its start it takes over every local call that was in flight.
type Runner struct {
	cfg  Config
	defs map[string]definition
	repo *aggregate.Repository[saga.Saga]

	locks keyedLocks // one decision at a time per saga: fewer conflicts
	calls keyedLocks // one call at a time per step: an overdue one ends first
	slots chan struct{}
	watch watchers

	mu      sync.Mutex
	ctx     context.Context // of Run; activities live in it
	queued  []work          // decided before Run
	ours    map[string]bool // sagas this process has decided on; nil once all are taken over
	cancels map[string]context.CancelFunc
	active  sync.WaitGroup
}

type definition struct {
	saga.Definition
	book saga.Book
}

type work struct {
	saga   saga.Saga
	effect saga.Effect
}

// New checks the definitions and makes a Runner. Nothing runs before Run.
func New(cfg Config) (*Runner, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 64
	}
	r := &Runner{
		cfg:     cfg,
		defs:    map[string]definition{},
		slots:   make(chan struct{}, cfg.Concurrency),
		cancels: map[string]context.CancelFunc{},
		ours:    map[string]bool{},
	}
	var errs []error
	for _, d := range cfg.Definitions {
		errs = append(errs, d.Validate())
		r.defs[d.Name] = definition{Definition: d, book: d.Book()}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("saga definitions of %s: %w", cfg.Service, err)
	}
	r.repo = aggregate.New(cfg.Store, aggregate.Options[saga.Saga]{
		Service: cfg.Service, Kind: Kind, Clock: cfg.Clock, Indexes: indexes,
	})
	return r, nil
}

// indexes of every saga, beside those it was started with.
func indexes(s *saga.Saga) store.Indexes {
	ix := store.Indexes{
		"status":     {string(s.Status)},
		"definition": {s.Definition},
		"project":    {s.Project},
		"subject":    {s.Subject},
	}
	if !s.Status.Over() {
		ix["open"] = []string{"true"}
	}
	for k, v := range s.Indexes {
		ix[k] = []string{v}
	}
	return ix
}

// Start says what to start. ID is derived from what caused it, so that the
// same cause starts one saga.
type Start struct {
	ID         string
	Definition string
	Project    string
	Subject    string
	Input      any
	Plan       saga.Plan
	Cause      events.Cause
	Indexes    map[string]string
	Events     []events.Draft // published with the start
}

// Start begins a saga, or returns the one that has this id already.
func (r *Runner) Start(ctx context.Context, st Start) (saga.Saga, error) {
	def, err := r.definition(st.Definition)
	if err != nil {
		return saga.Saga{}, err
	}
	input, err := json.Marshal(st.Input)
	if err != nil {
		return saga.Saga{}, fmt.Errorf("input of saga %s: %w", st.ID, err)
	}
	return r.decide(ctx, st.ID, st.Cause, func(s *saga.Saga, exists bool) ([]saga.Effect, []events.Draft, error) {
		if exists {
			return nil, nil, errSkip
		}
		fresh := saga.Saga{
			ID: st.ID, Definition: st.Definition, Project: st.Project, Subject: st.Subject,
			Input: input, Indexes: st.Indexes, Cause: st.Cause,
		}
		next, effects, err := saga.New(fresh, st.Plan, def.book, r.cfg.Clock())
		if err != nil {
			return nil, nil, err
		}
		*s = next
		drafts, err := def.drafts(nil, s, effects)
		return effects, append(append([]events.Draft(nil), st.Events...), drafts...), err
	})
}

// Apply gives a saga an input and returns it as it is then. The first time
// this process meets a saga, it takes over the local calls that an earlier one
// left in flight. A nil input does only that.
func (r *Runner) Apply(ctx context.Context, id string, cause events.Cause, in saga.Input) (saga.Saga, error) {
	return r.decide(ctx, id, cause, func(s *saga.Saga, exists bool) ([]saga.Effect, []events.Draft, error) {
		if !exists {
			return nil, nil, fmt.Errorf("saga %s: %w", id, store.ErrNotFound)
		}
		def, err := r.definition(s.Definition)
		if err != nil {
			return nil, nil, err
		}
		before, next := *s, *s
		var effects []saga.Effect
		for _, in := range r.withTakeover(id, in) {
			var fx []saga.Effect
			if next, fx, err = saga.Advance(next, def.book, in, r.cfg.Clock()); err != nil {
				return nil, nil, err
			}
			effects = append(effects, fx...)
		}
		if len(effects) == 0 && unchanged(&before, &next) {
			return nil, nil, errSkip
		}
		*s = next
		drafts, err := def.drafts(&before, s, effects)
		return effects, drafts, err
	})
}

// withTakeover puts saga.Recovered before the first input of this process.
func (r *Runner) withTakeover(id string, in saga.Input) []saga.Input {
	var all []saga.Input
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ours != nil && !r.ours[id] {
		all = append(all, saga.Recovered{})
	}
	if in != nil {
		all = append(all, in)
	}
	return all
}

// unchanged: an input that was late or a duplicate leaves no trace at all.
func unchanged(a, b *saga.Saga) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

var errSkip = errors.New("nothing to commit")

type decideFunc func(s *saga.Saga, exists bool) ([]saga.Effect, []events.Draft, error)

// decide commits one decision and then carries out its effects.
func (r *Runner) decide(ctx context.Context, id string, cause events.Cause, fn decideFunc) (saga.Saga, error) {
	unlock := r.locks.lock(id)
	defer unlock()
	var effects []saga.Effect
	v, err := r.repo.Update(ctx, id, cause, func(s *saga.Saga, exists bool) (aggregate.Decision, error) {
		effects = nil
		var drafts []events.Draft
		var err error
		effects, drafts, err = fn(s, exists)
		if errors.Is(err, errSkip) {
			return aggregate.Decision{Skip: true}, nil
		}
		if err != nil {
			return aggregate.Decision{}, err
		}
		// Whatever a saga publishes belongs to the story that began it.
		for i := range drafts {
			if drafts[i].CorrelationID == "" {
				drafts[i].CorrelationID = s.Cause.CorrelationID
			}
			if drafts[i].Actor == "" {
				drafts[i].Actor = s.Cause.Actor
			}
		}
		return aggregate.Decision{Events: drafts, WakeAt: s.NextWake()}, nil
	})
	if err != nil {
		return saga.Saga{}, err
	}
	r.mu.Lock()
	if r.ours != nil {
		r.ours[id] = true
	}
	r.mu.Unlock()
	for _, e := range effects {
		r.carryOut(v.State, e)
	}
	r.watch.changed(id)
	return v.State, nil
}

// drafts are what a decision sends: commands of remote steps first, then the
// definition's own events.
func (d definition) drafts(before, after *saga.Saga, effects []saga.Effect) ([]events.Draft, error) {
	var out []events.Draft
	for _, e := range effects {
		if e.Do != saga.SendCommand {
			continue
		}
		kind := d.Steps[after.Step(e.Step).Kind]
		make := kind.Command
		if e.Direction == saga.Backward {
			make = kind.UndoCommand
		}
		draft, err := make(callOf(*after, e))
		if err != nil {
			return nil, fmt.Errorf("command of step %s: %w", e.Step, err)
		}
		out = append(out, draft)
	}
	if d.Events == nil {
		return out, nil
	}
	own, err := d.Events(before, after)
	if err != nil {
		return nil, fmt.Errorf("events of saga %s: %w", after.ID, err)
	}
	return append(out, own...), nil
}

func (r *Runner) definition(name string) (definition, error) {
	d, ok := r.defs[name]
	if !ok {
		return definition{}, fmt.Errorf("service %s knows no saga definition %q", r.cfg.Service, name)
	}
	return d, nil
}

func callOf(s saga.Saga, e saga.Effect) saga.Call {
	st := s.Step(e.Step)
	c := saga.Call{
		SagaID: s.ID, StepID: st.ID, Kind: st.Kind, Project: s.Project, Subject: s.Subject,
		Direction: e.Direction, Attempt: e.Attempt, Key: s.ID + "/" + st.ID, Recovered: e.Recovered,
		Input: st.Input, SagaInput: s.Input, Outputs: s.Outputs(), Output: st.Output,
		Failure: s.Failure, Cause: s.Cause,
	}
	if st.StartedAt != nil {
		c.StartedAt = *st.StartedAt
	}
	return c
}
