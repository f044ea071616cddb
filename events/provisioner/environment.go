// Package provisioner holds the events that the provisioner publishes and the
// commands that it takes. That an environment was created, modified or deleted
// is the CDEvent of that name.
package provisioner

import (
	"time"

	"github.com/slipway-idp/slipway/events"
)

// EnvironmentExpiring is published once, when an environment's time to live
// runs out within its warning period. Subject: the environment's name.
var EnvironmentExpiring = events.Define[EnvironmentExpiringData]("provisioner.environment.expiring", 1)

// EnvironmentPaused is published when an environment's workloads were stopped
// and its resources kept. Subject: the environment's name.
var EnvironmentPaused = events.Define[EnvironmentPausedData]("provisioner.environment.paused", 1)

// EnvironmentResumed is published when a paused environment runs again.
// Subject: the environment's name.
var EnvironmentResumed = events.Define[EnvironmentResumedData]("provisioner.environment.resumed", 1)

// EnvironmentRolledBack is published when the making or changing of an
// environment failed and everything it had done was undone. Subject: the
// environment's name.
var EnvironmentRolledBack = events.Define[EnvironmentRolledBackData]("provisioner.environment.rolledback", 1)

// SagaParked is published when a saga of the provisioner could not be undone
// within its deadline and waits for a person. Subject: the saga's id.
var SagaParked = events.Define[events.SagaParkedData]("provisioner.saga.parked", 1)

// SagaResolved is published when a parked saga of the provisioner went on by a
// person's decision. Subject: the saga's id.
var SagaResolved = events.Define[events.SagaResolvedData]("provisioner.saga.resolved", 1)

// EnvironmentExpiringData says when an environment will be deleted.
type EnvironmentExpiringData struct {
	Environment string    `json:"environment"`
	Type        string    `json:"type"` // environment type: preview
	Project     string    `json:"project"`
	ExpiresAt   time.Time `json:"expiresAt"`
	Owner       string    `json:"owner,omitempty"` // who asked for it: "user:default/ada"
}

// EnvironmentPausedData says which environment was paused, and why.
type EnvironmentPausedData struct {
	Environment string `json:"environment"`
	Type        string `json:"type"`
	Project     string `json:"project"`
	Reason      string `json:"reason,omitempty"`
}

// EnvironmentResumedData says which environment runs again.
type EnvironmentResumedData struct {
	Environment string    `json:"environment"`
	Type        string    `json:"type"`
	Project     string    `json:"project"`
	ExpiresAt   time.Time `json:"expiresAt,omitzero"`
}

// EnvironmentRolledBackData lists each step and its undo, in the order of
// undoing.
type EnvironmentRolledBackData struct {
	Environment string              `json:"environment"`
	Type        string              `json:"type,omitempty"`
	Project     string              `json:"project"`
	Saga        string              `json:"saga"`
	Reason      string              `json:"reason"`
	FailedStep  string              `json:"failedStep"`
	Steps       []events.UndoneStep `json:"steps,omitempty"`
	DurationMs  int64               `json:"durationMs,omitempty"` // from the request to the last undo
}
