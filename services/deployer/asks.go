package deployer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

type (
	workloadScore = score.Workload
	scoreFault    = score.Fault
)

// The questions that a deployment puts to others: may it, which values do
// secrets have, and, for a dry run, what would be done for its resources. All are requests on the bus with a deadline; no answer is
// "not now", never yes and never no.

const (
	subjectDecide  = "rpc.policy.decide"
	subjectResolve = "rpc.secret.resolve"
	askTimeout     = 4 * time.Second
	// planTimeout is longer: engines plan for real. It is less than what a
	// client waits for an answer.
	planTimeout = 50 * time.Second
)

// askPolicy asks the policy service.
func (s *Service) askPolicy(ctx context.Context, q deployment.Question) (deployment.Decided, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	question := map[string]any{
		"id": q.ID, "kind": "deploy", "project": q.Project, "subject": q.Subject, "input": q.Input,
		"correlationId": q.Cause.CorrelationID, "causationId": q.Cause.ID, "actor": q.Cause.Actor,
	}
	var answer deployment.Decided
	if err := s.c.Bus.Request(ctx, subjectDecide, question, &answer); err != nil {
		return answer, err
	}
	switch answer.Result {
	case deployment.Allow, deployment.Deny, deployment.NeedsApproval:
		return answer, nil
	}
	return answer, fmt.Errorf("policy answered %q, which is no decision", answer.Result)
}

// resolveSecrets asks the provisioner for values. They are kept nowhere.
func (s *Service) resolveSecrets(ctx context.Context, project string, names []string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var answer struct {
		Values  map[string]string `json:"values"`
		Missing []string          `json:"missing"`
	}
	if err := s.c.Bus.Request(ctx, subjectResolve, map[string]any{
		"project": project, "names": names, "purpose": "variables of a workload", "service": Name,
	}, &answer); err != nil {
		return nil, fmt.Errorf("secrets could not be resolved: %w", err)
	}
	if len(answer.Missing) > 0 {
		return nil, fmt.Errorf("there is no secret %s in project %s", strings.Join(answer.Missing, ", "), project)
	}
	return answer.Values, nil
}

// planResources asks the provisioner what ensuring resources would do.
func (s *Service) planResources(ctx context.Context, cmd provisioner.EnsureResourcesData) (provisioner.PlannedResources, error) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	var answer provisioner.PlannedResources
	err := s.c.Bus.Request(ctx, provisioner.PlanSubject, cmd, &answer)
	var problem *httpapi.Problem
	if errors.As(err, &problem) {
		return answer, errors.New(saidBy(problem))
	}
	if err != nil {
		return answer, fmt.Errorf("the provisioner could not be asked what it would do: %w", err)
	}
	return answer, nil
}

// saidBy is a problem in words: its faults, where it has some.
func saidBy(p *httpapi.Problem) string {
	var faults []string
	for _, f := range p.Errors {
		faults = append(faults, f.String())
	}
	if len(faults) > 0 {
		return strings.Join(faults, "; ")
	}
	return p.Error()
}
