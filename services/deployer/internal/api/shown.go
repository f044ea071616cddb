package api

import (
	"time"

	"github.com/slipway-idp/slipway/libs/saga/runner"
)

// Deployment as the API shows it.
type Deployment struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"` // its id, where a table wants a name
	Workload        string            `json:"workload"`
	Environment     string            `json:"environment"`
	EnvironmentType string            `json:"environmentType"`
	Outcome         string            `json:"outcome"`
	Status          string            `json:"status"`
	Artifact        string            `json:"artifact"`
	Version         string            `json:"version"`
	Strategy        string            `json:"strategy"`
	Cause           string            `json:"cause"`
	Set             string            `json:"set,omitempty"`
	PreviousSet     string            `json:"previousSet,omitempty"`
	Instance        string            `json:"instance,omitempty"`
	PipelineRun     string            `json:"pipelineRun,omitempty"`
	Commit          string            `json:"commit,omitempty"`
	URL             string            `json:"url,omitempty"`
	Reason          string            `json:"reason,omitempty"`
	LogTail         []string          `json:"logTail,omitempty"`
	Actor           string            `json:"actor,omitempty"`
	CorrelationID   string            `json:"correlationId,omitempty"`
	DurationMs      int64             `json:"durationMs,omitempty"`
	CreatedAt       time.Time         `json:"createdAt"`
	FinishedAt      *time.Time        `json:"finishedAt,omitempty"`
	Links           map[string]string `json:"links"`
}

func (a *API) show(v runner.Versioned) (Deployment, error) {
	s := v.State
	d, err := a.Deployments.ViewOf(s)
	if err != nil {
		return Deployment{}, err
	}
	in := d.Input
	out := Deployment{
		ID: s.ID, Name: s.ID, Workload: in.Workload, Environment: in.Environment, EnvironmentType: in.EnvironmentType,
		Outcome: d.Outcome, Status: string(s.Status), Artifact: in.Artifact, Version: in.Version, Strategy: in.Strategy, Cause: in.Reason,
		Set: d.Set, PreviousSet: d.PreviousSet, Instance: d.Instance, PipelineRun: in.PipelineRun, Commit: in.Commit, URL: d.URL,
		Reason: d.Reason, LogTail: d.LogTail, Actor: in.Actor, CorrelationID: d.Correlation, DurationMs: d.DurationMs,
		CreatedAt: s.CreatedAt, FinishedAt: s.FinishedAt,
		Links: map[string]string{"operation": "/api/v1/operations/" + s.ID, "saga": "/api/v1/sagas/" + s.ID},
	}
	if d.Correlation != "" {
		out.Links["timeline"] = "/api/v1/timelines/" + d.Correlation
	}
	return out, nil
}
