package environment

import (
	"context"
	"time"

	pe "github.com/slipway-idp/slipway/events/provisioner"
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
	Action     string   `json:"action,omitempty"` // create, change, unchanged or unknown, as the driver says
	Definition string   `json:"definition,omitempty"`
	Driver     string   `json:"driver,omitempty"`
	Summary    string   `json:"summary,omitempty"`
	Run        string   `json:"run,omitempty"` // that made the plan, where one did
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
	return e.plan(ctx, env, OwnClaim, g)
}

// PlanNeeds is what Ensure would do for a workload, and how each step would be
// undone.
func (e *Environments) PlanNeeds(ctx context.Context, cmd pe.EnsureResourcesData) ([]PlannedStep, error) {
	in, g, _, err := e.consider(ctx, cmd)
	if err != nil {
		return nil, err
	}
	env, err := e.load(ctx, cmd.Project, cmd.Environment)
	if err != nil {
		return nil, err
	}
	if env.Type == "" {
		env.Type = in.Type
	}
	return e.plan(ctx, env, cmd.Claim, g)
}

func (e *Environments) plan(ctx context.Context, env Environment, claim string, g graph.Graph) ([]PlannedStep, error) {
	plan := ensurePlan(env, claim, g)
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
			if n.Protect && st.Kind == kindCreate {
				p.Undo = "parked: definition " + n.Definition + " protects it"
			}
			if err := e.planNode(ctx, env, n, &p); err != nil {
				return nil, httpapi.Unprocessable(httpapi.Fault{Pointer: "/resources/" + n.Name, Message: err.Error()})
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// planNode asks the driver. Where inputs hang on what is not there yet, a
// driver of modules cannot say what it would do, and that is what it says.
func (e *Environments) planNode(ctx context.Context, env Environment, n graph.Node, p *PlannedStep) error {
	drv := e.cfg.Drivers[n.Driver]
	if drv == nil {
		return nil
	}
	by := driver.Operation{
		Key:  "plan/" + derive("", env.Project, env.Name, n.Key, digest(n), e.cfg.Clock().UTC().Format(time.RFC3339Nano)),
		Step: n.Key, Project: env.Project, Environment: env.Name, Type: env.Type, Resource: n.Key,
	}
	request := driver.Request{Ref: refOf(env, n.Key, n.Kind), Inputs: n.Inputs, By: by}
	want, err := resolve(env, n)
	if err != nil && want.Module == nil && moduleOf(n) != nil {
		p.Action, p.Summary = string(driver.Unknown), "known once what it needs is there: "+err.Error()
		return nil
	}
	var hidden []string
	if moduleOf(n) != nil {
		if _, request, hidden, err = e.request(ctx, env, env.Resources[n.Key], want, by); err != nil {
			return err
		}
	}
	dp, err := drv.Plan(ctx, request)
	if err != nil {
		return mask(err, hidden)
	}
	p.Action, p.Summary, p.Run = string(dp.Action), dp.Summary, dp.Run
	return nil
}
