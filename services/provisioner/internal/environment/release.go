package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
)

// Release handles the command release-resources. From its commit on the claim
// is fenced: an ensure that comes later, though it was sent earlier, is refused.
func (e *Environments) Release(ctx context.Context, cause events.Cause, cmd pe.ReleaseResourcesData) error {
	if cmd.Claim == "" || cmd.Claim == OwnClaim || CheckName("environment", cmd.Environment) != nil {
		// It cannot have been ensured: there is nothing to release.
		d, err := pe.ResourcesReleased.Draft(cmd.Project, cmd.Claim, pe.ResourcesReleasedData{Request: cmd.Request, Destroyed: []string{}})
		if err != nil {
			return err
		}
		_, err = e.update(ctx, cmd.Project, "unknown", cause, func(*Environment) ([]events.Draft, error) { return []events.Draft{d}, nil })
		return err
	}
	v, err := e.update(ctx, cmd.Project, cmd.Environment, cause, func(env *Environment) ([]events.Draft, error) {
		env.Released[cmd.Claim] = e.cfg.Clock().UTC()
		c := env.Claims[cmd.Claim]
		if c == nil {
			return drafts(pe.ResourcesReleased.Draft(env.Project, env.Name+"/"+cmd.Claim, pe.ResourcesReleasedData{Request: cmd.Request, Destroyed: []string{}}))
		}
		c.Releasers, c.ReleaseReason = replaced(c.Releasers, cmd.Request), reason(cmd.Reason)
		if c.Status == Held {
			c.Status = Releasing
			c.Saga = derive("res-", "release", cmd.Project, cmd.Environment, cmd.Claim, c.Saga)
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	c := v.State.Claims[cmd.Claim]
	if c == nil {
		return nil
	}
	if c.Status == Ensuring {
		return e.abortEnsure(ctx, cause, v.State, cmd.Claim)
	}
	return e.startRelease(ctx, cause, v.State, cmd.Claim)
}

func reason(text string) string {
	if text == "" {
		return "released"
	}
	return text
}

func (e *Environments) startRelease(ctx context.Context, cause events.Cause, env Environment, claim string) error {
	c := env.Claims[claim]
	_, err := e.sagas.Start(ctx, runner.Start{
		ID: c.Saga, Definition: sagaRelease, Project: env.Project, Subject: env.Name + "/" + c.Workload,
		Input: scopeInput{Project: env.Project, Environment: env.Name, Claim: claim, Workload: c.Workload, Reason: c.ReleaseReason},
		Plan:  closingPlan(c.Keys, kindDrop), Cause: inStep(cause),
		Indexes: map[string]string{"environment": ID(env.Project, env.Name), "claim": claim},
	})
	return err
}

// abortEnsure turns back the saga that is at work for a claim; its last undo
// tells who released it.
func (e *Environments) abortEnsure(ctx context.Context, cause events.Cause, env Environment, claim string) error {
	c := env.Claims[claim]
	_, err := e.sagas.Abort(ctx, c.Saga, "released: "+c.ReleaseReason, inStep(cause))
	switch {
	case errors.Is(err, store.ErrNotFound):
		// Written down but never started: nothing was made.
		_, err = e.update(ctx, env.Project, env.Name, inStep(cause), func(env *Environment) ([]events.Draft, error) {
			cl := env.Claims[claim]
			if cl == nil || cl.Saga != c.Saga {
				return nil, errUnchanged
			}
			delete(env.Claims, claim)
			return env.released(claim, cl, nil)
		})
		return err
	case errors.Is(err, saga.ErrRefused):
		// It is past turning back, or just over: then it is held, or gone.
		return e.releaseLater(ctx, cause, env, claim)
	}
	return err
}

// releaseLater begins the release of a claim whose saga ended meanwhile.
func (e *Environments) releaseLater(ctx context.Context, cause events.Cause, env Environment, claim string) error {
	v, err := e.update(ctx, env.Project, env.Name, inStep(cause), func(env *Environment) ([]events.Draft, error) {
		c := env.Claims[claim]
		if c == nil || c.Status != Held {
			return nil, errUnchanged
		}
		c.Status = Releasing
		c.Saga = derive("res-", "release", env.Project, env.Name, claim, c.Saga)
		return nil, nil
	})
	if err != nil {
		return err
	}
	switch c := v.State.Claims[claim]; {
	case c == nil:
		return nil
	case c.Status == Ensuring:
		return fmt.Errorf("claim %s is still being made by %s, which cannot be turned back", claim, c.Saga)
	}
	return e.startRelease(ctx, cause, v.State, claim)
}

// released tells whoever released a claim that it is gone.
func (env *Environment) released(claim string, c *Claim, destroyed []string) ([]events.Draft, error) {
	var out []events.Draft
	for _, to := range c.Releasers {
		d, err := pe.ResourcesReleased.Draft(env.Project, env.Name+"/"+claim, pe.ResourcesReleasedData{
			Request: to, Destroyed: append([]string{}, destroyed...),
		})
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// finishRelease forgets the claim, and the environment too where it came into
// being for it and nobody uses it.
func (e *Environments) finishRelease(ctx context.Context, c saga.Call) (saga.Result, error) {
	in, err := decode(c, nil)
	if err != nil {
		return saga.Result{}, err
	}
	var destroyed []string
	for _, step := range sortedKeys(c.Outputs) {
		var l let
		if json.Unmarshal(c.Outputs[step], &l) == nil && l.Destroyed {
			destroyed = append(destroyed, l.Key)
		}
	}
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		cl := env.Claims[in.Claim]
		if cl == nil || cl.Saga != c.SagaID {
			return nil, errUnchanged
		}
		out, err := env.released(in.Claim, cl, destroyed)
		if err != nil {
			return nil, err
		}
		delete(env.Claims, in.Claim)
		unused := len(env.Claims) == 0 && len(env.Resources) == 0
		if env.CreatedByClaim == in.Claim && env.Status == Ready && unused {
			gone, err := env.deleted(c.SagaID, in.Reason)
			if err != nil {
				return nil, err
			}
			env.end()
			out = append(out, gone)
		}
		return out, nil
	})
	return saga.Result{Note: fmt.Sprintf("%d resources destroyed", len(destroyed))}, err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
