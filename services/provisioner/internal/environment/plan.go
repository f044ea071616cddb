package environment

import (
	"context"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
)

// PlannedStep is one step of a plan that nobody has begun.
type PlannedStep struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	Title      string   `json:"title,omitempty"`
	After      []string `json:"after,omitempty"`
	Action     string   `json:"action,omitempty"` // create, change or unchanged, as the driver says
	Definition string   `json:"definition,omitempty"`
	Driver     string   `json:"driver,omitempty"`
	Summary    string   `json:"summary,omitempty"`
	Undo       string   `json:"undo"`
}

// Plan is what Create would do, and how each step would be undone.
func (e *Environments) Plan(ctx context.Context, w Wish) ([]PlannedStep, error) {
	_, g, err := e.check(ctx, w)
	if err != nil {
		return nil, err
	}
	env, err := e.load(ctx, w.Project, w.Name)
	if err != nil {
		return nil, err
	}
	plan := ensurePlan(env, OwnClaim, g)
	out := []PlannedStep{}
	for _, st := range plan.Steps {
		p := PlannedStep{ID: st.ID, Kind: st.Kind, Title: st.Title, After: st.After}
		switch st.Kind {
		case kindReserve:
			p.Undo = "the environment is gone"
		case kindSettle:
			p.Undo = "nothing to undo"
		case kindChange:
			p.Undo = "put back as it was"
		case kindCreate:
			p.Undo = "destroyed"
		case kindDrop:
			p.Undo = "cannot be undone: it comes last"
		}
		if n, ok := st.Input.(graph.Node); ok {
			p.Definition, p.Driver = n.Definition, n.Driver
			if drv := e.cfg.Drivers[n.Driver]; drv != nil {
				dp, err := drv.Plan(ctx, driver.Request{Ref: refOf(Environment{Project: w.Project, Name: w.Name}, n.Key, n.Kind), Inputs: n.Inputs})
				if err != nil {
					return nil, httpapi.Unprocessable(httpapi.Fault{Pointer: "/resources/" + n.Name, Message: err.Error()})
				}
				p.Action, p.Summary = string(dp.Action), dp.Summary
			}
		}
		out = append(out, p)
	}
	return out, nil
}
