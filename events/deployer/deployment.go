// Package deployer holds the events that the deployer publishes and the
// commands that it takes. That a service was deployed, upgraded, rolled back or
// removed is the CDEvent of that name.
package deployer

import (
	"time"

	"github.com/slipway-idp/slipway/events"
)

// DeploymentRequested is published when a deployment was accepted. Subject:
// <environment>/<workload>.
var DeploymentRequested = events.Define[DeploymentRequestedData]("deployer.deployment.requested", 1)

// DeploymentHeld is published when a deployment waits for something that a
// person or time must bring: an approval, a freeze window's end, an artifact.
// Subject: <environment>/<workload>.
var DeploymentHeld = events.Define[DeploymentHeldData]("deployer.deployment.held", 1)

// DeploymentFailed is published when a deployment did not work and everything
// it had done is undone: what ran before still runs. Subject:
// <environment>/<workload>.
var DeploymentFailed = events.Define[DeploymentFailedData]("deployer.deployment.failed", 1)

// DeploymentSucceeded is published when a deployment is complete: traffic is
// on the new set and the old one is stopped. Subject:
// <environment>/<workload>.
var DeploymentSucceeded = events.Define[DeploymentSucceededData]("deployer.deployment.succeeded", 1)

// TrafficShifted is published when requests go elsewhere than before. Subject:
// <environment>/<workload>.
var TrafficShifted = events.Define[TrafficShiftedData]("deployer.traffic.shifted", 1)

// SagaParked is published when a saga of the deployer could not be undone
// within its deadline and waits for a person. Subject: the saga's id.
var SagaParked = events.Define[events.SagaParkedData]("deployer.saga.parked", 1)

// SagaResolved is published when a parked saga of the deployer went on by a
// person's decision. Subject: the saga's id.
var SagaResolved = events.Define[events.SagaResolvedData]("deployer.saga.resolved", 1)

// Deployment is what every event of a deployment says of it.
type Deployment struct {
	Deployment      string `json:"deployment"` // id, which is its saga's
	Project         string `json:"project"`
	Environment     string `json:"environment"`
	EnvironmentType string `json:"environmentType,omitempty"`
	Workload        string `json:"workload"`
	Artifact        string `json:"artifact"`              // orders@sha256:…
	Version         string `json:"version,omitempty"`     // the name it was pushed under: orders:1.4.0
	Strategy        string `json:"strategy,omitempty"`    // recreate or blue-green
	Set             string `json:"set,omitempty"`         // digest of the deployment set that it leads to
	PreviousSet     string `json:"previousSet,omitempty"` // of the one that ran before
	PipelineRun     string `json:"pipelineRun,omitempty"`
	Commit          string `json:"commit,omitempty"`
}

// DeploymentRequestedData says what was asked for.
type DeploymentRequestedData struct {
	Deployment
	Reason string `json:"reason,omitempty"` // pipeline, request, promotion or rollback
}

// DeploymentHeldData says what a deployment waits for.
type DeploymentHeldData struct {
	Deployment
	Step   string    `json:"step"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until,omitzero"` // when it gives up, where there is such a time
}

// DeploymentFailedData says which step failed and what was undone.
type DeploymentFailedData struct {
	Deployment
	Step       string              `json:"step"`
	Reason     string              `json:"reason"`
	LogTail    []string            `json:"logTail,omitempty"` // last lines of the program, at most 20, secrets masked
	Undone     []events.UndoneStep `json:"undone,omitempty"`
	DurationMs int64               `json:"durationMs"`
}

// DeploymentSucceededData says what runs now.
type DeploymentSucceededData struct {
	Deployment
	URL        string `json:"url,omitempty"` // where it is reached
	DurationMs int64  `json:"durationMs"`
}

// TrafficShiftedData says from which set to which traffic went.
type TrafficShiftedData struct {
	Deployment
	From    string `json:"from,omitempty"` // deployment set; none: it had no traffic
	To      string `json:"to,omitempty"`   // none: it has no traffic any more
	Percent int    `json:"percent"`        // of requests that go to To
	Reason  string `json:"reason,omitempty"`
}
