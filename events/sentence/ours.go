package sentence

import (
	"fmt"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalog"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/events/gateway"
	"github.com/slipway-idp/slipway/events/notifier"
	"github.com/slipway-idp/slipway/events/policy"
	"github.com/slipway-idp/slipway/events/provisioner"
)

// spoken are the sentences, by type.
var spoken = append(ours(), cdevent()...)

func ours() []speaker {
	return []speaker{
		on(gateway.DeliveryRecorded, func(_ events.Event, d gateway.DeliveryRecordedData) string {
			return join(fmt.Sprintf("%s delivered %s", d.Provider, d.Event), d.Action, with("for commit %s", short(d.Commit)), with("(%s)", oneLine(d.Note)))
		}),

		on(catalog.EntityChanged, func(_ events.Event, d catalog.EntityChangedData) string {
			return fmt.Sprintf("%s was %s in the catalog", d.Ref, or(d.Change, "changed"))
		}),
		on(catalog.EntityRemoved, func(_ events.Event, d catalog.EntityRemovedData) string {
			return d.Ref + " was removed from the catalog"
		}),
		on(catalog.ScorecardChanged, func(_ events.Event, d catalog.ScorecardChangedData) string {
			return join(fmt.Sprintf("%s is %s on scorecard %s", d.Ref, d.Level, d.Scorecard), with("(was %s)", d.PreviousLevel))
		}),
		on(catalog.TemplateRunFinished, func(_ events.Event, d catalog.TemplateRunFinishedData) string {
			return join(fmt.Sprintf("%s ended %s", d.Template, d.Result), with("and made %s", listed(d.Created)), with("because %s", oneLine(d.Reason)))
		}),

		on(deployer.DeploymentRequested, func(_ events.Event, d deployer.DeploymentRequestedData) string {
			return join(fmt.Sprintf("deployment of %s to %s was requested", release(d.Deployment), d.Environment), with("by a %s", oneLine(d.Reason)))
		}),
		on(deployer.DeploymentHeld, func(_ events.Event, d deployer.DeploymentHeldData) string {
			return fmt.Sprintf("deployment of %s to %s waits: %s", release(d.Deployment), d.Environment, oneLine(d.Reason))
		}),
		on(deployer.DeploymentFailed, func(_ events.Event, d deployer.DeploymentFailedData) string {
			return join(fmt.Sprintf("deployment of %s to %s failed at %s: %s", release(d.Deployment), d.Environment, d.Step, oneLine(d.Reason)),
				with("(undone: %s)", listed(undone(d.Undone))))
		}),
		on(deployer.DeploymentSucceeded, func(_ events.Event, d deployer.DeploymentSucceededData) string {
			return join(fmt.Sprintf("%s runs in %s", release(d.Deployment), d.Environment), with("at %s", d.URL), seconds(d.DurationMs))
		}),
		on(deployer.TrafficShifted, func(_ events.Event, d deployer.TrafficShiftedData) string {
			if d.To == "" {
				return fmt.Sprintf("%s in %s gets no traffic any more", d.Workload, d.Environment)
			}
			return fmt.Sprintf("%d%% of the traffic of %s in %s goes to %s", d.Percent, d.Workload, d.Environment, release(d.Deployment))
		}),
		on(deployer.SagaParked, parked),
		on(deployer.SagaResolved, resolved),

		on(notifier.DeliveryFailed, func(_ events.Event, d notifier.DeliveryFailedData) string {
			return fmt.Sprintf("channel %s could not be told of %s after %d attempts: %s", d.Channel, unversioned(d.EventType), d.Attempts, oneLine(d.Reason))
		}),
		on(notifier.SubscriptionPaused, func(_ events.Event, d notifier.SubscriptionPausedData) string {
			return fmt.Sprintf("subscription %s is paused: %s", d.Subscription, oneLine(d.Reason))
		}),

		on(policy.DecisionMade, decision),
		on(policy.ApprovalOpened, func(_ events.Event, d policy.ApprovalOpenedData) string {
			return fmt.Sprintf("%s needs an approval by %s", d.Subject, list(d.Approvers))
		}),
		on(policy.ApprovalGranted, func(e events.Event, d policy.ApprovalDecidedData) string {
			return join(fmt.Sprintf("%s approved %s", d.By, d.Subject), with("(%s)", oneLine(d.Comment)))
		}),
		on(policy.ApprovalRejected, func(_ events.Event, d policy.ApprovalDecidedData) string {
			return join(fmt.Sprintf("%s rejected %s", d.By, d.Subject), with("(%s)", oneLine(d.Comment)))
		}),
		on(policy.ApprovalExpired, func(_ events.Event, d policy.ApprovalExpiredData) string {
			return "nobody decided about " + d.Subject + " in time"
		}),
		on(policy.FreezeStarted, func(_ events.Event, d policy.FreezeData) string {
			return join("freeze window "+d.Window+" began", with("(%s)", oneLine(d.Reason)))
		}),
		on(policy.FreezeEnded, func(_ events.Event, d policy.FreezeData) string {
			return "freeze window " + d.Window + " is over"
		}),
		on(policy.FreezeOverridden, func(_ events.Event, d policy.FreezeOverriddenData) string {
			return fmt.Sprintf("%s let %s through freeze window %s: %s", d.By, d.Subject, d.Window, oneLine(d.Reason))
		}),

		on(provisioner.EnvironmentExpiring, func(_ events.Event, d provisioner.EnvironmentExpiringData) string {
			return fmt.Sprintf("environment %s will be deleted at %s", d.Environment, d.ExpiresAt.UTC().Format("2006-01-02 15:04 MST"))
		}),
		on(provisioner.EnvironmentPaused, func(_ events.Event, d provisioner.EnvironmentPausedData) string {
			return join("environment "+d.Environment+" is paused", with("(%s)", oneLine(d.Reason)))
		}),
		on(provisioner.EnvironmentResumed, func(_ events.Event, d provisioner.EnvironmentResumedData) string {
			return "environment " + d.Environment + " runs again"
		}),
		on(provisioner.EnvironmentRolledBack, func(_ events.Event, d provisioner.EnvironmentRolledBackData) string {
			return join(fmt.Sprintf("environment %s was rolled back: %s failed: %s", d.Environment, d.FailedStep, oneLine(d.Reason)),
				with("(undone: %s)", listed(undone(d.Steps))))
		}),
		on(provisioner.ResourceProvisioned, func(_ events.Event, d provisioner.ResourceProvisionedData) string {
			return join(fmt.Sprintf("resource %s (%s) was provisioned in %s", d.Resource, d.Type, d.Environment), with("by %s", d.Definition))
		}),
		on(provisioner.ResourceChanged, func(_ events.Event, d provisioner.ResourceChangedData) string {
			return join(fmt.Sprintf("resource %s (%s) in %s was changed", d.Resource, d.Type, d.Environment), with("(%s)", listed(d.Changed)))
		}),
		on(provisioner.ResourceDestroyed, func(_ events.Event, d provisioner.ResourceDestroyedData) string {
			return join(fmt.Sprintf("resource %s (%s) in %s was destroyed", d.Resource, d.Type, d.Environment), with("(%s)", oneLine(d.Reason)))
		}),
		on(provisioner.ResourceDrifted, func(_ events.Event, d provisioner.ResourceDriftedData) string {
			return fmt.Sprintf("resource %s in %s drifted: %s", d.Resource, d.Environment, list(d.Differences))
		}),
		on(provisioner.RunPlanned, func(_ events.Event, d provisioner.RunPlannedData) string {
			said := fmt.Sprintf("run %s of stack %s plans to add %d, change %d and destroy %d", d.Run, d.Stack, d.Add, d.Change, d.Destroy)
			if d.Replace > 0 {
				said = fmt.Sprintf("run %s of stack %s plans to add %d, change %d, replace %d and destroy %d", d.Run, d.Stack, d.Add, d.Change, d.Replace, d.Destroy)
			}
			waits := map[string]string{"deny": "which policy denies", "needs-approval": "and waits for an approval"}[d.Result]
			return join(said, with("%s", waits))
		}),
		on(provisioner.RunFinished, func(_ events.Event, d provisioner.RunFinishedData) string {
			return join(fmt.Sprintf("run %s of stack %s ended %s", d.Run, d.Stack, d.Result), with("as %s approved", d.ApprovedBy),
				with("because %s", oneLine(d.Reason)), with("(made: %s)", listed(d.Made)), with("(unresolved: %s)", listed(d.Unresolved)))
		}),
		on(provisioner.StackUnlocked, func(_ events.Event, d provisioner.StackUnlockedData) string {
			return join(fmt.Sprintf("stack %s was taken from run %s by %s: %s", d.Stack, d.Run, d.By, oneLine(d.Reason)),
				with("(unresolved: %s)", listed(d.Unresolved)))
		}),
		on(provisioner.SagaParked, parked),
		on(provisioner.SagaResolved, resolved),
	}
}

func parked(_ events.Event, d events.SagaParkedData) string {
	return join(fmt.Sprintf("%s of %s is stuck at %s of step %s and needs a person: %s", d.Definition, d.Subject, d.Direction, d.Step, oneLine(d.Reason)), with("(%s)", oneLine(d.Hint)))
}

func resolved(_ events.Event, d events.SagaResolvedData) string {
	return fmt.Sprintf("%s was %s by %s: %s of %s is %s", d.Step, d.Resolution, d.By, d.Definition, d.Subject, d.Status)
}

func decision(_ events.Event, d policy.DecisionMadeData) string {
	var reasons []string
	for _, r := range d.Reasons {
		reasons = append(reasons, join(with("%s:", r.Resource), oneLine(r.Message)))
	}
	verdict := map[string]string{"allow": "allows", "deny": "denies", "needs-approval": "asks for an approval before"}[d.Result]
	return join(fmt.Sprintf("policy %s the %s of %s", or(verdict, d.Result), d.Kind, d.Subject), with("(%s)", listed(reasons)))
}

// release is how people name what is deployed: the artifact's version, or its
// digest where it has none.
func release(d deployer.Deployment) string {
	return or(short(d.Version), short(d.Artifact), d.Workload)
}

// listed is list, but "" when there is nothing.
func listed(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return list(items)
}
