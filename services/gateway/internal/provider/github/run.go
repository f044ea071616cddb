package github

import (
	cdevents "github.com/cdevents/sdk-go/pkg/api"
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// runID is "actions/runs/ID", and a second attempt of it has an id of its own.
func runID(id, attempt string) string {
	if id == "" {
		return ""
	}
	id = "actions/runs/" + id
	if attempt != "" && attempt != "1" {
		id += "/attempts/" + attempt
	}
	return id
}

func workflowRunID(p payload) string {
	return runID(p.str("workflow_run", "id"), p.str("workflow_run", "run_attempt"))
}

func workflowName(p payload) string {
	return first(p.str("workflow_run", "name"), p.str("workflow", "name"), p.str("workflow_run", "path"))
}

func pipelineRunQueued(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewPipelineRunQueuedEvent()
	if err == nil {
		e.SetSubjectPipelineName(workflowName(p))
		e.SetSubjectUri(p.str("workflow_run", "html_url"))
	}
	return fact(e, err, workflowRunID(p), t, p.when("workflow_run", "created_at"))
}

func pipelineRunStarted(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewPipelineRunStartedEvent()
	if err == nil {
		e.SetSubjectPipelineName(workflowName(p))
		e.SetSubjectUri(p.str("workflow_run", "html_url"))
	}
	return fact(e, err, workflowRunID(p), t, p.when("workflow_run", "run_started_at"))
}

func pipelineRunFinished(p payload, t provider.Translation) (provider.Fact, error) {
	conclusion := p.str("workflow_run", "conclusion")
	e, err := v05.NewPipelineRunFinishedEvent()
	if err == nil {
		e.SetSubjectPipelineName(workflowName(p))
		e.SetSubjectUri(p.str("workflow_run", "html_url"))
		e.SetSubjectOutcome(outcome(conclusion))
		e.SetSubjectErrors(complaint(conclusion))
	}
	f, err := fact(e, err, workflowRunID(p), t, p.when("workflow_run", "updated_at"))
	if conclusion != "" {
		f.Custom = map[string]any{"conclusion": conclusion}
	}
	return f, err
}

func taskRunStarted(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewTaskRunStartedEvent()
	if err == nil {
		e.SetSubjectTaskName(p.str("workflow_job", "name"))
		e.SetSubjectUri(p.str("workflow_job", "html_url"))
		e.SetSubjectPipelineRun(runOfJob(p, t))
	}
	return fact(e, err, jobID(p), t, p.when("workflow_job", "started_at"))
}

func taskRunFinished(p payload, t provider.Translation) (provider.Fact, error) {
	conclusion := p.str("workflow_job", "conclusion")
	e, err := v05.NewTaskRunFinishedEvent()
	if err == nil {
		e.SetSubjectTaskName(p.str("workflow_job", "name"))
		e.SetSubjectUri(p.str("workflow_job", "html_url"))
		e.SetSubjectPipelineRun(runOfJob(p, t))
		e.SetSubjectOutcome(outcome(conclusion))
		e.SetSubjectErrors(complaint(conclusion))
	}
	f, err := fact(e, err, jobID(p), t, p.when("workflow_job", "completed_at"))
	if conclusion != "" {
		f.Custom = map[string]any{"conclusion": conclusion}
	}
	return f, err
}

func jobID(p payload) string {
	id := p.str("workflow_job", "id")
	if id == "" {
		return ""
	}
	if run := p.str("workflow_job", "run_id"); run != "" {
		return runID(run, p.str("workflow_job", "run_attempt")) + "/jobs/" + id
	}
	return "actions/jobs/" + id
}

func runOfJob(p payload, t provider.Translation) *cdevents.Reference {
	id := runID(p.str("workflow_job", "run_id"), p.str("workflow_job", "run_attempt"))
	if id == "" {
		return nil
	}
	return &cdevents.Reference{Id: id, Source: t.Repository}
}

// outcome is CDEvents' word for GitHub's conclusion. What neither succeeded
// nor failed nor was cancelled (neutral, skipped, stale, action_required) has
// none; the conclusion itself is in customData.
func outcome(conclusion string) string {
	switch conclusion {
	case "success":
		return "success"
	case "failure", "timed_out":
		return "failure"
	case "startup_failure":
		return "error"
	case "cancelled":
		return "cancel"
	}
	return ""
}

func complaint(conclusion string) string {
	switch conclusion {
	case "timed_out":
		return "it ran into its time limit"
	case "startup_failure":
		return "it could not be started"
	case "action_required":
		return "it waits for someone to act on GitHub"
	}
	return ""
}
