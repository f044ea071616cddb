package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// linePause is how long a run in line waits before it asks again, if nobody
// tells it that it is its turn.
const linePause = 2 * time.Second

// begin awaits the run's turn and chooses its engine.
func (r *Runs) begin(ctx context.Context, run Run) error {
	// A dry run may have taken the stack away meanwhile, because nothing was in it.
	if _, err := r.c.Stacks.Ensure(ctx, run.Cause, stack.Identity{
		Name: run.Stack, Project: run.Project, Environment: run.Environment, Resource: run.Resource,
	}); err != nil {
		return err
	}
	first, ahead, err := r.c.Stacks.Acquire(ctx, run.Stack, run.ID)
	var unresolved *stack.UnresolvedError
	var locked *stack.LockedError
	if errors.As(err, &unresolved) || errors.As(err, &locked) {
		return r.end(ctx, run.ID, Failed, Held, err.Error())
	}
	if err != nil {
		return err
	}
	if !first {
		if err := r.note(ctx, run.ID, "in line behind run "+ahead); err != nil {
			return err
		}
		return r.pause(ctx, run.ID, linePause)
	}
	st, err := r.c.Stacks.Get(ctx, run.Stack)
	if err != nil {
		return err
	}
	e, err := r.choose(ctx, run, st)
	if err != nil {
		return r.end(ctx, run.ID, Failed, Setup, err.Error())
	}
	orphans, err := r.orphans(ctx, run)
	if err != nil {
		return err
	}
	_, err = r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Queued {
			return nil, errUnchanged
		}
		run.Status, run.Waits, run.Engine, run.PlanningAt = Planning, "", e, r.now()
		if run.Applies() {
			run.Import, run.Orphans = orphans, maps.Clone(orphans)
		}
		return nil, nil
	})
	return err
}

// choose finds the engine. A state stays with the kind that wrote it, unless
// the definition names another one.
func (r *Runs) choose(ctx context.Context, run Run, st stack.Stack) (engine.Engine, error) {
	wish := run.Wished
	if wish == "" && st.Engine != "" {
		wish = string(st.Engine)
	}
	e, err := r.c.Engines.Choose(ctx, wish)
	if err != nil && wish != run.Wished {
		return e, fmt.Errorf("the state of stack %s was written by %s, and that is not to be had: %w. To go on with another engine, name it in definition %s (engine:)",
			run.Stack, st.Engine, err, run.Definition)
	}
	return e, err
}

// orphans are what an earlier run made and did not live to write down, by
// address and id, as far as the state does not know it by now.
func (r *Runs) orphans(ctx context.Context, run Run) (map[string]string, error) {
	last, ok, err := r.Newest(ctx, run.Stack)
	if err != nil || !ok || len(last.Orphans) == 0 {
		return nil, err
	}
	_, now, err := r.contents(ctx, run.Stack)
	if err != nil {
		return nil, err
	}
	return unknownOf(last.Orphans, addresses(now)), nil
}

// unknownOf are the orphans that a state does not know.
func unknownOf(orphans map[string]string, known []string) map[string]string {
	left := maps.Clone(orphans)
	maps.DeleteFunc(left, func(address, _ string) bool { return slices.Contains(known, address) })
	return left
}

// contents is the newest state; the zero one where there is none.
func (r *Runs) contents(ctx context.Context, name string) (stack.Version, stack.Contents, error) {
	raw, v, err := r.c.Stacks.State(ctx, name)
	if err != nil || len(raw) == 0 {
		return v, stack.Contents{}, err
	}
	c, err := stack.Read(raw)
	return v, c, err
}

// addresses are those of what the engine made, in the order of the state.
func addresses(c stack.Contents) []string {
	var out []string
	for _, i := range c.Instances {
		if i.Mode == "managed" && i.Deposed == "" {
			out = append(out, i.Address)
		}
	}
	return out
}

// start begins a phase, unless that was written down before: then what is there
// of it is awaited. ended: it is over.
func (r *Runs) start(ctx context.Context, run Run, phase runner.Phase) (ended bool, err error) {
	if run.Phase == phase {
		return true, r.await(ctx, run)
	}
	st, err := r.c.Stacks.Get(ctx, run.Stack)
	if err != nil {
		return false, err
	}
	secrets, err := r.wish(run.ID)
	if err != nil {
		return false, err
	}
	if err := r.c.Sandbox.Prepare(ctx, run.ID, st.UID, func(dir string) error { return r.fill(ctx, run, phase, secrets, dir) }); err != nil {
		return false, r.end(ctx, run.ID, Failed, Setup, "its folder cannot be made: "+err.Error())
	}
	token := r.c.NewToken()
	deadline := r.now().Add(run.Timeout)
	// The intent: from here on there may be a process.
	run, err = r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		run.Phase, run.Deadline, run.Token = phase, deadline, hash(token)
		if phase == runner.Apply {
			run.ApplyingAt = r.now()
		}
		return nil, nil
	})
	if err != nil {
		return false, err
	}
	job := runner.Job{
		Run: run.ID, Stack: run.Stack, Phase: phase, Operation: run.Operation, Engine: run.Engine,
		Backend: r.c.Backend(), Token: token, Env: secrets.Env, CLIConfig: r.c.CLIConfig,
		Deadline: deadline, Grace: r.c.Grace, Limits: r.c.Limits,
	}
	if phase == runner.Apply {
		job.PlanDigest = run.Stored
	}
	if phase == runner.Plan {
		job.Import = run.Import
	}
	if err := r.c.Sandbox.Start(ctx, run.ID, st.UID, job); err != nil {
		return false, r.end(ctx, run.ID, Failed, Lost, "its process cannot be started: "+err.Error())
	}
	return true, r.await(ctx, run)
}

// fill puts into a work folder what the phase works on. What applies gets the
// stored plan as it was judged, and the module anew: the folder was that of the
// module's own code meanwhile.
func (r *Runs) fill(ctx context.Context, run Run, phase runner.Phase, secrets sealed, dir string) error {
	module := filepath.Join(dir, runner.FileModule)
	if err := os.RemoveAll(module); err != nil {
		return err
	}
	if err := r.c.Modules.Unpack(ctx, run.ModuleDigest, module); err != nil {
		return err
	}
	inputs := secrets.Inputs
	if inputs == nil {
		inputs = map[string]any{}
	}
	b, err := json.Marshal(inputs)
	if err != nil {
		return err
	}
	if err := fresh(filepath.Join(dir, runner.FileInputs), b); err != nil {
		return err
	}
	if phase != runner.Apply {
		return nil
	}
	bin, err := r.keep.read(run.ID, filePlan)
	if err != nil {
		return err
	}
	return fresh(filepath.Join(dir, runner.FilePlan), bin)
}

// fresh writes a file that was not there, in a folder that somebody else's code
// could write to: no link of theirs is followed.
func fresh(path string, content []byte) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// late is how long after its deadline and grace a phase may still be there: it
// is bounded by itself, and by us if that does not work.
const late = 10 * time.Second

// await waits until nothing of a phase lives. At its deadline, or when a person
// stops the run, it is cut.
func (r *Runs) await(ctx context.Context, run Run) error {
	over := make(chan error, 1)
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { over <- r.c.Sandbox.Wait(waiting, run.ID) }()
	rung, stop := r.bell.listen(run.ID)
	defer stop()
	deadline := time.NewTimer(max(run.Deadline.Sub(r.now()), 0) + r.c.Grace + late)
	defer deadline.Stop()
	for {
		now, err := r.Get(ctx, run.ID)
		if err != nil {
			return err
		}
		if now.Stop != nil {
			return r.cut(ctx, run)
		}
		select {
		case err := <-over:
			if err != nil {
				return err
			}
			// Whatever it left running has no business any more.
			return r.c.Sandbox.Cut(ctx, run.ID, 0)
		case <-deadline.C:
			return r.c.Sandbox.Cut(ctx, run.ID, 0)
		case <-rung:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *Runs) cut(ctx context.Context, run Run) error {
	grace := r.c.Grace
	if run.Status == Planning {
		grace = min(grace, 5*time.Second)
	}
	return r.c.Sandbox.Cut(ctx, run.ID, grace)
}
