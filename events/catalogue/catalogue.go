// Package catalogue lists every event there is. A new one is added here, by
// hand, so that one look says what exists.
package catalogue

import (
	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalog"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/events/gateway"
	"github.com/slipway-idp/slipway/events/notifier"
	"github.com/slipway-idp/slipway/events/policy"
	"github.com/slipway-idp/slipway/events/provisioner"
)

// All returns the types of our own: public, internal, commands, by owner.
func All() []events.Description {
	return []events.Description{
		catalog.EntityChanged.Describe(),
		catalog.EntityRemoved.Describe(),
		catalog.ScorecardChanged.Describe(),
		catalog.TemplateRunFinished.Describe(),

		deployer.DeploymentRequested.Describe(),
		deployer.DeploymentHeld.Describe(),
		deployer.DeploymentFailed.Describe(),
		deployer.DeploymentSucceeded.Describe(),
		deployer.TrafficShifted.Describe(),
		deployer.SagaParked.Describe(),
		deployer.SagaResolved.Describe(),
		deployer.ArtifactStored.Describe(),
		deployer.StartPipeline.Describe(),
		deployer.ResumePipeline.Describe(),
		deployer.Deploy.Describe(),

		gateway.DeliveryRecorded.Describe(),

		notifier.DeliveryFailed.Describe(),
		notifier.SubscriptionPaused.Describe(),

		policy.DecisionMade.Describe(),
		policy.ApprovalOpened.Describe(),
		policy.ApprovalGranted.Describe(),
		policy.ApprovalRejected.Describe(),
		policy.ApprovalExpired.Describe(),
		policy.FreezeStarted.Describe(),
		policy.FreezeEnded.Describe(),
		policy.FreezeOverridden.Describe(),

		provisioner.EnvironmentExpiring.Describe(),
		provisioner.EnvironmentPaused.Describe(),
		provisioner.EnvironmentResumed.Describe(),
		provisioner.EnvironmentRolledBack.Describe(),
		provisioner.ResourceProvisioned.Describe(),
		provisioner.ResourceChanged.Describe(),
		provisioner.ResourceDestroyed.Describe(),
		provisioner.ResourceDrifted.Describe(),
		provisioner.RunPlanned.Describe(),
		provisioner.RunFinished.Describe(),
		provisioner.StackUnlocked.Describe(),
		provisioner.SagaParked.Describe(),
		provisioner.SagaResolved.Describe(),
		provisioner.ResourcesReady.Describe(),
		provisioner.ResourcesFailed.Describe(),
		provisioner.ResourcesReleased.Describe(),
		provisioner.EnsureResources.Describe(),
		provisioner.ReleaseResources.Describe(),
		provisioner.ReconcileEnvironment.Describe(),
	}
}

// CDEvents returns the types of the CDEvents vocabulary, in the version that
// Slipway writes.
func CDEvents() []events.Description { return cdevents.All() }

// Lookup finds the description of a type, whatever its version: ours by name
// and exact major, a CDEvents type by prefix.
func Lookup(eventType string) (events.Description, bool) {
	for _, d := range All() {
		if d.Type == eventType {
			return d, true
		}
	}
	for _, d := range CDEvents() {
		if n := len(d.Filter) - len(">"); len(eventType) > n && eventType[:n] == d.Filter[:n] {
			return d, true
		}
	}
	return events.Description{}, false
}
