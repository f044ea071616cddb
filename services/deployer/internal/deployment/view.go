package deployment

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
)

// Outcomes of a deployment, in one word.
const (
	OutcomeRunning = "running"
	OutcomeDone    = "done"
	OutcomeFailed  = "failed" // and undone
	OutcomeDenied  = "denied" // by policy
	OutcomeHeld    = "needs-approval"
	OutcomeParked  = "parked"
)

// View is a deployment as people see it.
type View struct {
	ID          string   `json:"id"`
	Outcome     string   `json:"outcome"`
	Input       Input    `json:"input"`
	Set         string   `json:"set,omitempty"`
	PreviousSet string   `json:"previousSet,omitempty"`
	Instance    string   `json:"instance,omitempty"` // its name: orders.3
	URL         string   `json:"url,omitempty"`
	Reason      string   `json:"reason,omitempty"`
	LogTail     []string `json:"logTail,omitempty"`
	Correlation string   `json:"correlationId,omitempty"`
	DurationMs  int64    `json:"durationMs,omitempty"`
}

func openSaga(s saga.Saga) (Input, error) {
	var in Input
	if err := json.Unmarshal(s.Input, &in); err != nil {
		return in, fmt.Errorf("input of deployment %s: %w", s.ID, err)
	}
	return in, nil
}

// ViewOf reads a deployment out of its saga.
func (d *Deployments) ViewOf(s saga.Saga) (View, error) {
	in, err := openSaga(s)
	if err != nil {
		return View{}, err
	}
	v := View{ID: s.ID, Outcome: OutcomeOf(s), Input: in, Reason: failureReason(&s), LogTail: LogTail(&s),
		Correlation: s.Cause.CorrelationID, DurationMs: lasted(&s)}
	a := Admitted{Set: in.PlannedSet, PreviousSet: in.PlannedFrom}
	if raw, ok := s.Outputs()[StepAdmit]; ok {
		if err := json.Unmarshal(raw, &a); err != nil {
			return v, err
		}
	}
	v.Set, v.PreviousSet, v.Instance = a.Set, a.PreviousSet, a.Name
	if v.Outcome == OutcomeDone {
		v.URL = d.Traffic.URL(in.Project, in.Environment, in.Workload)
	}
	return v, nil
}

// OutcomeOf says in one word what became of a deployment.
func OutcomeOf(s saga.Saga) string {
	switch s.Status {
	case saga.Done:
		return OutcomeDone
	case saga.Parked:
		return OutcomeParked
	case saga.Undone:
	default:
		return OutcomeRunning
	}
	if s.Failure != nil && s.Failure.Step == StepDecide {
		var d Decided
		if raw, ok := s.Outputs()[StepDecide]; ok && json.Unmarshal(raw, &d) == nil {
			switch d.Result {
			case Deny:
				return OutcomeDenied
			case NeedsApproval:
				return OutcomeHeld
			}
		}
	}
	return OutcomeFailed
}

// Details are what an operation says of its deployment, in short words.
func (d *Deployments) Details(s saga.Saga) map[string]string {
	v, err := d.ViewOf(s)
	if err != nil {
		return nil
	}
	details := map[string]string{
		"workload": v.Input.Workload, "environment": v.Input.Environment, "environmentType": v.Input.EnvironmentType,
		"artifact": v.Input.Artifact, "version": v.Input.Version, "strategy": v.Input.Strategy, "reason": v.Input.Reason,
		"outcome": v.Outcome, "set": set.Short(v.Set), "previousSet": set.Short(v.PreviousSet), "url": v.URL, "instance": v.Instance,
		"pipelineRun": v.Input.PipelineRun, "logTail": strings.Join(v.LogTail, "\n"),
	}
	for k, text := range details {
		if text == "" {
			delete(details, k)
		}
	}
	return details
}
