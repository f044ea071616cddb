package deployment

import (
	"maps"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// The steps of a deployment. Each has its kind's name as its id.
const (
	StepAdmit     = "admit"     // take the environment's turn, make the set
	StepDecide    = "decide"    // may it?
	StepResources = "resources" // what the workload needs
	StepHalt      = "halt"      // recreate only: stop the old instance first
	StepStart     = "start"     // the new instance
	StepVerify    = "verify"    // is it ready?
	StepShift     = "shift"     // the traffic
	StepRetire    = "retire"    // blue-green only: the old instance, once it is drained
	StepConclude  = "conclude"  // the set is current, the turn is over
)

// resourcesInput is the input of the step resources: fixed with the plan, so
// that what is asked for is what was planned.
type resourcesInput struct {
	Resources map[string]provisioner.Resource `json:"resources"`
}

// plan is what a deployment will do.
func plan(in Input, w score.Workload) saga.Plan {
	steps := []saga.PlannedStep{
		{ID: StepAdmit, Kind: StepAdmit},
		{ID: StepDecide, Kind: StepDecide},
		{ID: StepResources, Kind: StepResources, Input: resourcesInput{Resources: resourcesOf(w)}},
	}
	if in.Strategy == Recreate {
		steps = append(steps, saga.PlannedStep{ID: StepHalt, Kind: StepHalt})
	}
	steps = append(steps,
		saga.PlannedStep{ID: StepStart, Kind: StepStart},
		saga.PlannedStep{ID: StepVerify, Kind: StepVerify},
		saga.PlannedStep{ID: StepShift, Kind: StepShift},
	)
	if in.Strategy == BlueGreen {
		steps = append(steps, saga.PlannedStep{ID: StepRetire, Kind: StepRetire})
	}
	steps = append(steps, saga.PlannedStep{ID: StepConclude, Kind: StepConclude})
	for i := 1; i < len(steps); i++ {
		steps[i].After = []string{steps[i-1].ID}
	}
	return saga.Plan{Steps: steps}
}

// describe says what a step will do, for a person who looks at a plan.
func describe(step string, in Input, w score.Workload) string {
	switch step {
	case StepResources:
		return resourcesTitle(w)
	case StepStart:
		return "start " + in.Version
	case StepAdmit:
		return "wait for the turn in " + in.Environment + ", make the deployment set"
	}
	return map[string]string{
		StepDecide:   "ask policy",
		StepHalt:     "stop what runs",
		StepVerify:   "wait until it is ready",
		StepShift:    "send all traffic to it",
		StepRetire:   "let the old instance finish its requests, stop it",
		StepConclude: "make the set the current one",
	}[step]
}

func resourcesTitle(w score.Workload) string {
	if len(w.Resources) == 0 {
		return "ensure the environment; the workload needs no resources"
	}
	title := "ensure "
	for i, name := range slices.Sorted(maps.Keys(w.Resources)) {
		if i > 0 {
			title += ", "
		}
		title += name
	}
	return title
}

func resourcesOf(w score.Workload) map[string]provisioner.Resource {
	out := map[string]provisioner.Resource{}
	for name, r := range w.Resources {
		p := provisioner.Resource{Type: r.Type, Params: w.Params(name), Metadata: r.Metadata}
		if r.Class != nil {
			p.Class = *r.Class
		}
		if r.Id != nil {
			p.ID = *r.Id
		}
		out[name] = p
	}
	return out
}

// undoOf says what takes a step back, for a person who looks at a plan.
func undoOf(step string) string {
	return map[string]string{
		StepAdmit:     "leave the line; the current set stays",
		StepDecide:    "nothing to undo",
		StepResources: "release what this deployment alone brought",
		StepHalt:      "start the old instance again",
		StepStart:     "stop the new instance and remove its folder",
		StepVerify:    "nothing to undo",
		StepShift:     "send all traffic back to where it was",
		StepRetire:    "none: from here it only goes forward",
		StepConclude:  "none: from here it only goes forward",
	}[step]
}

// Definition says how the steps are carried out.
func (d *Deployments) Definition() saga.Definition {
	quick := saga.Retry{Max: 4, First: 250 * time.Millisecond, Limit: 2 * time.Second}
	// Past the point of no return nothing is given up soon.
	persistent := saga.Retry{Max: 40, First: 250 * time.Millisecond, Limit: 30 * time.Second}
	return saga.Definition{
		Name: DefinitionName,
		Steps: map[string]saga.StepKind{
			StepAdmit:  {Do: d.admit, Undo: d.leave, Compensation: saga.DestroyCreated, Retry: quick},
			StepDecide: {Do: d.decide, Retry: quick, Timeout: 10 * time.Second},
			StepResources: {
				Command: ensureResources, UndoCommand: releaseResources, Compensation: saga.DestroyCreated,
				// A database takes its half hour, and a plan may wait for a person
				// until the next morning. Whoever provides always answers.
				Timeout: 24 * time.Hour, UndoDeadline: 4 * time.Hour,
			},
			StepHalt:     {Do: d.halt, Undo: d.unhalt, Compensation: saga.ReapplyPrevious, Retry: quick, Timeout: 12 * time.Minute},
			StepStart:    {Do: d.start, Undo: d.stop, Compensation: saga.DestroyCreated, Retry: quick, Timeout: 5 * time.Minute},
			StepVerify:   {Do: d.verify, Retry: saga.Retry{Max: 2}, Timeout: 11 * time.Minute},
			StepShift:    {Do: d.shift, Undo: d.shiftBack, Compensation: saga.ReapplyPrevious, Retry: quick},
			StepRetire:   {Do: d.retire, Compensation: saga.Irreversible, Retry: persistent, Timeout: 12 * time.Minute},
			StepConclude: {Do: d.conclude, Compensation: saga.Irreversible, Retry: persistent},
		},
		Events: d.publish,
	}
}
