package environment

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// opReconcile is at work on a resource in place of a saga.
const opReconcile = "reconcile"

// lookEvery is how often it is looked whether every resource is well.
const lookEvery = 5 * time.Second

// KeepUp brings back every resource that should be there and is not: at the
// start of the platform, and whenever one dies, until ctx ends.
func (e *Environments) KeepUp(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := e.ReconcileAll(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Log.Error().Err(err).Msg("cannot look after the resources; trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ReconcileAll looks at every environment once.
func (e *Environments) ReconcileAll(ctx context.Context) error {
	all, err := e.all(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range all {
		errs = append(errs, e.reconcile(ctx, v.State))
	}
	return errors.Join(errs...)
}

// Reconcile handles the command reconcile-environment.
func (e *Environments) Reconcile(ctx context.Context, cmd pe.ReconcileEnvironmentData) error {
	v, err := e.Get(ctx, cmd.Project, cmd.Environment)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.reconcile(ctx, v.State)
}

// reconcile brings back what is not well, all resources at once.
func (e *Environments) reconcile(ctx context.Context, env Environment) error {
	var wg sync.WaitGroup
	for _, key := range sortedKeys(env.Resources) {
		r := env.Resources[key]
		if r.Applied == nil || (r.Op != "" && r.Op != opReconcile) {
			continue // a saga's business
		}
		drv, _, err := e.driverOf(*r.Applied)
		if err != nil {
			return err
		}
		if _, drifts := drv.(driver.Drifter); drifts {
			continue // to mend it takes a plan that somebody answers for
		}
		seen, err := drv.Read(ctx, refOf(env, key, r.Applied.Kind))
		if err != nil {
			return err
		}
		if seen.Healthy && r.Op == "" {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := e.bringBack(ctx, env, key, seen.Detail); err != nil && ctx.Err() == nil {
				e.cfg.Log.Error().Err(err).Str("environment", ID(env.Project, env.Name)).Str("resource", key).
					Msg("a resource cannot be brought back; trying again")
			}
		}()
	}
	wg.Wait()
	return nil
}

func (e *Environments) bringBack(ctx context.Context, env Environment, key, detail string) error {
	cause := events.Cause{Actor: "service:" + service, CorrelationID: env.CorrelationID}
	mine := false
	v, err := e.update(ctx, env.Project, env.Name, cause, func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[key]
		if mine = r != nil && r.Applied != nil && (r.Op == "" || r.Op == opReconcile); !mine {
			return nil, errUnchanged
		}
		r.Op, r.Detail = opReconcile, detail
		return nil, nil
	})
	if err != nil || !mine {
		return err
	}
	r := v.State.Resources[key]
	by := driver.Operation{
		Key: opReconcile + "/" + env.Project + "/" + env.Name + "/" + key, Step: opReconcile,
		Project: env.Project, Environment: env.Name, Type: v.State.Type, Resource: key, Cause: cause,
	}
	a, applyErr := e.apply(ctx, v.State, r, *r.Applied, by)
	if _, wait := driver.AsNotYet(applyErr); wait {
		return nil // the next look asks again
	}
	_, err = e.update(context.WithoutCancel(ctx), env.Project, env.Name, cause, func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[key]
		if r == nil || r.Op != opReconcile {
			return nil, errUnchanged
		}
		r.Op = ""
		if applyErr != nil {
			r.Detail = applyErr.Error()
			return nil, nil
		}
		moved := digest(r.Outputs) != digest(a.Outputs)
		r.applied(*r.Applied, r.AppliedBy, a, e.cfg.Clock().UTC())
		if !moved {
			return nil, nil
		}
		// Its users know it by outputs that are no longer so.
		return drafts(pe.ResourceChanged.Draft(env.Project, subject(env, r), pe.ResourceChangedData{
			ResourceRef: r.ref(env, ""), Changed: []string{"outputs"},
		}))
	})
	return errors.Join(applyErr, err)
}
