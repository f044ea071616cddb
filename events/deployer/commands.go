package deployer

import (
	"time"

	"github.com/slipway-idp/slipway/events"
)

// StartPipeline is what the deployer tells itself for each pipeline that an
// artifact concerns. Subject: the pipeline's name.
var StartPipeline = events.DefineCommand[StartPipelineData]("deployer.start-pipeline", 1)

// ResumePipeline is what the deployer tells itself when what a pipeline run
// waited for is there. Subject: the pipeline run's id.
var ResumePipeline = events.DefineCommand[ResumePipelineData]("deployer.resume-pipeline", 1)

// Deploy asks for an artifact to run in an environment. Subject:
// <environment>/<workload>.
var Deploy = events.DefineCommand[DeployData]("deployer.deploy", 1)

// ArtifactStored is published when an artifact was pushed to the store.
// Subject: <name>:<version>.
var ArtifactStored = events.DefineInternal[ArtifactStoredData]("deployer.artifact.stored", 1)

// StartPipelineData says which artifact came out of what.
type StartPipelineData struct {
	Project          string `json:"project"`
	Pipeline         string `json:"pipeline"`
	Workload         string `json:"workload"`
	Artifact         string `json:"artifact"` // name:version, or name@sha256:…
	SourceRepository string `json:"sourceRepository,omitempty"`
	Commit           string `json:"commit,omitempty"`
	Event            string `json:"event,omitempty"` // id of the event that said so
}

// ResumePipelineData names a waiting run.
type ResumePipelineData struct {
	Project     string `json:"project"`
	PipelineRun string `json:"pipelineRun"`
}

// DeployData says what shall run where. Artifact is a digest, never a tag.
type DeployData struct {
	Deployment      string `json:"deployment,omitempty"` // id to use; derived from the command when empty
	Project         string `json:"project"`
	Environment     string `json:"environment"`
	EnvironmentType string `json:"environmentType"`
	Workload        string `json:"workload"`
	Artifact        string `json:"artifact"`          // orders@sha256:…
	Version         string `json:"version,omitempty"` // orders:1.4.0
	Strategy        string `json:"strategy"`
	PipelineRun     string `json:"pipelineRun,omitempty"`
	Commit          string `json:"commit,omitempty"`
	Cause           string `json:"cause,omitempty"` // pipeline, request, promotion or rollback
}

// ArtifactStoredData names what was stored.
type ArtifactStoredData struct {
	Project string    `json:"project"`
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Digest  string    `json:"digest"` // sha256:…
	Size    int64     `json:"size"`   // bytes of the archive
	At      time.Time `json:"at,omitzero"`
}
