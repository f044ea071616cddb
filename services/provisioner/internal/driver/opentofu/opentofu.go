// Package opentofu is the driver that carries out modules of OpenTofu and
// Terraform. Each resource is a stack; each Apply, Plan, Destroy and Drift is a
// run of it, which the driver asks for and answers "not yet" until it is over.
// What runs is package run's to do; here is what it means for a resource.
package opentofu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/run"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// The names under which the driver is known. They differ in the engine that a
// definition gets which names none.
const (
	OpenTofu  = "opentofu"
	Terraform = "terraform"
)

// Config of the driver.
type Config struct {
	Name   string // OpenTofu or Terraform
	Runs   *run.Runs
	Stacks *stack.Stacks
	// Folder is what a module may keep things in on this machine, per stack; ""
	// where there is none. Forget removes it.
	Folder func(ctx context.Context, st stack.Stack) (string, error)
	Forget func(ctx context.Context, st stack.Stack) error
	// PlanPatience is how long Plan waits for its run; default 1 min.
	PlanPatience time.Duration
}

// Driver implements driver.Driver and driver.Drifter.
type Driver struct{ c Config }

// New makes the driver.
func New(c Config) *Driver {
	if c.PlanPatience <= 0 {
		c.PlanPatience = time.Minute
	}
	return &Driver{c: c}
}

// Kinds implements driver.Driver.
func (d *Driver) Kinds() []driver.Kind {
	return []driver.Kind{{Name: driver.AnyKind, Summary: "whatever its module makes"}}
}

// Check implements driver.Driver. What inputs there are is the module's to say;
// see package definition.
func (d *Driver) Check(string, map[string]any) error { return nil }

// attempts is how many runs the driver asks for by itself, where the one before
// came to nothing without having changed anything.
const attempts = 3

// Plan implements driver.Driver: a run that plans and applies nothing.
func (d *Driver) Plan(ctx context.Context, r driver.Request) (driver.Plan, error) {
	w, st, err := d.wish(ctx, r, runner.OpPlan, "dry run")
	if err != nil {
		return driver.Plan{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.c.PlanPatience)
	defer cancel()
	for n := 1; n <= attempts; n++ {
		w.Number = n
		asked, err := d.c.Runs.Ask(ctx, w)
		if err != nil {
			return driver.Plan{}, err
		}
		over, err := d.over(ctx, asked.ID)
		if err == nil && st.Version.Number == 0 {
			// Only the look made the stack. Where something else uses it by now,
			// it is not empty any more or a run has its turn, and it stays.
			_ = d.c.Stacks.Remove(context.WithoutCancel(ctx), st.Name)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return driver.Plan{Action: driver.Unknown, Run: asked.ID, Summary: "its plan is not ready yet: slipway run show " + asked.ID}, nil
		}
		if err != nil {
			return driver.Plan{}, err
		}
		if over.Status == run.Finished {
			return planned(over, st), nil
		}
		if !over.Fault.Retryable() {
			return driver.Plan{}, over.Err()
		}
	}
	return driver.Plan{}, fmt.Errorf("its plan could not be made in %d attempts: slipway run list", attempts)
}

// over waits for the end of a run.
func (d *Driver) over(ctx context.Context, id string) (run.Run, error) {
	changed, stop := d.c.Runs.Watch(id)
	defer stop()
	for {
		r, err := d.c.Runs.Get(ctx, id)
		if err != nil || r.Closed {
			return r, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

func planned(r run.Run, st stack.Stack) driver.Plan {
	p := driver.Plan{Run: r.ID, Action: action(st.Version.Resources > 0, r.HasChanges)}
	n := r.Counts
	p.Summary = string(r.Engine.Kind) + ": " + plan.Summary(n)
	return p
}

func action(existed, changes bool) driver.Action {
	switch {
	case !existed:
		return driver.Create
	case changes:
		return driver.Change
	}
	return driver.Unchanged
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, r driver.Request) (driver.Applied, error) {
	why := "apply"
	if r.By.Reapply {
		why = "undo"
		if err := d.stopOthers(ctx, r.Name, r.By); err != nil {
			return driver.Applied{}, err
		}
	}
	w, _, err := d.wish(ctx, r, runner.OpApply, why)
	if err != nil {
		return driver.Applied{}, err
	}
	done, err := d.carryOut(ctx, w, r.By.Reapply, func(last run.Run) bool { return d.stale(ctx, last) })
	if err != nil {
		return driver.Applied{}, err
	}
	raw, _, err := d.c.Stacks.State(ctx, r.Name)
	if err != nil {
		return driver.Applied{}, err
	}
	var contents stack.Contents
	if len(raw) > 0 {
		if contents, err = stack.Read(raw); err != nil {
			return driver.Applied{}, err
		}
	}
	outputs, secrets, err := run.OutputsOf(done, contents)
	if err != nil {
		return driver.Applied{}, driver.Permanent(err)
	}
	state, err := json.Marshal(map[string]string{"run": done.ID})
	return driver.Applied{
		Action: action(done.Existed, done.HasChanges), Outputs: outputs, Secrets: secrets, State: state,
		Run: done.ID, Summary: plan.Summary(done.Counts),
	}, err
}

// stale reports whether something was done to the stack since a run: then what
// the run did is no answer any more.
func (d *Driver) stale(ctx context.Context, last run.Run) bool {
	newest, ok, err := d.c.Runs.Newest(ctx, last.Stack)
	return err == nil && ok && newest.ID != last.ID
}

// carryOut asks for a run and gives it once it is finished. Where a run came to
// nothing without having changed anything the next is asked for at once.
// Otherwise the failure is told, and who asks again after that gets another.
func (d *Driver) carryOut(ctx context.Context, w run.Wish, undo bool, stale func(run.Run) bool) (run.Run, error) {
	asked, err := d.c.Runs.Asked(ctx, w.Stack.Name, w.By.Key)
	if err != nil {
		return run.Run{}, err
	}
	if len(asked) > 0 {
		last := asked[len(asked)-1]
		switch {
		case !last.Closed:
			return run.Run{}, driver.NotYet(last.Sentence())
		case last.Status == run.Finished && !stale(last):
			return last, nil
		case last.Status == run.Finished:
		case last.Fault.Retryable() && retried(asked) < attempts:
		case !last.Answered:
			if err := d.c.Runs.Told(ctx, last.ID); err != nil {
				return run.Run{}, err
			}
			return run.Run{}, told(asked, undo)
		}
	}
	w.Number = len(asked) + 1
	next, err := d.c.Runs.Ask(ctx, w)
	if err != nil {
		return run.Run{}, err
	}
	return run.Run{}, driver.NotYet(next.Sentence())
}

// retried counts the runs at the end that came to nothing.
func retried(asked []run.Run) int {
	n := 0
	for _, r := range slices.Backward(asked) {
		if !r.Fault.Retryable() || r.Answered {
			break
		}
		n++
	}
	return n
}

// told is the failure of the last run. To go back is worth more than one
// attempt, as long as nobody said no: what is outside may be away for a moment.
func told(asked []run.Run, undo bool) error {
	last := asked[len(asked)-1]
	err := last.Err()
	switch last.Fault {
	case run.Engine, run.Cut, run.Moved, run.Lost:
		if undo && len(asked)%attempts != 0 {
			return err
		}
	}
	return driver.Permanent(err)
}

// Read implements driver.Driver: what the state says, without an engine. What a
// module made is not brought back by itself, so it is never called unwell.
func (d *Driver) Read(ctx context.Context, ref driver.Ref) (driver.Observed, error) {
	st, err := d.c.Stacks.Get(ctx, ref.Name)
	if errors.Is(err, store.ErrNotFound) {
		return driver.Observed{}, nil
	}
	if err != nil {
		return driver.Observed{}, err
	}
	o := driver.Observed{Exists: st.Version.Resources > 0 || len(st.Unresolved) > 0, Healthy: true}
	if !o.Exists {
		last, ok, err := d.c.Runs.Newest(ctx, ref.Name)
		if err != nil {
			return driver.Observed{}, err
		}
		o.Exists = ok && last.Status == run.Finished && last.Operation == runner.OpApply
	}
	o.Healthy = o.Exists
	if len(st.Unresolved) > 0 {
		o.Detail = "nobody knows whether " + strings.Join(st.Unresolved, ", ") + " exists"
	}
	return o, nil
}

// Destroy implements driver.Driver.
func (d *Driver) Destroy(ctx context.Context, ref driver.Ref, by driver.Operation) error {
	_, err := d.c.Stacks.Get(ctx, ref.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.stopOthers(ctx, ref.Name, by); err != nil {
		return err
	}
	asked, err := d.c.Runs.Asked(ctx, ref.Name, by.Key)
	if err != nil {
		return err
	}
	if n := len(asked); n > 0 && !asked[n-1].Closed {
		return driver.NotYet(asked[n-1].Sentence())
	}
	st, err := d.c.Stacks.Get(ctx, ref.Name)
	if err != nil {
		return err
	}
	orphans, err := d.orphans(ctx, st)
	if err != nil {
		return err
	}
	if st.Version.Resources == 0 && len(st.Unresolved) == 0 && !orphans {
		return d.forget(ctx, st)
	}
	w, err := d.last(ctx, st, by)
	if err != nil {
		return err
	}
	_, err = d.carryOut(ctx, w, true, func(run.Run) bool { return true })
	return err
}

// orphans reports whether the last run made something that is not in the state.
func (d *Driver) orphans(ctx context.Context, st stack.Stack) (bool, error) {
	last, ok, err := d.c.Runs.Newest(ctx, st.Name)
	return ok && len(last.Orphans) > 0, err
}

// forget takes a stack away in which nothing is any more.
func (d *Driver) forget(ctx context.Context, st stack.Stack) error {
	if err := d.c.Stacks.Remove(ctx, st.Name); err != nil {
		if errors.Is(err, stack.ErrAtWork) {
			return driver.NotYet("a run of " + st.Name + " is being put away")
		}
		return err
	}
	if d.c.Forget == nil {
		return nil
	}
	return d.c.Forget(ctx, st)
}

// last is the wish that takes away what was applied last.
func (d *Driver) last(ctx context.Context, st stack.Stack, by driver.Operation) (run.Wish, error) {
	w, ok, err := d.c.Stacks.Last(ctx, st.Name)
	if err != nil {
		return run.Wish{}, err
	}
	if !ok {
		return run.Wish{}, driver.Permanent(fmt.Errorf("stack %s holds %d resources, and by which module they were made is not known", st.Name, st.Version.Resources))
	}
	var was run.Remembered
	if err := json.Unmarshal(w.Inputs, &was); err != nil {
		return run.Wish{}, fmt.Errorf("what stack %s was made with cannot be read", st.Name)
	}
	return run.Wish{
		Stack: st.Identity, Operation: runner.OpDestroy, By: by, Why: "destroy", Inputs: was.Inputs, Hidden: was.Hidden,
		Module: driver.Module{Definition: w.Definition, Digest: w.Module, Engine: was.Engine, Outputs: was.Outputs, Env: was.Env, Timeout: was.Timeout},
	}, nil
}

// stopOthers stops what is being done to a stack for somebody else, and waits
// for its end: what it made by then must be known before it is taken away.
func (d *Driver) stopOthers(ctx context.Context, name string, by driver.Operation) error {
	open, err := d.c.Runs.Open(ctx, name)
	if err != nil {
		return err
	}
	waits := ""
	for _, r := range open {
		if r.Key == by.Key {
			continue
		}
		waits = "run " + r.ID + " is being stopped"
		if r.Stop == nil && !r.Status.Over() {
			cause := events.Cause{Actor: "service:provisioner", CorrelationID: by.Cause.CorrelationID}
			if _, err := d.c.Runs.Cancel(ctx, cause, r.ID, "what it was for is being undone"); err != nil {
				waits = r.Sentence() // it ended just now
			}
		}
	}
	if waits != "" {
		return driver.NotYet(waits)
	}
	return nil
}

// Drift implements driver.Drifter: a run that looks, and changes nothing.
func (d *Driver) Drift(ctx context.Context, r driver.Request) (driver.Difference, error) {
	w, _, err := d.wish(ctx, r, runner.OpDrift, "drift")
	if err != nil {
		return driver.Difference{}, err
	}
	done, err := d.carryOut(ctx, w, false, func(run.Run) bool { return false })
	if err != nil {
		return driver.Difference{}, err
	}
	told, omitted := run.ToldDrift(done.Changes)
	return driver.Difference{Lines: done.Drifted, Run: done.ID, Changes: told, Omitted: omitted}, nil
}

// wish is what a request means for its stack.
func (d *Driver) wish(ctx context.Context, r driver.Request, operation, why string) (run.Wish, stack.Stack, error) {
	if r.Module == nil || r.Module.Digest == "" {
		return run.Wish{}, stack.Stack{}, driver.Permanent(fmt.Errorf("driver %s carries out a module, and there is none for %s", d.c.Name, r.Name))
	}
	st, err := d.c.Stacks.Ensure(ctx, r.By.Cause, stack.Identity{
		Name: r.Name, Project: r.By.Project, Environment: r.By.Environment, Resource: r.By.Resource,
	})
	if err != nil {
		return run.Wish{}, st, err
	}
	inputs, err := d.place(ctx, st, r.Inputs)
	if err != nil {
		return run.Wish{}, st, err
	}
	m := *r.Module
	if m.Engine == "" && d.c.Name == Terraform {
		m.Engine = string(engine.Terraform)
	}
	return run.Wish{Stack: st.Identity, Operation: operation, By: r.By, Why: why, Module: m, Inputs: inputs, Hidden: r.Hidden}, st, nil
}
