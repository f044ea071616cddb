package deployer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

type (
	workloadScore = score.Workload
	scoreFault    = score.Fault
)

// The two questions that a deployment puts to others: may it, and which values
// do secrets have. Both are requests on the bus with a deadline; no answer is
// "not now", never yes and never no.

const (
	subjectDecide  = "rpc.policy.decide"
	subjectResolve = "rpc.secret.resolve"
	askTimeout     = 4 * time.Second
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
