package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
)

// Answers of policy.
const (
	Allow         = "allow"
	Deny          = "deny"
	NeedsApproval = "needs-approval"
)

// Question is what policy is asked of a plan.
type Question struct {
	ID      string // the run's
	Project string
	Subject string // environment/resource
	Input   map[string]any
	Cause   events.Cause
}

// Decision is what policy answered.
type Decision struct {
	ID      string   `json:"id"`
	Result  string   `json:"result"`
	Reasons []Reason `json:"reasons,omitempty"`
}

// Reason is one message of one rule.
type Reason struct {
	Policy   string `json:"policy"`
	Rule     string `json:"rule"`
	Message  string `json:"message"`
	Resource string `json:"resource,omitempty"` // address in the plan
	Line     int    `json:"line,omitempty"`     // of the rule in its policy
}

func (r Reason) String() string {
	text := r.Policy
	if r.Rule != "" {
		text += ": " + r.Rule
	}
	if r.Line > 0 {
		text += fmt.Sprintf(" (line %d)", r.Line)
	}
	if r.Resource != "" && !strings.Contains(r.Message, r.Resource) {
		text += ": " + r.Resource
	}
	return text + ": " + r.Message
}

func (d Decision) said(rule string) string {
	var out []string
	for _, r := range d.Reasons {
		if r.Rule == rule || r.Rule == "" {
			out = append(out, r.String())
		}
	}
	if len(out) == 0 {
		return "policy, which gave no reason"
	}
	return strings.Join(out, "; ")
}

// judge asks policy about the plan. No answer is neither yes nor no: it is
// asked again.
func (r *Runs) judge(ctx context.Context, run Run) error {
	if !run.HasChanges {
		return r.unchanged(ctx, run)
	}
	question, err := r.question(ctx, run)
	var large *plan.TooLargeError
	if errors.As(err, &large) {
		return r.end(ctx, run.ID, Failed, Setup, large.Error())
	}
	if err != nil {
		return err
	}
	answer, err := r.c.Decide(ctx, question)
	if err == nil && answer.Result != Allow && answer.Result != Deny && answer.Result != NeedsApproval {
		err = fmt.Errorf("policy answered %q, which is no decision", answer.Result)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.note(ctx, run.ID, "undecided: "+err.Error()); err != nil {
			return err
		}
		return r.pause(ctx, run.ID, r.c.AskAgain)
	}
	_, err = r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Planning || run.Decision != nil {
			return nil, errUnchanged
		}
		run.Decision, run.Waits = &answer, ""
		switch answer.Result {
		case Allow:
			run.Status = Applying
		case NeedsApproval:
			run.Status, run.Waits = Waiting, "an approval is needed: "+answer.said("require_approval")
		}
		planned, err := run.judged()
		if err != nil {
			return nil, err
		}
		out := []events.Draft{planned}
		if answer.Result == Deny {
			over, err := r.over(run, Failed, Denied, "the plan is denied by "+answer.said("deny"))
			return append(out, over...), err
		}
		return out, nil
	})
	return err
}

// question is what policies see. Its time is when the plan was made, so that
// the same question asked again is the same.
func (r *Runs) question(_ context.Context, run Run) (Question, error) {
	p, hidden, err := r.storedPlan(run)
	if err != nil {
		return Question{}, err
	}
	input, err := plan.Input(p, hidden, plan.Question{
		Project: run.Project, Environment: run.Environment, EnvironmentType: run.EnvironmentType,
		Resource: run.Resource, Definition: run.Definition, Stack: run.Stack, Run: run.ID, Operation: run.Operation,
		Engine: string(run.Engine.Kind) + " " + run.Engine.Version, Actor: run.Cause.Actor, Reason: run.Why,
		PlanDigest: run.PlanDigest, Time: run.PlannedAt,
	})
	return Question{ID: run.ID, Project: run.Project, Subject: run.Environment + "/" + run.Resource, Input: input, Cause: run.Cause}, err
}

// storedPlan is the plan that policy judges, and what must not be seen of it.
func (r *Runs) storedPlan(run Run) (*plan.Plan, []string, error) {
	raw, err := r.keep.read(run.ID, filePlanJSON)
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.Read(raw)
	if err != nil {
		return nil, nil, err
	}
	w, err := r.wish(run.ID)
	return p, w.Hidden, err
}
