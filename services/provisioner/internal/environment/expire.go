package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// expiryRetry is when an expiry that was refused is tried again.
const expiryRetry = 5 * time.Minute

// warnAt is when it is to be said that the environment expires.
func (env *Environment) warnAt(warning time.Duration) time.Time {
	return env.ExpiresAt.Add(-min(warning, env.TTL.Std()/4))
}

// wakeAt is when the environment wants to be looked at; zero for never.
func (env *Environment) wakeAt(warning time.Duration) time.Time {
	switch {
	case env.Status != Ready || env.ExpiresAt.IsZero():
		return time.Time{}
	case env.Retry.After(env.ExpiresAt):
		return env.Retry
	case env.Warned:
		return env.ExpiresAt
	}
	return env.warnAt(warning)
}

// Sweep warns of, and destroys, what expires, until ctx ends.
func (e *Environments) Sweep(ctx context.Context) error { return e.repo.Sweep(ctx, e.due) }

func (e *Environments) due(ctx context.Context, v aggregate.Versioned[Environment]) error {
	env, now := v.State, e.cfg.Clock().UTC()
	cause := events.Cause{Actor: "service:" + service, CorrelationID: env.CorrelationID}
	if env.Status != Ready || env.ExpiresAt.IsZero() {
		return nil
	}
	if now.Before(env.ExpiresAt) {
		return e.warn(ctx, cause, env)
	}
	// The retry is durable first: should the saga be refused, or this process
	// end here, it is tried again then.
	v, err := e.update(ctx, env.Project, env.Name, cause, func(env *Environment) ([]events.Draft, error) {
		if env.Status != Ready || now.Before(env.ExpiresAt) || now.Before(env.Retry) {
			return nil, errUnchanged // extended, or taken on, meanwhile
		}
		env.Retry = now.Add(expiryRetry)
		return nil, nil
	})
	if err != nil || !v.State.Retry.Equal(now.Add(expiryRetry)) {
		return err
	}
	id := derive("env-", "expire", env.Project, env.Name, v.State.Retry.String())
	_, err = e.startDelete(ctx, cause, id, v.State, deleteInput{
		scopeInput: scopeInput{Project: env.Project, Environment: env.Name, Reason: "expired"}, Force: true,
	})
	return err
}

func (e *Environments) warn(ctx context.Context, cause events.Cause, env Environment) error {
	_, err := e.update(ctx, env.Project, env.Name, cause, func(env *Environment) ([]events.Draft, error) {
		if env.Status != Ready || env.Warned || e.cfg.Clock().Before(env.warnAt(e.cfg.Warning)) {
			return nil, errUnchanged
		}
		env.Warned = true
		return drafts(pe.EnvironmentExpiring.Draft(env.Project, env.Name, pe.EnvironmentExpiringData{
			Environment: env.Name, Type: env.Type, Project: env.Project, ExpiresAt: env.ExpiresAt, Owner: env.CreatedBy,
		}))
	})
	return err
}

// Extend lets an environment live for a time from now on. It never shortens
// its life. It answers the new end.
func (e *Environments) Extend(ctx context.Context, cause events.Cause, project, name string, ttl document.Duration) (time.Time, error) {
	if ttl <= 0 {
		return time.Time{}, httpapi.Unprocessable(httpapi.Fault{Pointer: "/ttl", Message: "say for how long from now on, such as 24h"})
	}
	return e.setEnd(ctx, cause, project, name, func(env *Environment, now time.Time) error {
		end := now.Add(ttl.Std())
		switch {
		case env.ExpiresAt.IsZero():
			return conflict("Environment %s does not expire; there is nothing to extend.", name)
		case end.Before(env.ExpiresAt):
			return conflict("Environment %s lives until %s already; %s from now is earlier.", name, until(env.ExpiresAt), ttl)
		}
		env.ExpiresAt = end
		return nil
	})
}

// setTTL gives an environment another time to live, counted from now.
func (e *Environments) setTTL(ctx context.Context, cause events.Cause, project, name string, ttl document.Duration) error {
	_, err := e.setEnd(ctx, cause, project, name, func(env *Environment, now time.Time) error {
		env.TTL, env.ExpiresAt = ttl, time.Time{}
		if ttl > 0 {
			env.ExpiresAt = now.Add(ttl.Std())
		}
		return nil
	})
	return err
}

func (e *Environments) setEnd(ctx context.Context, cause events.Cause, project, name string, set func(*Environment, time.Time) error) (time.Time, error) {
	v, err := e.Get(ctx, project, name)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, httpapi.NotFound("environment", name, "")
	}
	if err != nil {
		return time.Time{}, err
	}
	t, err := e.Type(ctx, v.State.Type)
	if err != nil && !isProblem(err) { // a type deleted since sets no limit
		return time.Time{}, err
	}
	v, err = e.update(ctx, project, name, cause, func(env *Environment) ([]events.Draft, error) {
		if env.Status != Ready {
			return nil, conflict("Environment %s is %s.", name, env.Status)
		}
		now := e.cfg.Clock().UTC()
		if err := set(env, now); err != nil {
			return nil, err
		}
		if t.MaxTTL > 0 && env.ExpiresAt.Sub(now) > t.MaxTTL.Std() {
			return nil, httpapi.Unprocessable(httpapi.Fault{Message: fmt.Sprintf("an environment of type %s lives for %s at most, counted from now", t.Name, t.MaxTTL)})
		}
		env.Retry = time.Time{}
		env.Warned = env.Warned && !now.Before(env.warnAt(e.cfg.Warning))
		return drafts(env.modified("", "expires "+until(env.ExpiresAt)))
	})
	return v.State.ExpiresAt, err
}

func until(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.Format(time.RFC3339)
}
