package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
)

// deleteInput is the input of the saga "environment-delete".
type deleteInput struct {
	scopeInput
	Force     bool `json:"force,omitempty"`     // though workloads have claims
	Unprotect bool `json:"unprotect,omitempty"` // though a definition protects a resource
}

// Delete starts the saga that destroys an environment and all that is in it.
func (e *Environments) Delete(ctx context.Context, cause events.Cause, id, project, name string, force bool) (saga.Saga, error) {
	if v, err := e.sagas.Get(ctx, "env-"+id); err == nil {
		return v.State, nil
	}
	v, err := e.Get(ctx, project, name)
	if errors.Is(err, store.ErrNotFound) {
		return saga.Saga{}, httpapi.NotFound("environment", name, "")
	}
	if err != nil {
		return saga.Saga{}, err
	}
	if v.State.Status != Ready {
		return saga.Saga{}, conflict("Environment %s is %s by saga %s; wait for its end, or abort it.", name, v.State.Status, v.State.Saga)
	}
	in := deleteInput{scopeInput: scopeInput{Project: project, Environment: name, Reason: "deleted"}, Force: force, Unprotect: force}
	if err := v.State.mayClose(in); err != nil {
		return saga.Saga{}, conflict("%s. To delete it all the same, use force.", err)
	}
	return e.startDelete(ctx, cause, "env-"+id, v.State, in)
}

func (e *Environments) startDelete(ctx context.Context, cause events.Cause, id string, env Environment, in deleteInput) (saga.Saga, error) {
	keys := env.allKeys()
	return e.sagas.Start(ctx, runner.Start{
		ID: id, Definition: sagaDelete, Project: env.Project, Subject: env.Name, Input: in, Cause: inStep(cause),
		Plan:    closingPlan(keys, kindDestroy, saga.PlannedStep{ID: kindClose, Kind: kindClose, Title: "environment " + env.Name, Input: keys}),
		Indexes: map[string]string{"environment": ID(env.Project, env.Name)},
	})
}

// mayClose says what speaks against deleting.
func (env *Environment) mayClose(in deleteInput) error {
	if !in.Force {
		for _, claim := range sortedKeys(env.Claims) {
			if c := env.Claims[claim]; claim != OwnClaim {
				return fmt.Errorf("workload %s runs in environment %s", c.Workload, env.Name)
			}
		}
	}
	if !in.Unprotect {
		for _, key := range sortedKeys(env.Resources) {
			if r := env.Resources[key]; r.Applied != nil && r.Applied.Protect {
				return fmt.Errorf("resource %s is protected by definition %s", key, r.Applied.Definition)
			}
		}
	}
	return nil
}

// allKeys is every resource that is there, with what it depends on.
func (env *Environment) allKeys() []KeyAfter {
	after := map[string][]string{}
	for _, c := range env.Claims {
		for ; c != nil; c = c.Before {
			for _, k := range c.Keys {
				after[k.Key] = append(after[k.Key], k.After...)
			}
		}
	}
	var out []KeyAfter
	for _, key := range sortedKeys(env.Resources) {
		deps := slices.Clone(after[key])
		slices.Sort(deps)
		out = append(out, KeyAfter{Key: key, After: slices.Compact(deps)})
	}
	return out
}

// closeEnvironment lets nobody in any more, once nobody is on the way.
func (e *Environments) closeEnvironment(ctx context.Context, c saga.Call) (saga.Result, error) {
	var in deleteInput
	var planned []KeyAfter
	if err := errors.Join(json.Unmarshal(c.SagaInput, &in), json.Unmarshal(c.Input, &planned)); err != nil {
		return saga.Result{}, saga.Fail(err)
	}
	var busy string
	_, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		busy = ""
		if env.Status == Deleting && env.Saga == c.SagaID {
			return nil, errUnchanged
		}
		if env.Status != Ready {
			return nil, saga.Fail(fmt.Errorf("environment %s is %s", env.Name, env.Status))
		}
		for _, cl := range env.Claims {
			if cl.Status != Held {
				busy = cl.Saga
				return nil, errUnchanged
			}
		}
		if err := env.mayClose(in); err != nil {
			return nil, saga.Fail(err)
		}
		if digest(env.allKeys()) != digest(planned) {
			return nil, saga.Fail(fmt.Errorf("the resources of environment %s changed after this was planned; delete it again", env.Name))
		}
		env.Status, env.Saga = Deleting, c.SagaID
		return nil, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	if busy != "" {
		return wait(e.cfg.Clock(), in.Environment, busy), nil
	}
	return saga.Result{Note: "environment " + in.Environment + " closed"}, nil
}

func (e *Environments) reopenEnvironment(ctx context.Context, c saga.Call) (saga.Result, error) {
	in, err := decode(c, nil)
	if err != nil {
		return saga.Result{}, err
	}
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		if env.Status != Deleting || env.Saga != c.SagaID {
			return nil, errUnchanged
		}
		env.Status = Ready
		return nil, nil
	})
	return saga.Result{Note: "open as before"}, err
}

func (e *Environments) finishDelete(ctx context.Context, c saga.Call) (saga.Result, error) {
	in, err := decode(c, nil)
	if err != nil {
		return saga.Result{}, err
	}
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		if env.Status != Deleting || env.Saga != c.SagaID {
			return nil, errUnchanged
		}
		gone, err := env.deleted(c.SagaID, in.Reason)
		if err != nil {
			return nil, err
		}
		for claim := range env.Claims {
			if claim != OwnClaim {
				env.Released[claim] = e.cfg.Clock().UTC()
			}
		}
		env.end()
		env.Claims, env.Resources = nil, nil
		return []events.Draft{gone}, nil
	})
	return saga.Result{Note: "environment " + in.Environment + " gone"}, err
}
