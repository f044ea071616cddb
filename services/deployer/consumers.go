package deployer

import (
	"context"
	"errors"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	deployerevents "github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
	"github.com/slipway-idp/slipway/services/deployer/internal/pipeline"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// consumers is what the deployer listens to.
func consumers(s *Service) []bus.Consumer {
	return []bus.Consumer{
		// from outside: somebody built something
		bus.On(cdevents.ArtifactPublished, "deployer-start-pipelines", s.onArtifactPublished, bus.FromOutside()),

		// commands to this service
		bus.On(deployerevents.StartPipeline, "deployer-start-pipeline", s.onStartPipeline),
		bus.On(deployerevents.ResumePipeline, "deployer-resume-pipeline", s.onResumePipeline),
		bus.On(deployerevents.Deploy, "deployer-deploy", s.onDeploy),

		// what a pipeline run waits for
		bus.On(deployerevents.ArtifactStored, "deployer-continue-after-artifact", s.onArtifactStored),
		bus.On(deployerevents.DeploymentSucceeded, "deployer-run-after-success", s.onSucceeded),
		bus.On(deployerevents.DeploymentFailed, "deployer-run-after-failure", s.onFailed),

		// the provisioner's answers
		bus.On(provisioner.ResourcesReady, "deployer-continue-after-resources", s.onResourcesReady),
		bus.On(provisioner.ResourcesFailed, "deployer-turn-back-after-resources", s.onResourcesFailed),
		bus.On(provisioner.ResourcesReleased, "deployer-continue-after-release", s.onResourcesReleased),

		// facts about environments
		bus.On(cdevents.EnvironmentCreated, "deployer-note-environment", onEnvironment[cdevents.EnvironmentCreatedContent](s)),
		bus.On(cdevents.EnvironmentModified, "deployer-note-environment-change", onEnvironment[cdevents.EnvironmentModifiedContent](s)),
		bus.On(cdevents.EnvironmentDeleted, "deployer-clear-environment", s.onEnvironmentDeleted),
	}
}

func (s *Service) onArtifactPublished(ctx context.Context, m bus.Message[cdevents.Fact[cdevents.ArtifactPublishedContent]]) error {
	a := pipeline.Announcement{
		Project: events.Extension(m.Event, "project"), Artifact: pipeline.FromPurl(m.Data.SubjectID),
		Repository: m.Data.Custom.Repository, Commit: m.Data.Custom.Commit, Event: m.Event.ID(),
	}
	if ours := m.Data.Custom.Slipway; ours != nil {
		a.Workload = ours.Workload
		if ours.Artifact != "" {
			a.Artifact = ours.Artifact
		}
	}
	return s.runs.Announced(ctx, a, m.Cause)
}

func (s *Service) onStartPipeline(ctx context.Context, m bus.Message[deployerevents.StartPipelineData]) error {
	err := s.runs.Start(ctx, m.Data, m.Cause)
	if errors.Is(err, pipeline.ErrNoPipeline) {
		s.c.Log.Info().Err(err).Msg("an artifact was published, but its pipeline was deleted meanwhile")
		return nil
	}
	return err
}

func (s *Service) onResumePipeline(ctx context.Context, m bus.Message[deployerevents.ResumePipelineData]) error {
	return gone(s.runs.Look(ctx, m.Data.PipelineRun, m.Cause))
}

func (s *Service) onDeploy(ctx context.Context, m bus.Message[deployerevents.DeployData]) error {
	d := m.Data
	id := d.Deployment
	if id == "" {
		id = deployment.Prefix + m.Event.ID()
	}
	_, err := s.deployments.Deploy(ctx, deployment.Request{
		ID: id, Project: d.Project, Environment: d.Environment, EnvironmentType: d.EnvironmentType, Workload: d.Workload,
		Artifact: d.Artifact, Strategy: d.Strategy, Reason: d.Cause, PipelineRun: d.PipelineRun, Commit: d.Commit,
	}, m.Cause)
	if !wrong(err) {
		return err
	}
	// The request itself will never do. A pipeline run shows why; a command
	// without one is looked at as a dead letter.
	if d.PipelineRun != "" {
		return s.runs.Ended(ctx, d.PipelineRun, id, err.Error(), m.Cause)
	}
	return bus.Permanent(err)
}

// wrong reports an error that trying again does not mend.
func wrong(err error) bool {
	var (
		invalid *deployment.InvalidError
		unknown *artifact.UnknownError
		file    *score.InvalidError
	)
	return errors.As(err, &invalid) || errors.As(err, &unknown) || errors.As(err, &file)
}

func (s *Service) onArtifactStored(ctx context.Context, m bus.Message[deployerevents.ArtifactStoredData]) error {
	if err := s.runs.Stored(ctx, m.Data.Project, m.Data.Name+":"+m.Data.Version, m.Cause); err != nil {
		return err
	}
	return s.runs.Stored(ctx, m.Data.Project, m.Data.Name+"@"+m.Data.Digest, m.Cause)
}

func (s *Service) onSucceeded(ctx context.Context, m bus.Message[deployerevents.DeploymentSucceededData]) error {
	return s.runs.Ended(ctx, m.Data.PipelineRun, m.Data.Deployment.Deployment, "", m.Cause)
}

func (s *Service) onFailed(ctx context.Context, m bus.Message[deployerevents.DeploymentFailedData]) error {
	return s.runs.Ended(ctx, m.Data.PipelineRun, m.Data.Deployment.Deployment, m.Data.Step+": "+m.Data.Reason, m.Cause)
}

func (s *Service) onResourcesReady(ctx context.Context, m bus.Message[provisioner.ResourcesReadyData]) error {
	reply, err := deployment.ReplyReady(m.Data)
	if err != nil {
		return bus.Permanent(err)
	}
	return s.reply(ctx, m.Cause, reply)
}

func (s *Service) onResourcesFailed(ctx context.Context, m bus.Message[provisioner.ResourcesFailedData]) error {
	return s.reply(ctx, m.Cause, deployment.ReplyFailed(m.Data))
}

func (s *Service) onResourcesReleased(ctx context.Context, m bus.Message[provisioner.ResourcesReleasedData]) error {
	return s.reply(ctx, m.Cause, deployment.ReplyReleased(m.Data))
}

// reply gives a saga its answer. Answers to others' sagas are not ours.
func (s *Service) reply(ctx context.Context, cause events.Cause, r runner.Reply) error {
	return gone(s.runner.Reply(ctx, cause, r))
}

// gone takes what is no longer there for settled.
func gone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func onEnvironment[C any](s *Service) func(context.Context, bus.Message[cdevents.Fact[C]]) error {
	return func(ctx context.Context, m bus.Message[cdevents.Fact[C]]) error {
		ours := m.Data.Custom.Slipway
		if ours == nil || ours.EnvironmentType == "" {
			return nil
		}
		project, name := environmentOf(m.Event, ours, m.Data.SubjectID)
		return s.deployments.SetType(ctx, project, name, ours.EnvironmentType, m.Cause)
	}
}

func (s *Service) onEnvironmentDeleted(ctx context.Context, m bus.Message[cdevents.Fact[cdevents.EnvironmentDeletedContent]]) error {
	project, name := environmentOf(m.Event, m.Data.Custom.Slipway, m.Data.SubjectID)
	return s.deployments.Removed(ctx, project, name, m.Event.Time(), m.Cause)
}

func environmentOf(e events.Event, ours *cdevents.Slipway, subject string) (project, name string) {
	project, name = events.Extension(e, "project"), subject
	if ours != nil && ours.Environment != "" {
		name = ours.Environment
	}
	return project, name
}
