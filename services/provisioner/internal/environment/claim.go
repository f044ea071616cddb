package environment

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/saga"
)

// ready tells who waits that a claim is held, and hands over the outputs.
func (env *Environment) ready(claim string, to []pe.Request, changes map[string]made) ([]events.Draft, error) {
	c := env.Claims[claim]
	outputs := map[string]map[string]any{}
	list := []pe.ResourceChange{}
	for _, name := range sortedKeys(c.Names) {
		r := env.Resources[c.Names[name]]
		if r == nil || r.Applied == nil {
			return nil, fmt.Errorf("claim %s holds %s, which is not there", claim, c.Names[name])
		}
		outputs[name] = r.Outputs
		change := pe.ResourceChange{Resource: name, Action: "unchanged", Definition: r.Applied.Definition, Driver: r.Applied.Driver}
		if m, ok := changes[r.Key]; ok {
			change.Action, change.Run, change.Plan = m.Action, m.Run, m.Plan
		}
		list = append(list, change)
	}
	var out []events.Draft
	for _, to := range to {
		d, err := pe.ResourcesReady.Draft(env.Project, env.Name+"/"+c.Workload, pe.ResourcesReadyData{
			Request: to, Project: env.Project, Environment: env.Name, Outputs: outputs, Changes: list,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// reserveClaim makes sure that the environment is there for the claim.
func (e *Environments) reserveClaim(ctx context.Context, c saga.Call) (saga.Result, error) {
	var in ensureInput
	if err := json.Unmarshal(c.SagaInput, &in); err != nil {
		return saga.Result{}, saga.Fail(err)
	}
	var waiting string
	note := ""
	_, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		waiting, note = "", "environment "+env.Name+" is there"
		cl := env.Claims[in.Claim]
		if cl == nil || cl.Saga != c.SagaID || len(cl.Releasers) > 0 {
			return nil, saga.Fail(fmt.Errorf("claim %s was released", in.Claim))
		}
		switch env.Status {
		case Ready:
			return nil, errUnchanged
		case Deleting:
			return nil, saga.Fail(fmt.Errorf("environment %s is being deleted", env.Name))
		case Creating:
			if env.CreatedByClaim == in.Claim {
				note = "environment " + env.Name + " reserved"
				return nil, errUnchanged
			}
			waiting = "environment " + env.Name + " is being made by " + env.Saga
			return nil, errUnchanged
		}
		note = "environment " + env.Name + " reserved"
		env.begin(c, in.Type, in.TTL, e.cfg.Clock().UTC())
		env.CreatedByClaim = in.Claim
		return nil, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	if waiting != "" {
		return saga.Result{Wait: &saga.Wait{Until: e.cfg.Clock().Add(busyPause), Reason: waiting}}, nil
	}
	return saga.Result{Note: note}, nil
}

// begin is the moment an environment comes into being.
func (env *Environment) begin(c saga.Call, typ string, ttl document.Duration, now time.Time) {
	env.Type, env.TTL, env.Status, env.Saga = typ, ttl, Creating, c.SagaID
	env.CreatedAt, env.CreatedBy, env.CorrelationID = now, c.Cause.Actor, c.Cause.CorrelationID
	env.CreatedByClaim, env.Warned, env.Spec, env.Previous = "", false, nil, nil
	env.ExpiresAt, env.Retry = time.Time{}, time.Time{}
	if ttl > 0 {
		env.ExpiresAt = now.Add(ttl.Std())
	}
}

// end is the moment it is no more. Its fences stay.
func (env *Environment) end() {
	*env = Environment{Project: env.Project, Name: env.Name, Status: Gone, Released: env.Released, Claims: env.Claims, Resources: env.Resources}
}

// abandonClaim is the undo of reserveClaim, the last of all undos: it tells
// who waits that it did not work.
func (e *Environments) abandonClaim(ctx context.Context, c saga.Call) (saga.Result, error) {
	in, err := decode(c, nil)
	if err != nil {
		return saga.Result{}, err
	}
	note := "nothing to undo: it never was"
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		note = "nothing to undo: it never was"
		cl := env.Claims[in.Claim]
		if cl == nil || cl.Saga != c.SagaID {
			return nil, errUnchanged
		}
		note = "claim dropped"
		out, err := env.abandoned(in.Claim, cl, c.Failure)
		if err != nil {
			return nil, err
		}
		delete(env.Claims, in.Claim)
		if cl.Before != nil {
			env.Claims[in.Claim] = cl.Before
		}
		if env.Status == Creating && env.CreatedByClaim == in.Claim {
			env.end() // whoever waited for it makes it anew
			note = "environment gone"
		}
		return out, nil
	})
	return saga.Result{Note: note}, err
}

func (env *Environment) abandoned(claim string, cl *Claim, why *saga.Failure) ([]events.Draft, error) {
	d := pe.ResourcesFailedData{Project: env.Project, Environment: env.Name, Reason: "it was aborted", Undone: cl.Undone}
	if why != nil {
		d.Reason, d.Detail = why.Reason, why.Reason
		for name, key := range cl.Names {
			if stepID(key) == why.Step {
				d.Resource = name
				d.Reason = fmt.Sprintf("resource %s: %s", name, why.Reason)
			}
		}
	}
	var out []events.Draft
	for _, to := range cl.Waiters {
		d.Request = to
		draft, err := pe.ResourcesFailed.Draft(env.Project, env.Name+"/"+cl.Workload, d)
		if err != nil {
			return nil, err
		}
		out = append(out, draft)
	}
	released, err := env.released(claim, cl, undoneKeys(cl.Undone))
	return append(out, released...), err
}

func undoneKeys(steps []events.UndoneStep) []string {
	var out []string
	for _, st := range steps {
		if st.Undo == "destroyed" {
			out = append(out, st.Did)
		}
	}
	return out
}

// settleClaim is the end of the saga: the claim is held, the outputs are handed over.
func (e *Environments) settleClaim(ctx context.Context, c saga.Call) (saga.Result, error) {
	in, err := decode(c, nil)
	if err != nil {
		return saga.Result{}, err
	}
	changes := map[string]made{}
	for step, raw := range c.Outputs {
		var m made
		if json.Unmarshal(raw, &m) == nil && m.Action != "" {
			changes[step] = m
		}
	}
	note := ""
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		cl := env.Claims[in.Claim]
		if cl == nil || cl.Saga != c.SagaID || len(cl.Releasers) > 0 {
			return nil, saga.Fail(fmt.Errorf("claim %s was released before it was held", in.Claim))
		}
		note = fmt.Sprintf("%d resources for %s", len(cl.Names), cl.Workload)
		if cl.Status == Held {
			return nil, errUnchanged
		}
		byKey := map[string]made{}
		for _, k := range cl.Keys {
			if m, ok := changes[stepID(k.Key)]; ok {
				byKey[k.Key] = m
			}
		}
		out, err := env.ready(in.Claim, cl.Waiters, byKey)
		if err != nil {
			return nil, err
		}
		env.settle(in.Claim, c.SagaID)
		if env.Status == Creating && env.CreatedByClaim == in.Claim {
			env.Status = Ready
			created, err := env.created(c.SagaID)
			if err != nil {
				return nil, err
			}
			out = append([]events.Draft{created}, out...)
		}
		return out, nil
	})
	return saga.Result{Note: note}, err
}

// settle ends a claim's saga: there is nothing to undo any more.
func (env *Environment) settle(claim, sagaID string) {
	cl := env.Claims[claim]
	cl.Status, cl.Waiters, cl.Before, cl.Undone = Held, nil, nil, nil
	for _, r := range env.Resources {
		delete(r.Before, sagaID)
	}
}
