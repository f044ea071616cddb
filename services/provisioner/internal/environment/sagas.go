package environment

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
)

// The sagas. Names of definitions and step kinds are stored with every saga
// and are never renamed.
const (
	sagaEnvironment = "environment" // makes or changes an environment
	sagaDelete      = "environment-delete"
	sagaResources   = "resources" // makes what a workload needs
	sagaRelease     = "resources-release"

	kindReserve = "reserve"
	kindCreate  = "create-resource"
	kindChange  = "change-resource"
	kindDrop    = "drop-resource"
	kindDestroy = "destroy-resource"
	kindSettle  = "settle"
	kindClose   = "close"
	kindFinish  = "finish"
)

func (e *Environments) sagaDefinitions() []saga.Definition {
	// Bookkeeping in our own store: it fails only while the store does.
	book := saga.Retry{Max: 1000, First: 50 * time.Millisecond, Limit: 5 * time.Second}
	work := saga.Retry{Max: e.cfg.Attempts, First: 200 * time.Millisecond, Limit: 5 * time.Second}
	// Past the point of no return a failure needs a person: try for longer.
	forward := saga.Retry{Max: 4 * e.cfg.Attempts, First: 200 * time.Millisecond, Limit: 10 * time.Second}
	resource := saga.StepKind{
		Do: e.ensureResource, Undo: e.undoResource, Compensation: saga.DestroyCreated,
		Retry: work, Timeout: e.cfg.StepTimeout, UndoDeadline: e.cfg.UndoDeadline,
	}
	change := resource
	change.Compensation = saga.ReapplyPrevious
	drop := saga.StepKind{Do: e.dropResource, Compensation: saga.Irreversible, Retry: forward, Timeout: e.cfg.StepTimeout}
	return []saga.Definition{
		{Name: sagaResources, Events: sagaEvents, Steps: map[string]saga.StepKind{
			kindReserve: {Do: e.reserveClaim, Undo: e.abandonClaim, Compensation: saga.DestroyCreated, Retry: book, UndoDeadline: e.cfg.UndoDeadline},
			kindCreate:  resource,
			kindChange:  change,
			kindDrop:    drop,
			kindSettle:  {Do: e.settleClaim, Retry: book},
		}},
		{Name: sagaEnvironment, Events: sagaEvents, Steps: map[string]saga.StepKind{
			kindReserve: {Do: e.reserveEnvironment, Undo: e.abandonEnvironment, Compensation: saga.ReapplyPrevious, Retry: book, UndoDeadline: e.cfg.UndoDeadline},
			kindCreate:  resource,
			kindChange:  change,
			kindDrop:    drop,
			kindSettle:  {Do: e.settleEnvironment, Retry: book},
		}},
		{Name: sagaRelease, Events: sagaEvents, Steps: map[string]saga.StepKind{
			kindDrop:   drop,
			kindFinish: {Do: e.finishRelease, Retry: book},
		}},
		{Name: sagaDelete, Events: sagaEvents, Steps: map[string]saga.StepKind{
			kindClose:   {Do: e.closeEnvironment, Undo: e.reopenEnvironment, Compensation: saga.ReapplyPrevious, Retry: book, UndoDeadline: e.cfg.UndoDeadline},
			kindDestroy: {Do: e.destroyResource, Compensation: saga.Irreversible, Retry: forward, Timeout: e.cfg.StepTimeout},
			kindFinish:  {Do: e.finishDelete, Retry: book},
		}},
	}
}

// stepID is a resource's step: its key, unless that is the name of another step.
func stepID(key string) string {
	switch key {
	case kindReserve, kindSettle, kindClose, kindFinish:
		return "resource-" + key
	}
	return key
}

func stepIDs(keys []string) []string {
	var out []string
	for _, k := range keys {
		out = append(out, stepID(k))
	}
	return out
}

// ensurePlan reserves, makes every node after those it depends on, lets go of
// what the claim no longer needs, and settles.
func ensurePlan(env Environment, claim string, g graph.Graph) saga.Plan {
	steps := []saga.PlannedStep{{ID: kindReserve, Kind: kindReserve, Title: "environment " + env.Name}}
	all := []string{kindReserve}
	wanted := map[string]bool{}
	for _, n := range g.Nodes {
		kind := kindCreate
		if r := env.Resources[n.Key]; r != nil && r.Applied != nil {
			kind = kindChange
		}
		wanted[n.Key] = true
		all = append(all, stepID(n.Key))
		steps = append(steps, saga.PlannedStep{
			ID: stepID(n.Key), Kind: kind, Title: n.Type + " " + n.Name,
			After: append([]string{kindReserve}, stepIDs(n.After)...), Input: n,
		})
	}
	last := all
	if c := env.Claims[claim]; c != nil {
		var surplus []KeyAfter
		for _, k := range c.Keys {
			if !wanted[k.Key] {
				surplus = append(surplus, k)
			}
		}
		drops := dropSteps(surplus, kindDrop, all)
		for _, d := range drops {
			last = append(slices.Clone(last), d.ID)
		}
		steps = append(steps, drops...)
	}
	return saga.Plan{Steps: append(steps, saga.PlannedStep{ID: kindSettle, Kind: kindSettle, Title: "hand over the outputs", After: last})}
}

// dropSteps let go of resources, each before what it depends on, and all after
// the steps given.
func dropSteps(keys []KeyAfter, kind string, after []string) []saga.PlannedStep {
	among := map[string]bool{}
	for _, k := range keys {
		among[k.Key] = true
	}
	var steps []saga.PlannedStep
	for _, k := range slices.Backward(keys) {
		st := saga.PlannedStep{ID: stepID(k.Key), Kind: kind, After: slices.Clone(after), Input: k}
		for _, other := range keys {
			if other.Key != k.Key && slices.Contains(other.After, k.Key) && among[other.Key] {
				st.After = append(st.After, stepID(other.Key))
			}
		}
		steps = append(steps, st)
	}
	return steps
}

// closingPlan lets go of resources and finishes.
func closingPlan(keys []KeyAfter, kind string, first ...saga.PlannedStep) saga.Plan {
	steps := slices.Clone(first)
	var before []string
	for _, st := range first {
		before = append(before, st.ID)
	}
	last := slices.Clone(before)
	for _, st := range dropSteps(keys, kind, before) {
		steps = append(steps, st)
		last = append(last, st.ID)
	}
	return saga.Plan{Steps: append(steps, saga.PlannedStep{ID: kindFinish, Kind: kindFinish, After: last})}
}

// sagaEvents are the public events of every saga here: rolled back, parked,
// resolved.
func sagaEvents(before, after *saga.Saga) ([]events.Draft, error) {
	was := saga.Status("")
	if before != nil {
		was = before.Status
	}
	if was == after.Status {
		return nil, nil
	}
	var out []events.Draft
	add := func(d events.Draft, err error) error {
		out = append(out, d)
		return err
	}
	var err error
	if was == saga.Parked {
		err = add(pe.SagaResolved.Draft(after.Project, after.ID, resolved(before, after)))
	}
	if err == nil && after.Status == saga.Parked {
		err = add(pe.SagaParked.Draft(after.Project, after.ID, parked(after)))
	}
	rollsBack := after.Definition == sagaEnvironment || after.Definition == sagaResources
	if err == nil && after.Status == saga.Undone && rollsBack {
		err = add(pe.EnvironmentRolledBack.Draft(after.Project, environmentOf(after), rolledBack(after)))
	}
	return out, err
}

func environmentOf(s *saga.Saga) string {
	name, _, _ := strings.Cut(s.Subject, "/")
	return name
}

func parked(s *saga.Saga) events.SagaParkedData {
	d := events.SagaParkedData{Saga: s.ID, Definition: s.Definition, Project: s.Project, Subject: s.Subject,
		Hint: "slipway saga show " + s.ID + ", then retry, skip, adopt or abort it"}
	for _, st := range s.Steps {
		if st.Status == saga.StepUndoFailed || st.Status == saga.StepFailed {
			d.Step, d.Direction, d.Reason, d.Attempts = st.ID, string(st.Direction), st.Reason, st.Attempt
		}
	}
	return d
}

func resolved(before, after *saga.Saga) events.SagaResolvedData {
	d := events.SagaResolvedData{Saga: after.ID, Definition: after.Definition, Project: after.Project, Subject: after.Subject,
		Step: parked(before).Step, Resolution: "aborted", Status: string(after.Status)}
	for _, entry := range after.Journal[len(before.Journal):] {
		switch entry.What {
		case "retried", string(saga.StepSkipped), string(saga.StepAdopted):
			d.Resolution, d.By = entry.What, entry.Reason
		}
	}
	return d
}

// rolledBack lists every step that may have happened, in the order of undoing.
func rolledBack(s *saga.Saga) pe.EnvironmentRolledBackData {
	d := pe.EnvironmentRolledBackData{Environment: environmentOf(s), Project: s.Project, Saga: s.ID, Steps: []events.UndoneStep{}}
	var in struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(s.Input, &in) == nil {
		d.Type = in.Type
	}
	if s.Failure != nil {
		d.Reason, d.FailedStep = s.Failure.Reason, s.Failure.Step
	}
	if s.FinishedAt != nil {
		d.DurationMs = s.FinishedAt.Sub(s.CreatedAt).Milliseconds()
	}
	listed := map[string]bool{}
	for _, entry := range s.Journal {
		st := s.Step(entry.Step)
		settled := entry.What == "undone" || entry.What == string(saga.StepSkipped) || entry.What == string(saga.StepAdopted)
		if st == nil || !settled || entry.Direction != saga.Backward || listed[st.ID] {
			continue
		}
		listed[st.ID] = true
		u := events.UndoneStep{ID: st.ID, Kind: st.Kind, Did: st.Note, Undo: st.UndoNote, Result: string(st.Status)}
		if u.Did == "" && st.Reason != "" {
			u.Did = "failed: " + st.Reason
		}
		d.Steps = append(d.Steps, u)
	}
	return d
}
