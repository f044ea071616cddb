package environment

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// Drift is what the last look for differences found. Nothing of it is mended.
type Drift struct {
	At    time.Time `json:"at,omitzero"`     // of the last look that came to an end
	Run   string    `json:"run,omitempty"`   // that looked
	Lines []string  `json:"lines,omitempty"` // one per difference, secrets masked; none: as it was made
	Since time.Time `json:"since,omitzero"`  // when this difference was first seen
	// Problem is why the last look came to nothing.
	Problem string `json:"problem,omitempty"`
	// Asked is the key of a look that is at work.
	Asked string `json:"asked,omitempty"`
}

const (
	// driftPause is how often it is looked which look is due or at an end, if
	// nobody says so.
	driftPause = 10 * time.Second
	// DriftEvery is how often each resource is looked at, unless it is set.
	DriftEvery = 6 * time.Hour
)

// LookForDrift asks for a look at a resource; one that is at work already is
// that look. What it found is in the resource's Drift once Asked is empty.
func (e *Environments) LookForDrift(ctx context.Context, cause events.Cause, project, name, key string) (Drift, error) {
	env, err := e.Get(ctx, project, name)
	if errors.Is(err, store.ErrNotFound) {
		return Drift{}, httpapi.NotFound("environment", name, "")
	}
	if err != nil {
		return Drift{}, err
	}
	r := env.State.Resources[key]
	if r == nil || r.Applied == nil {
		return Drift{}, httpapi.NotFound("resource", key, "It is not there, or not made yet.")
	}
	drv, _, err := e.driverOf(*r.Applied)
	if err != nil {
		return Drift{}, err
	}
	if _, can := drv.(driver.Drifter); !can {
		return Drift{}, conflict("Resource %s is made by driver %s, which keeps it as it is made and cannot look for differences.", key, r.Applied.Driver)
	}
	d, err := e.askDrift(ctx, cause, env.State, key)
	e.PokeDrift()
	return d, err
}

func (e *Environments) askDrift(ctx context.Context, cause events.Cause, env Environment, key string) (Drift, error) {
	v, err := e.update(ctx, env.Project, env.Name, inStep(cause), func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[key]
		if r == nil || r.Drift != nil && r.Drift.Asked != "" {
			return nil, errUnchanged
		}
		if r.Drift == nil {
			r.Drift = &Drift{}
		}
		r.Drift.Asked = "drift/" + derive("", env.Project, env.Name, key, e.cfg.Clock().UTC().Format(time.RFC3339Nano))
		return nil, nil
	})
	if r := v.State.Resources[key]; r != nil && r.Drift != nil {
		return *r.Drift, err
	}
	return Drift{}, err
}

// PokeDrift lets KeepDrift look now: a look may be at its end.
func (e *Environments) PokeDrift() {
	select {
	case e.poke <- struct{}{}:
	default:
	}
}

// KeepDrift looks for differences by its schedule, one resource of an
// environment at a time, and takes what was found, until ctx ends.
func (e *Environments) KeepDrift(ctx context.Context) error {
	tick := time.NewTicker(driftPause)
	defer tick.Stop()
	for {
		if err := e.driftOnce(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Log.Error().Err(err).Msg("cannot look for drift; trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-e.poke:
		}
	}
}

func (e *Environments) driftOnce(ctx context.Context) error {
	all, err := e.all(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range all {
		errs = append(errs, e.driftIn(ctx, v.State))
	}
	return errors.Join(errs...)
}

// driftIn goes on with every look that was asked for, and asks for one more
// where none is at work.
func (e *Environments) driftIn(ctx context.Context, env Environment) error {
	var errs []error
	busy, due := false, ""
	for _, key := range sortedKeys(env.Resources) {
		r := env.Resources[key]
		if r.Applied == nil {
			continue
		}
		drv, _, err := e.driverOf(*r.Applied)
		if err != nil {
			continue // no such driver any more: nobody can look
		}
		drifter, can := drv.(driver.Drifter)
		switch {
		case !can:
		case r.Drift != nil && r.Drift.Asked != "":
			busy = true
			errs = append(errs, e.goOn(ctx, drifter, env, r))
		case due == "" && env.Status == Ready && r.Op == "" && e.driftDue(env, r):
			due = key
		}
	}
	if !busy && due != "" {
		if _, err := e.askDrift(ctx, events.Cause{Actor: "service:" + service, CorrelationID: env.CorrelationID}, env, due); err != nil {
			return errors.Join(append(errs, err)...)
		}
		e.PokeDrift()
	}
	return errors.Join(errs...)
}

// driftDue spreads the first looks over the interval, by the resources' names.
func (e *Environments) driftDue(env Environment, r *Resource) bool {
	every := e.cfg.DriftEvery
	if every < 0 {
		return false
	}
	last := r.UpdatedAt
	if r.Drift != nil && r.Drift.At.After(last) {
		last = r.Drift.At
	} else {
		h := fnv.New32a()
		_, _ = h.Write([]byte(ID(env.Project, env.Name) + "/" + r.Key)) // it cannot fail
		last = last.Add(-time.Duration(uint64(h.Sum32()) % uint64(every)))
	}
	return e.cfg.Clock().Sub(last) >= every
}

// goOn asks the driver about a look that is at work, and keeps what it found.
func (e *Environments) goOn(ctx context.Context, drifter driver.Drifter, env Environment, r *Resource) error {
	asked := r.Drift.Asked
	cause := events.Cause{Actor: "service:" + service, CorrelationID: env.CorrelationID}
	by := driver.Operation{
		Key: asked, Step: r.Key, Project: env.Project, Environment: env.Name, Type: env.Type, Resource: r.Key, Cause: cause,
	}
	_, request, hidden, err := e.request(ctx, env, r, *r.Applied, by)
	var found driver.Difference
	if err == nil {
		found, err = drifter.Drift(ctx, request)
	}
	if _, wait := driver.AsNotYet(err); wait || ctx.Err() != nil {
		return nil
	}
	problem := ""
	if err != nil {
		problem = mask(err, hidden).Error()
	}
	_, err = e.update(ctx, env.Project, env.Name, cause, func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[r.Key]
		if r == nil || r.Drift == nil || r.Drift.Asked != asked {
			return nil, errUnchanged
		}
		was := *r.Drift
		now := e.cfg.Clock().UTC()
		r.Drift.Asked, r.Drift.At, r.Drift.Problem = "", now, problem
		if problem != "" {
			return nil, nil // what was known stays known
		}
		r.Drift.Run, r.Drift.Lines = found.Run, found.Lines
		if digest(was.Lines) == digest(found.Lines) || len(was.Lines)+len(found.Lines) == 0 {
			return nil, nil // nothing new
		}
		r.Drift.Since = time.Time{}
		if len(found.Lines) == 0 {
			return nil, nil
		}
		r.Drift.Since = now
		return drafts(pe.ResourceDrifted.Draft(env.Project, subject(env, r), pe.ResourceDriftedData{
			ResourceRef: r.ref(env, ""), Differences: few(found.Lines), Run: found.Run, Changes: found.Changes, Omitted: found.Omitted,
		}))
	})
	return err
}

// maxTold is how many differences an event names.
const maxTold = 100

func few(lines []string) []string {
	if len(lines) <= maxTold {
		return lines
	}
	return append(lines[:maxTold:maxTold], fmt.Sprintf("and %d more", len(lines)-maxTold))
}
