package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// apply runs the applying phase, and looks what came of it.
func (r *Runs) apply(ctx context.Context, run Run) error {
	if run.Phase != runner.Apply {
		if run.Stop != nil {
			return r.halt(ctx, run)
		}
		st, err := r.c.Stacks.Get(ctx, run.Stack)
		if err != nil {
			return err
		}
		if v := st.Version; v.Serial != run.Serial || v.Lineage != run.Lineage {
			return r.end(ctx, run.ID, Failed, Moved, moved(run, v))
		}
		if err := r.remember(ctx, run); err != nil {
			return err
		}
	}
	ended, err := r.start(ctx, run, runner.Apply)
	if err != nil || !ended {
		return err
	}
	return r.settle(ctx, run)
}

func moved(run Run, v stack.Version) string {
	if v.Lineage != run.Lineage && run.Lineage != "" {
		return "the state is that of another life since the plan was made; nothing was applied"
	}
	return fmt.Sprintf("the state moved from serial %d to %d after the plan was made; nothing was applied", run.Serial, v.Serial)
}

// remember keeps with the stack what destroying it will need, before anything
// is made by it.
func (r *Runs) remember(ctx context.Context, run Run) error {
	if run.Operation != runner.OpApply {
		return nil
	}
	secrets, err := r.wish(run.ID)
	if err != nil {
		return err
	}
	inputs, err := marshal(Remembered{sealed: secrets, Engine: run.Wished, Outputs: run.Declared, Timeout: run.Timeout})
	if err != nil {
		return err
	}
	return r.c.Stacks.Remember(ctx, run.Stack, stack.Wish{Module: run.ModuleDigest, Definition: run.Definition, Run: run.ID, Inputs: inputs})
}

// outcome is what is known once nothing of an applying phase lives any more.
type outcome struct {
	result    runner.Result
	ended     bool // the runner lived to say how it ended
	began     bool // the engine began to change something
	done      bool // the engine says that it did everything
	wrong     bool // the engine says what it could not do
	completed map[string]string
	open      []string // creates that began and of which nothing more was heard
}

// settle finds out what an applying phase did, not by how it ended but by what
// the engine said meanwhile and what the state says now.
func (r *Runs) settle(ctx context.Context, run Run) error {
	o, err := r.outcome(run)
	if err != nil {
		return err
	}
	if err := r.adoptState(ctx, run); err != nil {
		return err
	}
	before, err := r.lookBack(ctx, run)
	if err != nil {
		return err
	}
	now, err := r.look(ctx, run.Stack)
	if err != nil {
		return err
	}
	version, after := now.version, now.contents
	r.hide(run.ID, after.Secrets)
	was, is := addresses(before.contents), addresses(after)
	orphans, unresolved := o.unknown(before, now)
	if len(unresolved) > 0 {
		if err := r.c.Stacks.SetUnresolved(ctx, run.Stack, run.ID, unresolved); err != nil {
			return err
		}
	}
	wrongOutputs := ""
	if o.done && run.Operation == runner.OpApply {
		if _, _, err := OutputsOf(run, after); err != nil {
			wrongOutputs = err.Error()
		}
	}
	_, err = r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Applying {
			return nil, errUnchanged
		}
		run.Made, run.Gone = difference(is, was), difference(was, is)
		run.Unresolved = unresolved
		run.Orphans = unknownOf(run.Orphans, is)
		if run.Orphans == nil {
			run.Orphans = map[string]string{}
		}
		maps.Copy(run.Orphans, orphans)
		run.Diags = append(run.Diags, r.masked(run.ID, o.result.Diagnostics)...)
		switch {
		case len(unresolved) > 0:
			return r.over(run, Failed, Held, fmt.Sprintf("it died while creating %s: look whether %s, then: slipway stack unlock %s --reason …",
				strings.Join(unresolved, ", "), existing(unresolved), run.Stack))
		case wrongOutputs != "":
			return r.over(run, Failed, Outputs, wrongOutputs)
		case o.done:
			return r.over(run, Finished, "", "")
		case run.Stop != nil:
			return r.over(run, Failed, Stopped, fmt.Sprintf("it was stopped by %s: %s%s", run.Stop.By, run.Stop.Reason, run.changed()))
		case !o.began && !o.wrong && version.Number == run.Version && (!o.ended || o.result.Cut != ""):
			return r.over(run, Failed, Lost, "its process was gone before anything was applied")
		case o.ended && o.result.Cut != "":
			return r.over(run, Failed, Cut, r.hiding(run.ID).text(o.result.Cut)+run.changed())
		case o.ended && !o.result.OK:
			return r.over(run, Failed, Engine, r.reason(*run, o.result)+run.changed())
		case o.wrong:
			return r.over(run, Failed, Engine, "the engine could not apply all of the plan: slipway run logs "+run.ID+run.changed())
		}
		return r.over(run, Failed, Cut, "its processes were gone while it was applied"+run.changed())
	})
	return err
}

// changed says what is there of a run that failed.
func (r Run) changed() string {
	switch {
	case len(r.Made) > 0 && len(r.Gone) > 0:
		return fmt.Sprintf("; it had made %s and destroyed %s", strings.Join(r.Made, ", "), strings.Join(r.Gone, ", "))
	case len(r.Made) > 0:
		return "; it had made " + strings.Join(r.Made, ", ")
	case len(r.Gone) > 0:
		return "; it had destroyed " + strings.Join(r.Gone, ", ")
	}
	return ""
}

func existing(addresses []string) string {
	if len(addresses) > 1 {
		return "they exist"
	}
	return "it exists"
}

func difference(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// outcome reads what the phase left in its folder.
func (r *Runs) outcome(run Run) (outcome, error) {
	o := outcome{completed: map[string]string{}}
	var err error
	if o.result, o.ended, err = r.c.Sandbox.Result(run.ID); err != nil {
		return o, err
	}
	if o.result.Phase != runner.Apply {
		o.result, o.ended = runner.Result{}, false
	}
	said, err := r.c.Sandbox.Apply(run.ID)
	if err != nil {
		// The module's code put something else in its place: what was done is in
		// the state, and nobody says that it was all.
		r.c.Log.Warn().Err(err).Str("run", run.ID).Msg("what an engine said cannot be read")
		o.began = true
		return o, nil
	}
	open, errored := map[string]bool{}, map[string]bool{}
	for _, e := range said {
		creates := e.Action == "create"
		switch e.Type {
		case runner.EventStart:
			o.began = true
			if creates {
				open[e.Address] = true
			}
		case runner.EventComplete:
			delete(open, e.Address)
			if creates {
				o.completed[e.Address] = e.IDValue
			}
		case runner.EventErrored:
			delete(open, e.Address) // what there is of it is in the state, tainted
			errored[e.Address] = creates
		case runner.EventSummary:
			if e.Summary != nil && e.Summary.Operation != "plan" {
				o.done = true
			}
		}
		if e.Diagnostic != nil && e.Diagnostic.Severity == "error" {
			o.wrong = true
		}
		if silent(e.Diagnostic) { // told after what failed
			for address, creates := range errored {
				if creates && (e.Diagnostic.Address == "" || e.Diagnostic.Address == address) {
					open[address] = true
				}
			}
		}
	}
	if o.wrong {
		o.done = false
	}
	for address := range open {
		o.open = append(o.open, address)
	}
	return o, nil
}

// adoptState takes the state that the engine could not hand in, because the
// platform was away for too long.
func (r *Runs) adoptState(ctx context.Context, run Run) error {
	raw, there, err := r.c.Sandbox.ErroredState(run.ID)
	if err != nil {
		r.c.Log.Warn().Err(err).Str("run", run.ID).Msg("a state that was left behind cannot be read")
		return nil
	}
	if !there {
		return nil
	}
	lock, err := r.c.Stacks.LockFor(ctx, run.Stack, run.ID)
	if err != nil {
		return err
	}
	_, err = r.c.Stacks.Put(ctx, run.Stack, stack.Writer{Run: run.ID, LockID: lock.ID, Engine: run.Engine.Kind}, raw)
	var older *stack.SerialError
	var lineage *stack.LineageError
	var format *stack.FormatError
	var large *stack.TooLargeError
	if errors.As(err, &older) || errors.As(err, &lineage) || errors.As(err, &format) || errors.As(err, &large) {
		r.c.Log.Warn().Err(err).Str("run", run.ID).Msg("a state that was left behind is not taken over")
		return nil
	}
	return err
}
