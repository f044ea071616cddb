package run

import (
	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// maxTold is how many changes or addresses an event names.
const maxTold = 50

func (r *Run) ref() pe.RunRef {
	return pe.RunRef{
		Environment: r.Environment, Resource: r.Resource, Definition: r.Definition, Engine: string(r.Engine.Kind), Saga: r.Saga, Step: r.Step,
	}
}

func (r *Run) dataRef() string { return "/api/v1/projects/" + r.Project + "/runs/" + r.ID }

// judged tells that a run has a plan, and what policy said about it.
func (r *Run) judged() (events.Draft, error) {
	d := pe.RunPlannedData{
		Run: r.ID, Stack: r.Stack, Project: r.Project, Kind: r.Operation, PlanDigest: r.PlanDigest, DataRef: r.dataRef(), RunRef: r.ref(),
		Add: r.Counts.Add, Change: r.Counts.Change, Replace: r.Counts.Replace, Destroy: r.Counts.Destroy,
	}
	d.Changes, d.Omitted = Told(r.Changes)
	if r.Decision != nil {
		d.Decision, d.Result = r.Decision.ID, r.Decision.Result
	}
	return pe.RunPlanned.Draft(r.Project, r.Stack+"/"+r.ID, d)
}

// Told is what an event says of changes, and how many it leaves out.
func Told(changes []plan.Change) (told []pe.RunChange, omitted int) {
	for _, c := range changes[:min(len(changes), maxTold)] {
		told = append(told, pe.RunChange{Address: c.Address, Type: c.Type, Action: string(c.Action)})
	}
	return told, len(changes) - len(told)
}

// finished tells how a run ended.
func (r *Run) finished() (events.Draft, error) {
	result := string(r.Status)
	switch {
	case r.Status != Finished:
	case !r.HasChanges:
		result = "unchanged"
	case r.Operation == runner.OpApply:
		result = "applied"
	default:
		result = "destroyed"
	}
	d := pe.RunFinishedData{
		Run: r.ID, Stack: r.Stack, Project: r.Project, Kind: r.Operation, Result: result, Reason: r.Reason,
		DurationMs: r.OverAt.Sub(r.CreatedAt).Milliseconds(), RunRef: r.ref(), DataRef: r.dataRef(),
		Add: r.Counts.Add, Change: r.Counts.Change, Replace: r.Counts.Replace, Destroy: r.Counts.Destroy,
		Unresolved: r.Unresolved[:min(len(r.Unresolved), maxTold)],
	}
	if r.Decision != nil {
		d.Decision = r.Decision.ID
	}
	if r.Approval != nil {
		d.ApprovedBy = r.Approval.By
	}
	if r.Status == Failed {
		d.Made = r.Made[:min(len(r.Made), maxTold)]
	}
	return pe.RunFinished.Draft(r.Project, r.Stack+"/"+r.ID, d)
}

func drafts(d events.Draft, err error) ([]events.Draft, error) {
	if err != nil {
		return nil, err
	}
	return []events.Draft{d}, nil
}
