package provisioner

import "github.com/slipway-idp/slipway/events"

// ResourceProvisioned is published when a resource was made. Subject:
// <environment>/<resource>.
var ResourceProvisioned = events.Define[ResourceProvisionedData]("provisioner.resource.provisioned", 1)

// ResourceChanged is published when a resource was changed in place. Subject:
// <environment>/<resource>.
var ResourceChanged = events.Define[ResourceChangedData]("provisioner.resource.changed", 1)

// ResourceDestroyed is published when a resource is gone for good, by request
// or because the saga that made it was undone. Subject:
// <environment>/<resource>.
var ResourceDestroyed = events.Define[ResourceDestroyedData]("provisioner.resource.destroyed", 1)

// ResourceDrifted is published when a resource differs from what was
// provisioned. Subject: <environment>/<resource>.
var ResourceDrifted = events.Define[ResourceDriftedData]("provisioner.resource.drifted", 1)

// ResourceRef names a resource of an environment, and what makes it.
type ResourceRef struct {
	Project     string   `json:"project"`
	Environment string   `json:"environment"`
	Resource    string   `json:"resource"`             // its name in the environment
	Type        string   `json:"type"`                 // redis, s3, …
	Class       string   `json:"class"`                // default
	ID          string   `json:"id,omitempty"`         // of a shared resource
	Definition  string   `json:"definition,omitempty"` // resource definition that matched
	Driver      string   `json:"driver,omitempty"`     // local, opentofu, …
	Workloads   []string `json:"workloads,omitempty"`  // who has a claim on it
	Saga        string   `json:"saga,omitempty"`
}

// ResourceProvisionedData names the resource and the keys of its outputs;
// never their values.
type ResourceProvisionedData struct {
	ResourceRef
	Outputs    []string `json:"outputs,omitempty"`    // keys
	DurationMs int64    `json:"durationMs,omitempty"` //
}

// ResourceChangedData says what of a resource was changed.
type ResourceChangedData struct {
	ResourceRef
	Changed []string `json:"changed,omitempty"` // inputs that differ
}

// ResourceDestroyedData says why a resource is gone.
type ResourceDestroyedData struct {
	ResourceRef
	Reason string `json:"reason"` // released, undone, deleted or expired
}

// ResourceDriftedData says in what a resource differs from its state.
type ResourceDriftedData struct {
	ResourceRef
	Differences []string    `json:"differences,omitempty"` // one line each, secrets masked
	Run         string      `json:"run,omitempty"`         // that found it
	Changes     []RunChange `json:"changes,omitempty"`     // what was changed or destroyed behind our back; at most 50
	Omitted     int         `json:"omitted,omitempty"`     // how many further ones there are
}
