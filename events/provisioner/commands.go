package provisioner

import "github.com/slipway-idp/slipway/events"

// EnsureResources asks for the resources of a workload in an environment, and
// for the environment if it does not exist. Answered by ResourcesReady or
// ResourcesFailed. Subject: <environment>/<workload>.
var EnsureResources = events.DefineCommand[EnsureResourcesData]("provisioner.ensure-resources", 1)

// ReleaseResources gives up what a claim holds: what nobody else has a claim
// on is destroyed. Answered by ResourcesReleased or ResourcesFailed. Subject:
// <environment>/<claim>.
var ReleaseResources = events.DefineCommand[ReleaseResourcesData]("provisioner.release-resources", 1)

// ReconcileEnvironment is what the provisioner tells itself when the documents
// behind an environment changed. Subject: the environment's name.
var ReconcileEnvironment = events.DefineCommand[ReconcileEnvironmentData]("provisioner.reconcile-environment", 1)

// ResourcesReady answers EnsureResources: everything is there.
var ResourcesReady = events.DefineInternal[ResourcesReadyData]("provisioner.resources.ready", 1)

// ResourcesFailed answers EnsureResources or ReleaseResources: it was not
// possible, and what was done for it is undone.
var ResourcesFailed = events.DefineInternal[ResourcesFailedData]("provisioner.resources.failed", 1)

// ResourcesReleased answers ReleaseResources.
var ResourcesReleased = events.DefineInternal[ResourcesReleasedData]("provisioner.resources.released", 1)

// Request names the step of the asking saga. The answer carries it back, so
// that the asker finds its step again.
type Request struct {
	SagaID    string `json:"sagaId"`
	StepID    string `json:"stepId"`
	Attempt   int    `json:"attempt"`
	Direction string `json:"direction,omitempty"` // do or undo, as the asker had it
	Claim     string `json:"claim"`               // who holds what is made: one per workload and deployment set
}

// Resource is what a workload needs, as its Score file says.
type Resource struct {
	Type     string         `json:"type"`
	Class    string         `json:"class,omitempty"` // default when empty
	ID       string         `json:"id,omitempty"`    // given: shared by whoever names the same
	Params   map[string]any `json:"params,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

// EnsureResourcesData says what is needed where.
type EnsureResourcesData struct {
	Request
	Project         string              `json:"project"`
	Environment     string              `json:"environment"`
	EnvironmentType string              `json:"environmentType"`
	TTL             string              `json:"ttl,omitempty"` // of an environment that is made: "48h"; the type's default when empty
	Workload        string              `json:"workload"`
	Resources       map[string]Resource `json:"resources,omitempty"` // by name in the workload
}

// ReleaseResourcesData says which claim is given up.
type ReleaseResourcesData struct {
	Request
	Project     string `json:"project"`
	Environment string `json:"environment"`
	Reason      string `json:"reason"`
}

// ReconcileEnvironmentData names the environment to look at.
type ReconcileEnvironmentData struct {
	Project     string `json:"project"`
	Environment string `json:"environment"`
}

// ResourcesReadyData hands over the outputs. A secret output is not its value
// but {"secretRef": "<name>"}.
type ResourcesReadyData struct {
	Request
	Project     string                    `json:"project"`
	Environment string                    `json:"environment"`
	Outputs     map[string]map[string]any `json:"outputs,omitempty"` // by resource, by key
	Changes     []ResourceChange          `json:"changes,omitempty"`
}

// ResourceChange says what was done for one resource.
type ResourceChange struct {
	Resource   string `json:"resource"`
	Action     string `json:"action"` // created, changed or unchanged
	Definition string `json:"definition"`
	Driver     string `json:"driver"`
	Run        string `json:"run,omitempty"`  // of an engine, that did it
	Plan       string `json:"plan,omitempty"` // what it did, in short: "1 to add, 2 to change"
}

// ResourcesFailedData says what did not work.
type ResourcesFailedData struct {
	Request
	Project     string              `json:"project,omitempty"`
	Environment string              `json:"environment,omitempty"`
	Reason      string              `json:"reason"`             // one sentence for people
	Resource    string              `json:"resource,omitempty"` // the one that failed
	Detail      string              `json:"detail,omitempty"`   // the driver's words, secrets masked
	Undone      []events.UndoneStep `json:"undone,omitempty"`
}

// ResourcesReleasedData says what is gone.
type ResourcesReleasedData struct {
	Request
	Destroyed []string `json:"destroyed,omitempty"` // names of resources
}
