package sentence

import (
	"fmt"

	"github.com/slipway-idp/slipway/events"
	cd "github.com/slipway-idp/slipway/events/cdevents"
)

// cdevent are the sentences of the CDEvents types that people meet most; the
// others get the plain one.
func cdevent() []speaker {
	return []speaker{
		on(cd.ChangeCreated, func(_ events.Event, f cd.Fact[cd.ChangeCreatedContent]) string {
			return "change " + f.SubjectID + " was opened"
		}),
		on(cd.ChangeMerged, func(_ events.Event, f cd.Fact[cd.ChangeMergedContent]) string {
			return join("change", f.SubjectID, "was merged", commitOf(f.Custom))
		}),
		on(cd.ChangeReviewed, func(_ events.Event, f cd.Fact[cd.ChangeReviewedContent]) string {
			return "change " + f.SubjectID + " was reviewed"
		}),
		on(cd.BranchCreated, func(_ events.Event, f cd.Fact[cd.BranchCreatedContent]) string {
			return "branch " + f.SubjectID + " was created"
		}),
		on(cd.PipelineRunQueued, func(_ events.Event, f cd.Fact[cd.PipelineRunQueuedContent]) string {
			return join("pipeline", or(f.Content.PipelineName, f.SubjectID), "is queued", commitOf(f.Custom))
		}),
		on(cd.PipelineRunStarted, func(_ events.Event, f cd.Fact[cd.PipelineRunStartedContent]) string {
			return join("pipeline", or(f.Content.PipelineName, f.SubjectID), "started", commitOf(f.Custom))
		}),
		on(cd.PipelineRunFinished, func(_ events.Event, f cd.Fact[cd.PipelineRunFinishedContent]) string {
			return join("pipeline", or(f.Content.PipelineName, f.SubjectID), "finished", with("with outcome %s", f.Content.Outcome), commitOf(f.Custom))
		}),
		on(cd.TestSuiteRunFinished, func(_ events.Event, f cd.Fact[cd.TestSuiteRunFinishedContent]) string {
			return join("test suite", f.SubjectID, "finished", with("with outcome %s", f.Content.Outcome))
		}),
		on(cd.ArtifactPackaged, func(_ events.Event, f cd.Fact[cd.ArtifactPackagedContent]) string {
			return artifact(f.SubjectID, f.Custom) + " was packaged"
		}),
		on(cd.ArtifactPublished, func(_ events.Event, f cd.Fact[cd.ArtifactPublishedContent]) string {
			return artifact(f.SubjectID, f.Custom) + " was published"
		}),
		on(cd.EnvironmentCreated, func(_ events.Event, f cd.Fact[cd.EnvironmentCreatedContent]) string {
			return "environment " + or(f.Content.Name, f.SubjectID) + " was created"
		}),
		on(cd.EnvironmentModified, func(_ events.Event, f cd.Fact[cd.EnvironmentModifiedContent]) string {
			return "environment " + or(f.Content.Name, f.SubjectID) + " was modified"
		}),
		on(cd.EnvironmentDeleted, func(_ events.Event, f cd.Fact[cd.EnvironmentDeletedContent]) string {
			return "environment " + or(f.Content.Name, f.SubjectID) + " was deleted"
		}),
		on(cd.ServiceDeployed, func(_ events.Event, f cd.Fact[cd.ServiceDeployedContent]) string {
			return join(service(f.SubjectID, f.Custom), "was deployed", to(f.Content.Environment), with("as %s", short(f.Content.ArtifactId)))
		}),
		on(cd.ServiceUpgraded, func(_ events.Event, f cd.Fact[cd.ServiceUpgradedContent]) string {
			return join(service(f.SubjectID, f.Custom), "was upgraded", in(f.Content.Environment), with("to %s", short(f.Content.ArtifactId)))
		}),
		on(cd.ServiceRolledback, func(_ events.Event, f cd.Fact[cd.ServiceRolledbackContent]) string {
			return join(service(f.SubjectID, f.Custom), "was rolled back", in(f.Content.Environment), with("to %s", short(f.Content.ArtifactId)))
		}),
		on(cd.ServiceRemoved, func(_ events.Event, f cd.Fact[cd.ServiceRemovedContent]) string {
			return join(service(f.SubjectID, f.Custom), "was removed", in(f.Content.Environment))
		}),
		on(cd.IncidentDetected, func(_ events.Event, f cd.Fact[cd.IncidentDetectedContent]) string {
			return join("incident", f.SubjectID, "was detected", in(f.Content.Environment), with("(%s)", f.Content.Description))
		}),
		on(cd.IncidentResolved, func(_ events.Event, f cd.Fact[cd.IncidentResolvedContent]) string {
			return join("incident", f.SubjectID, "was resolved", in(f.Content.Environment), with("(%s)", f.Content.Description))
		}),
	}
}

func commitOf(c cd.Custom) string { return with("for commit %s", short(c.Commit)) }

func artifact(id string, c cd.Custom) string {
	name := ""
	if c.Slipway != nil {
		name = short(c.Slipway.Artifact)
	}
	return fmt.Sprintf("artifact %s", or(name, short(id)))
}

func service(id string, c cd.Custom) string {
	if c.Slipway != nil && c.Slipway.Workload != "" {
		return c.Slipway.Workload
	}
	return id
}

func to(environment *cd.Reference) string {
	if environment == nil {
		return ""
	}
	return with("to %s", environment.Id)
}

func in(environment *cd.Reference) string {
	if environment == nil {
		return ""
	}
	return with("in %s", environment.Id)
}
