package cdevents

import (
	"github.com/cdevents/sdk-go/pkg/api"
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/slipway-idp/slipway/events"
)

// Reference names another thing in a CDEvent's content.
type Reference = api.Reference

// The SDK's types of subject.content, under names without a version: the
// version here is the one that Slipway writes.
type (
	ArtifactDeletedContent      = api.ArtifactDeletedSubjectContentV0_2_0
	ArtifactDownloadedContent   = api.ArtifactDownloadedSubjectContentV0_2_0
	ArtifactPackagedContent     = api.ArtifactPackagedSubjectContentV0_3_0
	ArtifactPublishedContent    = api.ArtifactPublishedSubjectContentV0_3_0
	ArtifactSignedContent       = api.ArtifactSignedSubjectContentV0_3_0
	BranchCreatedContent        = api.BranchCreatedSubjectContentV0_3_0
	BranchDeletedContent        = api.BranchDeletedSubjectContentV0_3_0
	BuildFinishedContent        = api.BuildFinishedSubjectContentV0_3_0
	BuildQueuedContent          = api.BuildQueuedSubjectContentV0_3_0
	BuildStartedContent         = api.BuildStartedSubjectContentV0_3_0
	ChangeAbandonedContent      = api.ChangeAbandonedSubjectContentV0_3_0
	ChangeCreatedContent        = api.ChangeCreatedSubjectContentV0_4_0
	ChangeMergedContent         = api.ChangeMergedSubjectContentV0_3_0
	ChangeReviewedContent       = api.ChangeReviewedSubjectContentV0_3_0
	ChangeUpdatedContent        = api.ChangeUpdatedSubjectContentV0_3_0
	EnvironmentCreatedContent   = api.EnvironmentCreatedSubjectContentV0_3_0
	EnvironmentDeletedContent   = api.EnvironmentDeletedSubjectContentV0_3_0
	EnvironmentModifiedContent  = api.EnvironmentModifiedSubjectContentV0_3_0
	IncidentDetectedContent     = api.IncidentDetectedSubjectContentV0_3_0
	IncidentReportedContent     = api.IncidentReportedSubjectContentV0_3_0
	IncidentResolvedContent     = api.IncidentResolvedSubjectContentV0_3_0
	PipelineRunFinishedContent  = api.PipelineRunFinishedSubjectContentV0_3_0
	PipelineRunQueuedContent    = api.PipelineRunQueuedSubjectContentV0_3_0
	PipelineRunStartedContent   = api.PipelineRunStartedSubjectContentV0_3_0
	RepositoryCreatedContent    = api.RepositoryCreatedSubjectContentV0_3_0
	RepositoryDeletedContent    = api.RepositoryDeletedSubjectContentV0_3_0
	RepositoryModifiedContent   = api.RepositoryModifiedSubjectContentV0_3_0
	ServiceDeployedContent      = api.ServiceDeployedSubjectContentV0_3_0
	ServicePublishedContent     = api.ServicePublishedSubjectContentV0_3_0
	ServiceRemovedContent       = api.ServiceRemovedSubjectContentV0_3_0
	ServiceRolledbackContent    = api.ServiceRolledbackSubjectContentV0_3_0
	ServiceUpgradedContent      = api.ServiceUpgradedSubjectContentV0_3_0
	TaskRunFinishedContent      = api.TaskRunFinishedSubjectContentV0_3_0
	TaskRunStartedContent       = api.TaskRunStartedSubjectContentV0_3_0
	TestCaseRunFinishedContent  = api.TestCaseRunFinishedSubjectContentV0_3_0
	TestCaseRunQueuedContent    = api.TestCaseRunQueuedSubjectContentV0_3_0
	TestCaseRunSkippedContent   = api.TestCaseRunSkippedSubjectContentV0_2_0
	TestCaseRunStartedContent   = api.TestCaseRunStartedSubjectContentV0_3_0
	TestOutputPublishedContent  = api.TestOutputPublishedSubjectContentV0_3_0
	TestSuiteRunFinishedContent = api.TestSuiteRunFinishedSubjectContentV0_3_0
	TestSuiteRunQueuedContent   = api.TestSuiteRunQueuedSubjectContentV0_3_0
	TestSuiteRunStartedContent  = api.TestSuiteRunStartedSubjectContentV0_3_0
	TicketClosedContent         = api.TicketClosedSubjectContentV0_2_0
	TicketCreatedContent        = api.TicketCreatedSubjectContentV0_2_0
	TicketUpdatedContent        = api.TicketUpdatedSubjectContentV0_2_0
)

// The vocabulary, by name.
var (
	ArtifactDeleted      = define[ArtifactDeletedContent](v05.ArtifactDeletedEventType)
	ArtifactDownloaded   = define[ArtifactDownloadedContent](v05.ArtifactDownloadedEventType)
	ArtifactPackaged     = define[ArtifactPackagedContent](v05.ArtifactPackagedEventType)
	ArtifactPublished    = define[ArtifactPublishedContent](v05.ArtifactPublishedEventType)
	ArtifactSigned       = define[ArtifactSignedContent](v05.ArtifactSignedEventType)
	BranchCreated        = define[BranchCreatedContent](v05.BranchCreatedEventType)
	BranchDeleted        = define[BranchDeletedContent](v05.BranchDeletedEventType)
	BuildFinished        = define[BuildFinishedContent](v05.BuildFinishedEventType)
	BuildQueued          = define[BuildQueuedContent](v05.BuildQueuedEventType)
	BuildStarted         = define[BuildStartedContent](v05.BuildStartedEventType)
	ChangeAbandoned      = define[ChangeAbandonedContent](v05.ChangeAbandonedEventType)
	ChangeCreated        = define[ChangeCreatedContent](v05.ChangeCreatedEventType)
	ChangeMerged         = define[ChangeMergedContent](v05.ChangeMergedEventType)
	ChangeReviewed       = define[ChangeReviewedContent](v05.ChangeReviewedEventType)
	ChangeUpdated        = define[ChangeUpdatedContent](v05.ChangeUpdatedEventType)
	EnvironmentCreated   = define[EnvironmentCreatedContent](v05.EnvironmentCreatedEventType, "provisioner")
	EnvironmentDeleted   = define[EnvironmentDeletedContent](v05.EnvironmentDeletedEventType, "provisioner")
	EnvironmentModified  = define[EnvironmentModifiedContent](v05.EnvironmentModifiedEventType, "provisioner")
	IncidentDetected     = define[IncidentDetectedContent](v05.IncidentDetectedEventType)
	IncidentReported     = define[IncidentReportedContent](v05.IncidentReportedEventType)
	IncidentResolved     = define[IncidentResolvedContent](v05.IncidentResolvedEventType)
	PipelineRunFinished  = define[PipelineRunFinishedContent](v05.PipelineRunFinishedEventType)
	PipelineRunQueued    = define[PipelineRunQueuedContent](v05.PipelineRunQueuedEventType)
	PipelineRunStarted   = define[PipelineRunStartedContent](v05.PipelineRunStartedEventType)
	RepositoryCreated    = define[RepositoryCreatedContent](v05.RepositoryCreatedEventType)
	RepositoryDeleted    = define[RepositoryDeletedContent](v05.RepositoryDeletedEventType)
	RepositoryModified   = define[RepositoryModifiedContent](v05.RepositoryModifiedEventType)
	ServiceDeployed      = define[ServiceDeployedContent](v05.ServiceDeployedEventType, "deployer")
	ServicePublished     = define[ServicePublishedContent](v05.ServicePublishedEventType)
	ServiceRemoved       = define[ServiceRemovedContent](v05.ServiceRemovedEventType, "deployer")
	ServiceRolledback    = define[ServiceRolledbackContent](v05.ServiceRolledbackEventType, "deployer")
	ServiceUpgraded      = define[ServiceUpgradedContent](v05.ServiceUpgradedEventType, "deployer")
	TaskRunFinished      = define[TaskRunFinishedContent](v05.TaskRunFinishedEventType)
	TaskRunStarted       = define[TaskRunStartedContent](v05.TaskRunStartedEventType)
	TestCaseRunFinished  = define[TestCaseRunFinishedContent](v05.TestCaseRunFinishedEventType)
	TestCaseRunQueued    = define[TestCaseRunQueuedContent](v05.TestCaseRunQueuedEventType)
	TestCaseRunSkipped   = define[TestCaseRunSkippedContent](v05.TestCaseRunSkippedEventType)
	TestCaseRunStarted   = define[TestCaseRunStartedContent](v05.TestCaseRunStartedEventType)
	TestOutputPublished  = define[TestOutputPublishedContent](v05.TestOutputPublishedEventType)
	TestSuiteRunFinished = define[TestSuiteRunFinishedContent](v05.TestSuiteRunFinishedEventType)
	TestSuiteRunQueued   = define[TestSuiteRunQueuedContent](v05.TestSuiteRunQueuedEventType)
	TestSuiteRunStarted  = define[TestSuiteRunStartedContent](v05.TestSuiteRunStartedEventType)
	TicketClosed         = define[TicketClosedContent](v05.TicketClosedEventType)
	TicketCreated        = define[TicketCreatedContent](v05.TicketCreatedEventType)
	TicketUpdated        = define[TicketUpdatedContent](v05.TicketUpdatedEventType)
)

// All describes every type of the vocabulary.
func All() []events.Description {
	return []events.Description{
		ArtifactDeleted.Describe(),
		ArtifactDownloaded.Describe(),
		ArtifactPackaged.Describe(),
		ArtifactPublished.Describe(),
		ArtifactSigned.Describe(),
		BranchCreated.Describe(),
		BranchDeleted.Describe(),
		BuildFinished.Describe(),
		BuildQueued.Describe(),
		BuildStarted.Describe(),
		ChangeAbandoned.Describe(),
		ChangeCreated.Describe(),
		ChangeMerged.Describe(),
		ChangeReviewed.Describe(),
		ChangeUpdated.Describe(),
		EnvironmentCreated.Describe(),
		EnvironmentDeleted.Describe(),
		EnvironmentModified.Describe(),
		IncidentDetected.Describe(),
		IncidentReported.Describe(),
		IncidentResolved.Describe(),
		PipelineRunFinished.Describe(),
		PipelineRunQueued.Describe(),
		PipelineRunStarted.Describe(),
		RepositoryCreated.Describe(),
		RepositoryDeleted.Describe(),
		RepositoryModified.Describe(),
		ServiceDeployed.Describe(),
		ServicePublished.Describe(),
		ServiceRemoved.Describe(),
		ServiceRolledback.Describe(),
		ServiceUpgraded.Describe(),
		TaskRunFinished.Describe(),
		TaskRunStarted.Describe(),
		TestCaseRunFinished.Describe(),
		TestCaseRunQueued.Describe(),
		TestCaseRunSkipped.Describe(),
		TestCaseRunStarted.Describe(),
		TestOutputPublished.Describe(),
		TestSuiteRunFinished.Describe(),
		TestSuiteRunQueued.Describe(),
		TestSuiteRunStarted.Describe(),
		TicketClosed.Describe(),
		TicketCreated.Describe(),
		TicketUpdated.Describe(),
	}
}
