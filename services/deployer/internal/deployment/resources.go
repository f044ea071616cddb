package deployment

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// A deployment's id is the claim by which its resources are held: what the
// one before needs too is shared, and what it alone brought goes with it.

func ensureResources(sc saga.Call) (events.Draft, error) {
	c, err := open(sc)
	if err != nil {
		return events.Draft{}, err
	}
	var in resourcesInput
	if err := json.Unmarshal(sc.Input, &in); err != nil {
		return events.Draft{}, err
	}
	return provisioner.EnsureResources.Draft(c.in.Project, c.in.Subject(), provisioner.EnsureResourcesData{
		Request: requestOf(sc, c.SagaID), Project: c.in.Project, Environment: c.in.Environment,
		EnvironmentType: c.in.EnvironmentType, Workload: c.in.Workload, Resources: in.Resources,
	})
}

func releaseResources(sc saga.Call) (events.Draft, error) {
	c, err := open(sc)
	if err != nil {
		return events.Draft{}, err
	}
	reason := "undone"
	if sc.Failure != nil {
		reason = "the deployment failed: " + sc.Failure.Reason
	}
	return release(c, requestOf(sc, c.SagaID), reason)
}

func release(c call, r provisioner.Request, reason string) (events.Draft, error) {
	return provisioner.ReleaseResources.Draft(c.in.Project, c.in.Environment+"/"+r.Claim, provisioner.ReleaseResourcesData{
		Request: r, Project: c.in.Project, Environment: c.in.Environment, Reason: reason,
	})
}

func requestOf(sc saga.Call, claim string) provisioner.Request {
	return provisioner.Request{SagaID: sc.SagaID, StepID: sc.StepID, Attempt: sc.Attempt, Direction: string(sc.Direction), Claim: claim}
}

// ReplyReady turns the provisioner's "ready" into the answer of its step.
func ReplyReady(data provisioner.ResourcesReadyData) (runner.Reply, error) {
	r := replyTo(data.Request, saga.Forward)
	outputs := score.Outputs{}
	for name, keys := range data.Outputs {
		outputs[name] = keys
	}
	raw, err := json.Marshal(Resourced{Outputs: outputs})
	if err != nil {
		return r, err
	}
	r.Output, r.Note = raw, changesNote(data.Changes)
	return r, nil
}

func changesNote(changes []provisioner.ResourceChange) string {
	var parts []string
	for _, c := range changes {
		part := c.Resource + " " + c.Action
		switch {
		case c.Action == "unchanged" || c.Driver == "":
		case c.Plan != "":
			part += " (" + c.Driver + ", " + c.Plan + ")"
		default:
			part += " (" + c.Driver + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "none needed"
	}
	return strings.Join(parts, " · ")
}

// ReplyReleased turns the provisioner's "released" into the answer of an undo.
func ReplyReleased(data provisioner.ResourcesReleasedData) runner.Reply {
	r := replyTo(data.Request, saga.Backward)
	r.Note = "nothing was this deployment's alone"
	if len(data.Destroyed) > 0 {
		r.Note = strings.Join(data.Destroyed, ", ") + " destroyed"
	}
	return r
}

// ReplyFailed turns the provisioner's "failed" into the answer of its step.
// What it could not make it has tried often enough; what it could not release
// is asked for again.
func ReplyFailed(data provisioner.ResourcesFailedData) runner.Reply {
	r := replyTo(data.Request, saga.Forward)
	r.Failed = data.Reason
	if data.Resource != "" && !strings.Contains(data.Reason, data.Resource) {
		r.Failed = fmt.Sprintf("%s: %s", data.Resource, data.Reason)
	}
	if data.Detail != "" && !strings.Contains(r.Failed, data.Detail) {
		r.Failed += ": " + data.Detail
	}
	r.Final = r.Direction == saga.Forward
	return r
}

func replyTo(q provisioner.Request, direction saga.Direction) runner.Reply {
	if q.Direction != "" {
		direction = saga.Direction(q.Direction)
	}
	return runner.Reply{SagaID: q.SagaID, StepID: q.StepID, Attempt: q.Attempt, Direction: direction}
}
