package deployment

import (
	"context"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
)

// conclude makes the set the current one, gives up what the instance before
// held, and ends the turn: one commit, so that all of it happens once.
func (d *Deployments) conclude(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, _, err := c.admitted()
	if err != nil {
		return saga.Result{}, err
	}
	next := ""
	_, err = d.Environments.Update(ctx, c.environmentID(), c.cause(), func(s *environment.State, _ bool) (aggregate.Decision, error) {
		next = ""
		if s.Active != c.SagaID {
			return aggregate.Decision{Skip: true}, nil // it was done before
		}
		var out []events.Draft
		if a.Previous != nil && a.Previous.Claim != "" && a.Previous.Claim != c.SagaID {
			// The provisioner sees to it that it happens; nothing here waits for it.
			request := provisioner.Request{SagaID: c.SagaID, StepID: "release", Attempt: 1, Direction: string(saga.Forward), Claim: a.Previous.Claim}
			draft, err := release(c, request, "replaced by "+c.SagaID)
			if err != nil {
				return aggregate.Decision{}, err
			}
			out = append(out, draft)
		}
		s.Complete(a.Set, c.SagaID, d.Clock().UTC())
		next = s.Leave(c.SagaID)
		return aggregate.Decision{Events: out}, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	d.nudge(ctx, next)
	return saga.Result{Note: "set " + set.Short(a.Set) + " is current"}, nil
}
