package api

import (
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/deployer/internal/pipeline"
)

// Pipeline as the API shows it.
type Pipeline struct {
	pipeline.Pipeline
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func showPipeline(v pipeline.Versioned) Pipeline {
	return Pipeline{Pipeline: v.State, Version: v.Version, CreatedAt: v.Created, UpdatedAt: v.Updated}
}

func (a *API) listPipelines(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	found, next, err := a.Pipelines.List(r.Context(), r.PathValue("project"), limit, cursor)
	if err != nil {
		return err
	}
	out := make([]Pipeline, 0, len(found))
	for _, v := range found {
		out = append(out, showPipeline(v))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
	return nil
}

func (a *API) getPipeline(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Pipelines.Get(r.Context(), r.PathValue("project"), r.PathValue("pipeline"))
	if err != nil {
		return missing(err, "pipeline", r.PathValue("pipeline"), "List them with: slipway get pipelines")
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, showPipeline(v))
	return nil
}

func (a *API) deletePipeline(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("pipeline")
	if err := a.Pipelines.Remove(r.Context(), r.PathValue("project"), name, CauseOf(r.Context())); err != nil {
		return missing(err, "pipeline", name, "List them with: slipway get pipelines")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Run is a pipeline run as the API shows it.
type Run struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"` // its id, where a table wants a name
	Project       string            `json:"project"`
	Pipeline      string            `json:"pipeline"`
	Workload      string            `json:"workload"`
	Artifact      string            `json:"artifact"`
	Digest        string            `json:"digest,omitempty"`
	Repository    string            `json:"repository,omitempty"`
	Commit        string            `json:"commit,omitempty"`
	Status        string            `json:"status"`
	Reason        string            `json:"reason,omitempty"`
	Environment   string            `json:"environment"`
	Deployment    string            `json:"deployment,omitempty"`
	Deadline      time.Time         `json:"deadline"`
	CorrelationID string            `json:"correlationId,omitempty"`
	Actor         string            `json:"actor,omitempty"`
	StartedAt     time.Time         `json:"startedAt"`
	FinishedAt    *time.Time        `json:"finishedAt,omitempty"`
	Links         map[string]string `json:"links"`
}

func showRun(r pipeline.Run) Run {
	out := Run{
		ID: r.ID, Name: r.ID, Project: r.Project, Pipeline: r.Pipeline, Workload: r.Workload, Artifact: r.Artifact, Digest: r.Digest,
		Repository: r.Repository, Commit: r.Commit, Status: r.Status, Reason: r.Reason, Environment: r.Stage.Environment,
		Deployment: r.Deployment, Deadline: r.Deadline, CorrelationID: r.Story.CorrelationID, Actor: r.Story.Actor,
		StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Links: map[string]string{},
	}
	if r.Deployment != "" {
		out.Links["operation"] = "/api/v1/operations/" + r.Deployment
	}
	if r.Story.CorrelationID != "" {
		out.Links["timeline"] = "/api/v1/timelines/" + r.Story.CorrelationID
	}
	return out
}

func (a *API) listRuns(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	found, next, err := a.Runs.List(r.Context(), r.PathValue("project"), q.Get("status"), q.Get("pipeline"), limit, cursor)
	if err != nil {
		return err
	}
	out := make([]Run, 0, len(found))
	for _, one := range found {
		out = append(out, showRun(one))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
	return nil
}

func (a *API) getRun(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("run")
	const hint = "List them with: slipway get pipeline-runs"
	run, err := a.Runs.Get(r.Context(), id)
	if err != nil {
		return missing(err, "pipeline run", id, hint)
	}
	if run.Project != r.PathValue("project") {
		return httpapi.NotFound("pipeline run", id, hint)
	}
	httpapi.JSON(w, http.StatusOK, showRun(run))
	return nil
}
