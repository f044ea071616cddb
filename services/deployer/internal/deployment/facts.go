package deployment

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/saga"
)

func (c call) facts() deployer.Deployment {
	a, _, _ := c.admitted()
	return facts(c.SagaID, c.in, a)
}

func facts(id string, in Input, a Admitted) deployer.Deployment {
	return deployer.Deployment{
		Deployment: id, Project: in.Project, Environment: in.Environment, EnvironmentType: in.EnvironmentType,
		Workload: in.Workload, Artifact: in.Artifact, Version: in.Version, Strategy: in.Strategy,
		Set: a.Set, PreviousSet: a.PreviousSet, PipelineRun: in.PipelineRun, Commit: in.Commit,
	}
}

// Purl is an artifact as CDEvents names it: pkg:generic/orders@1.4.0?checksum=….
func Purl(ref, tag string) string {
	name, digest, _ := strings.Cut(ref, "@")
	_, version, _ := strings.Cut(tag, ":")
	p := "pkg:generic/" + url.PathEscape(name)
	if version != "" {
		p += "@" + url.PathEscape(version)
	}
	if digest != "" {
		p += "?checksum=" + digest
	}
	return p
}

// publish gives the public events of a deployment at the moments at which its
// saga comes to an end or to a halt.
func (d *Deployments) publish(before, after *saga.Saga) ([]events.Draft, error) {
	if before == nil || before.Status == after.Status {
		return nil, nil
	}
	var in Input
	if err := json.Unmarshal(after.Input, &in); err != nil {
		return nil, err
	}
	var a Admitted
	if raw, ok := after.Outputs()[StepAdmit]; ok {
		if err := json.Unmarshal(raw, &a); err != nil {
			return nil, err
		}
	}
	var out []events.Draft
	add := func(draft events.Draft, err error) error {
		if err == nil {
			out = append(out, draft)
		}
		return err
	}
	if before.Status == saga.Parked {
		if err := add(resolved(before, after)); err != nil {
			return nil, err
		}
	}
	switch after.Status {
	case saga.Done:
		if err := add(deployer.DeploymentSucceeded.Draft(in.Project, in.Subject(), deployer.DeploymentSucceededData{
			Deployment: facts(after.ID, in, a), URL: d.Traffic.URL(in.Project, in.Environment, in.Workload), DurationMs: lasted(after),
		})); err != nil {
			return nil, err
		}
		return out, add(d.serviceEvent(after, in, a))
	case saga.Undone:
		if err := add(failed(after, in, a)); err != nil {
			return nil, err
		}
		// Where traffic had moved, users saw the new set for a while.
		if st := after.Step(StepShift); st != nil && st.Begun && a.Previous != nil {
			return out, add(d.rolledBack(after, in, a))
		}
	case saga.Parked:
		return out, add(parked(after))
	}
	return out, nil
}

func (d *Deployments) custom(s *saga.Saga, in Input, a Admitted, reason string) cdevents.Custom {
	return cdevents.Custom{Commit: in.Commit, Slipway: &cdevents.Slipway{
		Project: in.Project, Environment: in.Environment, EnvironmentType: in.EnvironmentType, Workload: in.Workload,
		Artifact: in.Artifact, Version: in.Version, Deployment: s.ID, Set: a.Set, PreviousSet: a.PreviousSet, Saga: s.ID,
		Strategy: in.Strategy, URL: d.Traffic.URL(in.Project, in.Environment, in.Workload), Reason: reason, DurationMs: lasted(s),
	}}
}

// serviceEvent is the CDEvent of a deployment that is done.
func (d *Deployments) serviceEvent(s *saga.Saga, in Input, a Admitted) (events.Draft, error) {
	env := &cdevents.Reference{Id: in.Environment}
	purl := Purl(in.Artifact, in.Version)
	custom := d.custom(s, in, a, in.Reason)
	switch {
	case in.Reason == ReasonRollback:
		return cdevents.ServiceRolledback.Draft(in.Project, in.Subject(), cdevents.Fact[cdevents.ServiceRolledbackContent]{
			Content: cdevents.ServiceRolledbackContent{ArtifactId: purl, Environment: env}, Custom: custom})
	case a.Previous == nil:
		return cdevents.ServiceDeployed.Draft(in.Project, in.Subject(), cdevents.Fact[cdevents.ServiceDeployedContent]{
			Content: cdevents.ServiceDeployedContent{ArtifactId: purl, Environment: env}, Custom: custom})
	}
	return cdevents.ServiceUpgraded.Draft(in.Project, in.Subject(), cdevents.Fact[cdevents.ServiceUpgradedContent]{
		Content: cdevents.ServiceUpgradedContent{ArtifactId: purl, Environment: env}, Custom: custom})
}

// rolledBack is the CDEvent of traffic that went back to what was before.
func (d *Deployments) rolledBack(s *saga.Saga, in Input, a Admitted) (events.Draft, error) {
	custom := d.custom(s, in, a, failureReason(s))
	custom.Slipway.Artifact, custom.Slipway.Version = a.Previous.Artifact, a.Previous.Version
	custom.Slipway.Set, custom.Slipway.PreviousSet = a.PreviousSet, a.Set
	return cdevents.ServiceRolledback.Draft(in.Project, in.Subject(), cdevents.Fact[cdevents.ServiceRolledbackContent]{
		Content: cdevents.ServiceRolledbackContent{
			ArtifactId: Purl(a.Previous.Artifact, a.Previous.Version), Environment: &cdevents.Reference{Id: in.Environment},
		}, Custom: custom})
}

func failed(s *saga.Saga, in Input, a Admitted) (events.Draft, error) {
	data := deployer.DeploymentFailedData{
		Deployment: facts(s.ID, in, a), Reason: failureReason(s), LogTail: LogTail(s), Undone: Undone(s), DurationMs: lasted(s),
	}
	if s.Failure != nil {
		data.Step = s.Failure.Step
	}
	return deployer.DeploymentFailed.Draft(in.Project, in.Subject(), data)
}

func failureReason(s *saga.Saga) string {
	if s.Failure == nil {
		return ""
	}
	return s.Failure.Reason
}

// LogTail is what the failed instance wrote last.
func LogTail(s *saga.Saga) []string {
	var v Verified
	if raw, ok := s.Outputs()[StepVerify]; ok && json.Unmarshal(raw, &v) == nil {
		return v.LogTail
	}
	return nil
}

// Undone lists what was taken back, in the order in which it was.
func Undone(s *saga.Saga) []events.UndoneStep {
	var out []events.UndoneStep
	for _, st := range slices.Backward(s.Steps) {
		if !st.Begun {
			continue
		}
		step := events.UndoneStep{ID: st.ID, Kind: st.Kind, Did: st.Note, Undo: undoOf(st.Kind), Result: "undone"}
		switch {
		case st.Status == saga.StepUndone && st.Direction == saga.Forward:
			step.Result = "nothing-to-undo"
		case st.Status == saga.StepSkipped || st.Status == saga.StepAdopted:
			step.Result = "skipped"
		case st.Status != saga.StepUndone:
			step.Result, step.Reason = "failed", st.Reason
		case st.UndoNote != "":
			step.Undo = st.UndoNote
		}
		out = append(out, step)
	}
	return out
}

func parked(s *saga.Saga) (events.Draft, error) {
	data := events.SagaParkedData{Saga: s.ID, Definition: s.Definition, Project: s.Project, Subject: s.Subject,
		Hint: "slipway saga show " + s.ID + ", then retry, skip or adopt its stuck step"}
	if st := stuck(s); st != nil {
		data.Step, data.Direction, data.Reason, data.Attempts = st.ID, string(st.Direction), st.Reason, st.Attempt
	}
	return deployer.SagaParked.Draft(s.Project, s.ID, data)
}

func resolved(before, after *saga.Saga) (events.Draft, error) {
	data := events.SagaResolvedData{Saga: after.ID, Definition: after.Definition, Project: after.Project, Subject: after.Subject,
		Status: string(after.Status), Resolution: "aborted"}
	if st := stuck(before); st != nil {
		data.Step = st.ID
	}
	// What a person did stands in the journal's newest lines.
	for _, e := range slices.Backward(after.Journal[min(len(before.Journal), len(after.Journal)):]) {
		switch e.What {
		case "retried", "skipped", "adopted":
			data.Resolution, data.By = e.What, e.Reason
		}
	}
	return deployer.SagaResolved.Draft(after.Project, after.ID, data)
}

func stuck(s *saga.Saga) *saga.Step {
	for i := range s.Steps {
		if st := s.Steps[i].Status; st == saga.StepUndoFailed || st == saga.StepFailed {
			return &s.Steps[i]
		}
	}
	return nil
}

func lasted(s *saga.Saga) int64 {
	if s.FinishedAt == nil {
		return 0
	}
	return s.FinishedAt.Sub(s.CreatedAt).Round(time.Millisecond).Milliseconds()
}
