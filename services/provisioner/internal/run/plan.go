package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// maxChanges bounds, in bytes of JSON, what a run's record tells of its plan.
const maxChanges = 256 << 10

// plan runs the planning phase and reads what came of it.
func (r *Runs) plan(ctx context.Context, run Run) error {
	ended, err := r.start(ctx, run, runner.Plan)
	if err != nil || !ended {
		return err
	}
	result, ok, err := r.c.Sandbox.Result(run.ID)
	if err != nil {
		return err
	}
	if now, err := r.Get(ctx, run.ID); err != nil || now.Stop != nil {
		return err // stopped meanwhile: the next step says so
	}
	switch {
	case !ok:
		return r.end(ctx, run.ID, Failed, Lost, "its process was gone before the plan was made; nothing was changed")
	case !result.OK && result.Step == runner.StepImport:
		return r.notImported(ctx, run, result)
	case !result.OK:
		return r.refusedPlan(ctx, run, result)
	}
	bin, raw, err := r.c.Sandbox.Plan(run.ID)
	if err != nil {
		return r.end(ctx, run.ID, Failed, Engine, "its plan cannot be read: "+err.Error())
	}
	p, err := plan.Read(raw)
	if err != nil {
		return r.end(ctx, run.ID, Failed, Engine, err.Error())
	}
	// The stack is the run's alone, so this is the state that was planned for.
	version, now, err := r.contents(ctx, run.Stack)
	if err != nil {
		return err
	}
	r.hide(run.ID, plan.Secrets(p), now.Secrets)
	secrets, err := r.wish(run.ID)
	if err != nil {
		return err
	}
	if run.Operation == runner.OpDrift {
		return r.drifted(ctx, run, plan.Drift(p, secrets.Hidden))
	}
	if missing := missing(run, p); len(missing) > 0 {
		return r.end(ctx, run.ID, Failed, Outputs, fmt.Sprintf("definition %s declares the output %s, and the module has none of that name",
			run.Definition, strings.Join(missing, ", ")))
	}
	if err := r.keep.write(run.ID, filePlan, bin); err != nil {
		return err
	}
	if err := r.keep.write(run.ID, filePlanJSON, raw); err != nil {
		return err
	}
	changes := plan.Changes(p, secrets.Hidden)
	_, err = r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Planning || run.Planned {
			return nil, errUnchanged
		}
		run.Planned, run.PlannedAt, run.HasChanges = true, r.now(), result.Changes
		run.Counts, run.Changes = plan.Count(changes), bounded(changes)
		sum := sha256.Sum256(bin)
		run.Stored = hex.EncodeToString(sum[:])
		run.Orphans = unknownOf(run.Orphans, addresses(now))
		run.Existed = version.Resources > 0
		run.Version, run.Serial, run.Lineage = version.Number, version.Serial, version.Lineage
		run.PlanDigest = planDigest(run.Stored, version)
		run.Diags = r.masked(run.ID, result.Diagnostics)
		if !run.Applies() {
			return r.over(run, Finished, "", "")
		}
		return nil, nil
	})
	return err
}

// planDigest binds a stored plan to the state that it was made for.
func planDigest(stored string, v stack.Version) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n", stored, v.Lineage, v.Serial))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// missing are declared outputs that the plan does not lead to.
func missing(run Run, p *plan.Plan) []string {
	if run.Operation == runner.OpDestroy || p.PlannedValues == nil {
		return nil
	}
	var out []string
	for name := range run.Declared {
		_, planned := p.PlannedValues.Outputs[name]
		if change, changes := p.OutputChanges[name]; !planned && (!changes || change.Actions.Delete()) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// bounded leaves fields out of changes until they fit into a record.
func bounded(changes []plan.Change) []plan.Change {
	left := maxChanges
	for i := range changes {
		b, err := json.Marshal(changes[i])
		if err == nil && len(b) <= left {
			left -= len(b)
			continue
		}
		changes[i].Cut += len(changes[i].Fields)
		changes[i].Fields = nil
	}
	return changes[:min(len(changes), 2000)]
}

// refusedPlan ends a run whose plan could not be made.
func (r *Runs) refusedPlan(ctx context.Context, run Run, result runner.Result) error {
	fault, reason := Engine, r.reason(run, result)
	if result.Cut != "" {
		fault = Cut
		if result.Step == "" || result.Step == runner.StepStart {
			fault = Lost
		}
	}
	_, err := r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Planning {
			return nil, errUnchanged
		}
		run.Diags = r.masked(run.ID, result.Diagnostics)
		return r.over(run, Failed, fault, reason)
	})
	return err
}

// reason is why a phase failed, in one sentence without secrets: what the
// engine found wrong first, and where.
func (r *Runs) reason(run Run, result runner.Result) string {
	text := result.Reason
	if result.Cut != "" {
		text = result.Cut
	}
	if wrong := runner.Errors(result.Diagnostics); len(wrong) > 0 && result.Cut == "" {
		text = strings.Replace(wrong[0].String(), wrong[0].Severity+": ", "", 1)
		if n := len(wrong) - 1; n > 0 {
			text += fmt.Sprintf(" (and %d more: slipway run logs %s)", n, run.ID)
		}
	}
	if text == "" {
		text = "it failed and did not say why: slipway run logs " + run.ID
	}
	return r.hiding(run.ID).text(result.Step + ": " + text)
}

// notImported: what a dead run made is known by its id, and cannot be taken
// over all the same. From here a person must look.
func (r *Runs) notImported(ctx context.Context, run Run, result runner.Result) error {
	var left []string
	for address := range run.Import {
		left = append(left, address)
	}
	slices.Sort(left)
	if err := r.c.Stacks.SetUnresolved(ctx, run.Stack, run.ID, left); err != nil {
		return err
	}
	_, err := r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Planning {
			return nil, errUnchanged
		}
		run.Orphans = nil // whoever looks takes them on
		run.Unresolved, run.Diags = left, r.masked(run.ID, result.Diagnostics)
		return r.over(run, Failed, Held, fmt.Sprintf("an earlier run died after it made %s, which could not be taken over (%s): look whether it exists, then: slipway stack unlock %s --reason …",
			strings.Join(left, ", "), r.reason(*run, result), run.Stack))
	})
	return err
}

// drifted ends a look at the real things.
func (r *Runs) drifted(ctx context.Context, run Run, changes []plan.Change) error {
	lines := differences(changes)
	if err := r.c.Stacks.SetDrift(ctx, run.Stack, stack.Drift{At: r.now(), Run: run.ID, Differences: lines}); err != nil {
		return err
	}
	_, err := r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Planning {
			return nil, errUnchanged
		}
		run.Planned, run.PlannedAt, run.HasChanges = true, r.now(), len(lines) > 0
		run.Changes, run.Counts, run.Drifted = bounded(changes), plan.Count(changes), lines
		return r.over(run, Finished, "", "")
	})
	return err
}

// maxLine bounds one value in a line about drift.
const maxLine = 120

// differences tells changes in a line each, the same every time.
func differences(changes []plan.Change) []string {
	var out []string
	for _, c := range changes {
		if c.Action == plan.Destroy {
			out = append(out, c.Address+" is gone")
			continue
		}
		for _, f := range c.Fields {
			out = append(out, fmt.Sprintf("%s: %s is %s, not %s", c.Address, f.Path, shown(f.After), shown(f.Before)))
		}
		if len(c.Fields) == 0 && c.Action != plan.None {
			out = append(out, fmt.Sprintf("%s differs (%s)", c.Address, c.Action))
		}
	}
	slices.Sort(out)
	return out
}

func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil || v == nil {
		return "not there"
	}
	if len(b) > maxLine {
		return string(b[:maxLine]) + "…"
	}
	return string(b)
}
