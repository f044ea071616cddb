package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/run"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// Runs are the runs of all stacks: package run.
type Runs interface {
	Get(ctx context.Context, id string) (run.Run, error)
	List(ctx context.Context, f run.Filter) (page []run.Run, next string, err error)
	Log(ctx context.Context, id string, offset int64) (piece []byte, next int64, over bool, err error)
	Watch(id string) (changed <-chan struct{}, stop func())
	Approve(ctx context.Context, cause events.Cause, id, digest string) (run.Run, error)
	Discard(ctx context.Context, cause events.Cause, id, reason string) (run.Run, error)
	Cancel(ctx context.Context, cause events.Cause, id, reason string) (run.Run, error)
}

func (a *API) runRoutes(s httpapi.Surface) {
	const runs = "/api/v1/projects/{project}/runs"
	s.Handle("GET "+runs, a.listRuns)
	s.Handle("GET "+runs+"/{run}", a.getRun)
	s.Handle("GET "+runs+"/{run}/log", a.getRunLog)
	s.Handle("POST "+runs+"/{run}/approve", a.approveRun)
	s.Handle("POST "+runs+"/{run}/discard", a.discardRun)
	s.Handle("POST "+runs+"/{run}/cancel", a.cancelRun)
}

// Run as the API shows it. No secret value is in it. A list leaves out changes
// and diagnostics.
type Run struct {
	ID              string              `json:"id"`
	Project         string              `json:"project"`
	Environment     string              `json:"environment"`
	EnvironmentType string              `json:"environmentType,omitempty"`
	Resource        string              `json:"resource"`
	Stack           string              `json:"stack"`
	Definition      string              `json:"definition,omitempty"`
	Operation       string              `json:"operation"`
	Status          run.Status          `json:"status"`
	Summary         string              `json:"summary"`           // one sentence
	Waiting         string              `json:"waiting,omitempty"` // what for
	Result          string              `json:"result,omitempty"`  // applied, destroyed, unchanged, planned, drifted, failed, discarded
	Reason          string              `json:"reason,omitempty"`
	Fault           run.Fault           `json:"fault,omitempty"`
	Engine          *Engine             `json:"engine,omitempty"`
	ModuleDigest    string              `json:"moduleDigest,omitempty"`
	Saga            string              `json:"saga,omitempty"`
	Step            string              `json:"step,omitempty"`
	Why             string              `json:"why,omitempty"`
	Actor           string              `json:"actor,omitempty"`
	CorrelationID   string              `json:"correlationId,omitempty"`
	Planned         bool                `json:"planned"`
	HasChanges      bool                `json:"hasChanges"`
	Counts          plan.Counts         `json:"counts"`
	Changes         []plan.Change       `json:"changes,omitempty"`
	PlanDigest      string              `json:"planDigest,omitempty"` // what an approval names
	Serial          int64               `json:"serial,omitempty"`     // of the state it was planned for
	Decision        *run.Decision       `json:"decision,omitempty"`
	Approval        *run.Approval       `json:"approval,omitempty"`
	Stopped         *run.Approval       `json:"stopped,omitempty"`
	Made            []string            `json:"made,omitempty"`
	Gone            []string            `json:"gone,omitempty"`
	Unresolved      []string            `json:"unresolved,omitempty"`
	Drift           []string            `json:"drift,omitempty"`
	Diagnostics     []runner.Diagnostic `json:"diagnostics,omitempty"`
	CreatedAt       time.Time           `json:"createdAt"`
	PlanningAt      time.Time           `json:"planningAt,omitzero"`
	PlannedAt       time.Time           `json:"plannedAt,omitzero"`
	ApplyingAt      time.Time           `json:"applyingAt,omitzero"`
	FinishedAt      time.Time           `json:"finishedAt,omitzero"`
	Links           map[string]string   `json:"links"`
}

// Engine that carries a run out. Where it stands on this machine is nobody's
// business.
type Engine struct {
	Kind    string `json:"kind"`
	Version string `json:"version,omitempty"`
}

func showRun(r run.Run) Run {
	self := runPath(r.Project, r.ID)
	v := Run{
		ID: r.ID, Project: r.Project, Environment: r.Environment, EnvironmentType: r.EnvironmentType, Resource: r.Resource,
		Stack: r.Stack, Definition: r.Definition, Operation: r.Operation, Status: r.Status, Summary: summaryOf(r), Waiting: r.Waits,
		Result: resultOf(r), Reason: r.Reason, Fault: r.Fault, ModuleDigest: r.ModuleDigest, Saga: r.Saga, Step: r.Step, Why: r.Why,
		Actor: r.Cause.Actor, CorrelationID: r.Cause.CorrelationID, Planned: r.Planned, HasChanges: r.HasChanges, Counts: r.Counts,
		Changes: r.Changes, PlanDigest: r.PlanDigest, Serial: r.Serial, Decision: r.Decision, Approval: r.Approval, Stopped: r.Stop,
		Made: r.Made, Gone: r.Gone, Unresolved: r.Unresolved, Drift: r.Drifted, Diagnostics: r.Diags,
		CreatedAt: r.CreatedAt, PlanningAt: r.PlanningAt, PlannedAt: r.PlannedAt, ApplyingAt: r.ApplyingAt, FinishedAt: r.OverAt,
		Links: map[string]string{"self": self, "log": self + "/log"},
	}
	if r.Engine.Kind != "" {
		v.Engine = &Engine{Kind: string(r.Engine.Kind), Version: r.Engine.Version}
	}
	if r.Saga != "" {
		v.Links["saga"] = "/api/v1/sagas/" + r.Saga
	}
	if r.Decision != nil {
		v.Links["decision"] = "/api/v1/decisions/" + r.Decision.ID
	}
	return v
}

// showListed is a run without what makes it long.
func showListed(r run.Run) Run {
	v := showRun(r)
	v.Changes, v.Diagnostics = nil, nil
	return v
}

func runPath(project, id string) string { return "/api/v1/projects/" + project + "/runs/" + id }

// resultOf says in a word how a run ended; "" while it goes on.
func resultOf(r run.Run) string {
	switch {
	case !r.Status.Over():
		return ""
	case r.Status != run.Finished:
		return string(r.Status)
	case r.Operation == runner.OpPlan:
		return "planned"
	case r.Operation == runner.OpDrift && r.HasChanges:
		return "drifted"
	case !r.HasChanges:
		return "unchanged"
	case r.Operation == runner.OpDestroy:
		return "destroyed"
	}
	return "applied"
}

// summaryOf says in a sentence what a run does or did.
func summaryOf(r run.Run) string {
	engine := string(r.Engine.Kind)
	if engine == "" {
		engine = "no engine yet"
	}
	did := plan.Summary(r.Counts)
	if r.Planned && !r.HasChanges {
		did = "nothing to do"
	}
	switch {
	case !r.Status.Over() && !r.Planned:
		return r.Sentence()
	case !r.Status.Over():
		return fmt.Sprintf("%s (%s): %s", r.Sentence(), engine, did)
	case r.Status == run.Finished:
		return fmt.Sprintf("%s (%s): %s", resultOf(r), engine, did)
	}
	return fmt.Sprintf("%s: %s", r.Status, r.Reason)
}

func (a *API) listRuns(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	f := run.Filter{
		Project: r.PathValue("project"), Environment: q.Get("environment"), Stack: q.Get("stack"),
		Status: run.Status(q.Get("status")), Limit: limit, Cursor: cursor,
	}
	known := []run.Status{"", run.Queued, run.Planning, run.Waiting, run.Applying, run.Finished, run.Failed, run.Discarded}
	if !slices.Contains(known, f.Status) {
		return httpapi.BadRequest(fmt.Sprintf("status=%s is none of queued, planning, waiting, applying, finished, failed, discarded.", f.Status))
	}
	page, next, err := a.Runs.List(r.Context(), f)
	if err != nil {
		return err
	}
	items := []Run{}
	for _, one := range page {
		items = append(items, showListed(one))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

// runOf is the run that a request names, in its project.
func (a *API) runOf(r *http.Request) (run.Run, error) {
	id := r.PathValue("run")
	found, err := a.Runs.Get(r.Context(), id)
	if err == nil && found.Project == r.PathValue("project") {
		return found, nil
	}
	if err == nil {
		return run.Run{}, httpapi.NotFound("run", id, "List them with: slipway run list")
	}
	return run.Run{}, missing(err, "run", id, "List them with: slipway run list")
}

func (a *API) getRun(w http.ResponseWriter, r *http.Request) error {
	found, err := a.runOf(r)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, showRun(found))
	return nil
}

// approveRun lets a run go on. Whoever approves names what was looked at.
func (a *API) approveRun(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Digest string `json:"digest"`
	}
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	found, err := a.runOf(r)
	if err != nil {
		return err
	}
	if body.Digest == "" {
		return httpapi.Unprocessable(httpapi.Fault{Pointer: "/digest", Message: "which plan is approved is missing: its planDigest"})
	}
	found, err = a.Runs.Approve(r.Context(), httpapi.CauseOf(r.Context()), found.ID, body.Digest)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, showRun(found))
	return nil
}

func (a *API) discardRun(w http.ResponseWriter, r *http.Request) error {
	return a.stopRun(w, r, a.Runs.Discard)
}

func (a *API) cancelRun(w http.ResponseWriter, r *http.Request) error {
	return a.stopRun(w, r, a.Runs.Cancel)
}

func (a *API) stopRun(w http.ResponseWriter, r *http.Request, stop func(context.Context, events.Cause, string, string) (run.Run, error)) error {
	var body struct {
		Reason string `json:"reason"`
	}
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	found, err := a.runOf(r)
	if err != nil {
		return err
	}
	found, err = stop(r.Context(), httpapi.CauseOf(r.Context()), found.ID, body.Reason)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, showRun(found))
	return nil
}
