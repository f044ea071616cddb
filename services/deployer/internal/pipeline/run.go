package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
)

// The states of a run.
const (
	Waiting = "waiting" // for its artifact
	Running = "running" // its deployment is at work
	Done    = "done"
	Failed  = "failed"  // its deployment failed and was undone
	Expired = "expired" // its artifact never came
)

// lookAgain is how often a waiting run looks by itself; normally it is told.
const lookAgain = 15 * time.Second

// Run is one pipeline at work on one artifact of one commit.
type Run struct {
	ID         string     `json:"id"`
	Project    string     `json:"project"`
	Pipeline   string     `json:"pipeline"`
	Workload   string     `json:"workload"`
	Artifact   string     `json:"artifact"`         // as it was announced: orders:1.4.0
	Digest     string     `json:"digest,omitempty"` // orders@sha256:…, once it is there
	Repository string     `json:"repository,omitempty"`
	Commit     string     `json:"commit,omitempty"`
	Status     string     `json:"status"`
	Reason     string     `json:"reason,omitempty"`
	Stage      Stage      `json:"stage"`
	Deployment string     `json:"deployment,omitempty"`
	Deadline   time.Time  `json:"deadline"` // for the artifact
	StartedAt  time.Time  `json:"startedAt"`
	FinishedAt *time.Time `json:"finishedAt,omitempty"`
	// Story is the cause of the run: what it does later belongs to it.
	Story events.Cause `json:"story"`
}

// Runs keeps runs and moves them on.
type Runs struct {
	repo      *aggregate.Repository[Run]
	notices   *aggregate.Repository[notice]
	pipelines *Pipelines
	artifacts *artifact.Store
	clock     func() time.Time
}

// NewRuns makes it over a service's store.
func NewRuns(s store.Store, service string, pipelines *Pipelines, artifacts *artifact.Store, clock func() time.Time, log zerolog.Logger) *Runs {
	return &Runs{
		pipelines: pipelines, artifacts: artifacts, clock: clock,
		repo: aggregate.New(s, aggregate.Options[Run]{Service: service, Kind: "pipeline-run", Clock: clock, Log: log, Indexes: func(r *Run) store.Indexes {
			ix := store.Indexes{"project": {r.Project}, "status": {r.Project + "/" + r.Status}, "pipeline": {r.Project + "/" + r.Pipeline}}
			if r.Status == Waiting {
				ix["waits"] = []string{r.Project + "/" + r.Artifact}
			}
			return ix
		}}),
		notices: aggregate.New(s, aggregate.Options[notice]{Service: service, Kind: "artifact-notice", Clock: clock}),
	}
}

// Start begins a run, or does nothing where there is one already.
func (r *Runs) Start(ctx context.Context, d deployer.StartPipelineData, cause events.Cause) error {
	p, err := r.pipelines.Get(ctx, d.Project, d.Pipeline)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s/%s: %w", d.Project, d.Pipeline, ErrNoPipeline)
	}
	if err != nil {
		return err
	}
	found, err := r.resolve(ctx, d.Project, d.Artifact)
	if err != nil {
		return err
	}
	id := RunID(d)
	v, err := r.repo.Update(ctx, id, cause, func(s *Run, exists bool) (aggregate.Decision, error) {
		if exists {
			return aggregate.Decision{Skip: true}, nil
		}
		now := r.clock().UTC()
		*s = Run{
			ID: id, Project: d.Project, Pipeline: d.Pipeline, Workload: d.Workload, Artifact: d.Artifact,
			Repository: d.SourceRepository, Commit: d.Commit, Status: Waiting, Stage: p.State.Spec.Stages[0],
			Deadline: now.Add(p.State.Spec.WaitForArtifact.Std()), StartedAt: now,
			Story: events.Cause{ID: cause.ID, CorrelationID: cause.CorrelationID, Actor: cause.Actor, TraceParent: cause.TraceParent},
		}
		if found != nil {
			return s.deploy(*found)
		}
		s.Reason = fmt.Sprintf("artifact %s is not there yet; it may be pushed until %s", s.Artifact, s.Deadline.Format(time.RFC3339))
		held, err := deployer.DeploymentHeld.Draft(s.Project, s.subject(), deployer.DeploymentHeldData{
			Deployment: s.facts(), Step: "artifact", Reason: s.Reason, Until: s.Deadline,
		})
		return aggregate.Decision{Events: []events.Draft{held}, WakeAt: s.nextLook(now)}, err
	})
	if err != nil || v.State.Status != Waiting {
		return err
	}
	// It may have been pushed between our look and our commit.
	return r.Look(ctx, id, events.Cause{})
}

func (s *Run) subject() string { return s.Stage.Environment + "/" + s.Workload }

func (s *Run) nextLook(now time.Time) time.Time {
	if next := now.Add(lookAgain); next.Before(s.Deadline) {
		return next
	}
	return s.Deadline
}

func (s *Run) facts() deployer.Deployment {
	return deployer.Deployment{
		Deployment: s.Deployment, Project: s.Project, Environment: s.Stage.Environment, EnvironmentType: s.Stage.Type, Workload: s.Workload,
		Artifact: s.Digest, Version: s.Artifact, Strategy: s.Stage.Strategy, PipelineRun: s.ID, Commit: s.Commit,
	}
}

// deploy commits the command that deploys the first stage.
func (s *Run) deploy(a artifact.Artifact) (aggregate.Decision, error) {
	s.Status, s.Reason, s.Digest = Running, "", a.Ref()
	s.Deployment = deployment.Prefix + strings.TrimPrefix(s.ID, "run-")
	draft, err := deployer.Deploy.Draft(s.Project, s.subject(), deployer.DeployData{
		Deployment: s.Deployment, Project: s.Project, Environment: s.Stage.Environment, EnvironmentType: s.Stage.Type,
		Workload: s.Workload, Artifact: s.Digest, Version: a.Tag(), Strategy: s.Stage.Strategy,
		PipelineRun: s.ID, Commit: s.Commit, Cause: deployment.ReasonPipeline,
	})
	// Whatever finds the artifact, the deployment belongs to the run's story.
	draft.CorrelationID, draft.Actor = s.Story.CorrelationID, s.Story.Actor
	return aggregate.Decision{Events: []events.Draft{draft}}, err
}

func (r *Runs) resolve(ctx context.Context, project, name string) (*artifact.Artifact, error) {
	ref, err := artifact.ParseReference(name)
	if err != nil {
		return nil, nil // it can never be there: the run expires and says which name it waited for
	}
	a, err := r.artifacts.Resolve(ctx, project, ref)
	var unknown *artifact.UnknownError
	if errors.As(err, &unknown) {
		return nil, nil
	}
	return &a, err
}

// Look moves a waiting run on: its artifact is there, or its time is over, or
// it waits on.
func (r *Runs) Look(ctx context.Context, id string, cause events.Cause) error {
	v, err := r.repo.Get(ctx, id)
	if err != nil || v.State.Status != Waiting {
		return err
	}
	found, err := r.resolve(ctx, v.State.Project, v.State.Artifact)
	if err != nil {
		return err
	}
	_, err = r.repo.Update(ctx, id, cause, func(s *Run, _ bool) (aggregate.Decision, error) {
		if s.Status != Waiting {
			return aggregate.Decision{Skip: true}, nil
		}
		now := r.clock().UTC()
		switch {
		case found != nil:
			return s.deploy(*found)
		case now.Before(s.Deadline):
			return aggregate.Decision{WakeAt: s.nextLook(now)}, nil
		}
		s.Status, s.FinishedAt = Expired, &now
		s.Reason = fmt.Sprintf("artifact %s was not there within %s of being announced", s.Artifact, s.Deadline.Sub(s.StartedAt))
		draft, err := deployer.DeploymentFailed.Draft(s.Project, s.subject(), deployer.DeploymentFailedData{
			Deployment: s.facts(), Step: "artifact", Reason: s.Reason, DurationMs: now.Sub(s.StartedAt).Milliseconds(),
		})
		draft.CorrelationID, draft.Actor = s.Story.CorrelationID, s.Story.Actor
		return aggregate.Decision{Events: []events.Draft{draft}}, err
	})
	return err
}

// Stored moves on every run that waits for an artifact that was just pushed.
func (r *Runs) Stored(ctx context.Context, project, tag string, cause events.Cause) error {
	for {
		found, _, err := r.repo.List(ctx, aggregate.Filter{Where: []store.Term{{Index: "waits", Value: project + "/" + tag}}, Limit: store.MaxLimit})
		if err != nil {
			return err
		}
		for _, v := range found {
			if err := r.Look(ctx, v.ID, cause); err != nil {
				return err
			}
		}
		if len(found) < store.MaxLimit {
			return nil
		}
	}
}

// Ended notes how a run's deployment ended; reason is "" where it went well.
func (r *Runs) Ended(ctx context.Context, id, deployment, reason string, cause events.Cause) error {
	if id == "" {
		return nil
	}
	_, err := r.repo.Update(ctx, id, cause, func(s *Run, exists bool) (aggregate.Decision, error) {
		if !exists || s.Status != Running || s.Deployment != deployment {
			return aggregate.Decision{Skip: true}, nil
		}
		now := r.clock().UTC()
		s.Status, s.FinishedAt, s.Reason = Done, &now, reason
		if reason != "" {
			s.Status = Failed
		}
		return aggregate.Decision{}, nil
	})
	return err
}

// Sweep looks after waiting runs until ctx ends.
func (r *Runs) Sweep(ctx context.Context) error {
	return r.repo.Sweep(ctx, func(ctx context.Context, v aggregate.Versioned[Run]) error {
		return r.Look(ctx, v.ID, events.Cause{})
	})
}

// Get returns a run; store.ErrNotFound where there is none.
func (r *Runs) Get(ctx context.Context, id string) (Run, error) {
	v, err := r.repo.Get(ctx, id)
	return v.State, err
}

// List is a page of a project's runs, newest first; status and pipeline may be "".
func (r *Runs) List(ctx context.Context, project, status, pipeline string, limit int, cursor string) ([]Run, string, error) {
	where := []store.Term{{Index: "project", Value: project}}
	if status != "" {
		where = append(where, store.Term{Index: "status", Value: project + "/" + status})
	}
	if pipeline != "" {
		where = append(where, store.Term{Index: "pipeline", Value: project + "/" + pipeline})
	}
	found, next, err := r.repo.List(ctx, aggregate.Filter{Where: where, Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor})
	out := make([]Run, 0, len(found))
	for _, v := range found {
		out = append(out, v.State)
	}
	return out, next, err
}
