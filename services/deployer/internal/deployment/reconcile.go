package deployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

// Reconcile starts again what should run and does not, and tells the ingress
// where it is then. Faults of one environment do not keep others from it.
func (d *Deployments) Reconcile(ctx context.Context) error {
	var errs []error
	all, err := d.all(ctx)
	if err != nil {
		return err
	}
	for _, v := range all {
		if len(v.State.Running) > 0 {
			errs = append(errs, d.reconcileOne(ctx, v.ID))
		}
	}
	return errors.Join(errs...)
}

func (d *Deployments) all(ctx context.Context) ([]aggregate.Versioned[environment.State], error) {
	var out []aggregate.Versioned[environment.State]
	for f := (aggregate.Filter{Limit: store.MaxLimit}); ; {
		page, next, err := d.Environments.List(ctx, f)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if next == "" {
			return out, nil
		}
		f.Cursor = next
	}
}

// reconcileOne holds the environment's lock, so that a deployment does not
// replace an instance while it is brought back.
func (d *Deployments) reconcileOne(ctx context.Context, id string) error {
	unlock := d.locks.lock(id)
	defer unlock()
	v, err := d.Environments.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	moved := map[string]string{} // workload → new address
	for workload, run := range v.State.Running {
		if run.Halted != "" {
			continue
		}
		i, known, err := d.Target.Find(ctx, run.Instance)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !known || i.State == target.Gone || i.State == target.Failed {
			d.Log.Warn().Str("environment", id).Str("instance", run.Name).Msg("it should run and does not; it is started again")
			if i.State == target.Failed {
				if err := d.Target.Stop(ctx, run.Instance, run.Stop); err != nil {
					errs = append(errs, err)
					continue
				}
			}
			if i, _, err = d.begin(ctx, wantedAgain(v.State.Project, v.State.Name, workload, run)); err != nil {
				errs = append(errs, fmt.Errorf("%s in %s: %w", run.Name, id, err))
				continue
			}
		}
		if i.Addr != run.Addr {
			moved[workload] = i.Addr
		}
	}
	if len(moved) == 0 {
		return errors.Join(errs...)
	}
	_, err = d.Environments.Update(ctx, id, events.Cause{Actor: "service:deployer"}, func(s *environment.State, _ bool) (aggregate.Decision, error) {
		for workload, addr := range moved {
			run := s.Running[workload]
			run.Addr = addr
			s.Put(workload, run)
		}
		return aggregate.Decision{}, nil
	})
	if err == nil {
		err = d.Traffic.Push(ctx)
	}
	return errors.Join(append(errs, err)...)
}

// Watch reconciles now and then until ctx ends.
func (d *Deployments) Watch(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := d.Reconcile(ctx); err != nil && ctx.Err() == nil {
			d.Log.Error().Err(err).Msg("not everything that should run could be brought back; it is tried again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// SetType notes what type an environment is of, as the provisioner says.
func (d *Deployments) SetType(ctx context.Context, project, name, kind string, cause events.Cause) error {
	if kind == "" {
		return nil
	}
	_, err := d.Environments.Update(ctx, environment.ID(project, name), cause, func(s *environment.State, _ bool) (aggregate.Decision, error) {
		s.Project, s.Name, s.Type = project, name, kind
		return aggregate.Decision{}, nil
	})
	return err
}

// Removed ends what ran in an environment when it was deleted: instances are
// stopped, routes taken away, deployments that had its resources aborted. What
// began after that belongs to an environment of the same name that was made
// again, and is left alone.
func (d *Deployments) Removed(ctx context.Context, project, name string, at time.Time, cause events.Cause) error {
	id := environment.ID(project, name)
	v, err := d.Environments.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.abortWithout(ctx, v.State.Active, name, at, cause); err != nil {
		return err
	}
	gone := map[string]environment.Running{}
	for workload, run := range v.State.Running {
		if run.Since.Before(at) {
			gone[workload] = run
		}
	}
	if len(gone) == 0 {
		return nil
	}
	unlock := d.locks.lock(id)
	defer unlock()
	for _, run := range gone {
		if err := d.Target.Stop(ctx, run.Instance, run.Stop); err != nil {
			return err
		}
	}
	if err := d.forget(ctx, id, cause, gone); err != nil {
		return err
	}
	return d.Traffic.Push(ctx)
}

// abortWithout turns a deployment back that had its resources in an
// environment when that was deleted. One that has none yet makes the
// environment again, or learns itself why it cannot have them.
func (d *Deployments) abortWithout(ctx context.Context, deployment, name string, at time.Time, cause events.Cause) error {
	if deployment == "" {
		return nil
	}
	v, err := d.runner.Get(ctx, deployment)
	if err != nil {
		return err
	}
	st := v.State.Step(StepResources)
	if v.State.Status != saga.Running || st == nil || st.Status != saga.StepDone || st.FinishedAt == nil || st.FinishedAt.After(at) {
		return nil
	}
	_, err = d.runner.Abort(ctx, deployment, "environment "+name+" was deleted", events.Cause{Actor: cause.Actor, CorrelationID: cause.CorrelationID})
	if errors.Is(err, saga.ErrRefused) {
		return nil // it only goes forward
	}
	return err
}

// forget takes what ran out of the environment's state, and the state away
// where nobody is at work on it any more.
func (d *Deployments) forget(ctx context.Context, id string, cause events.Cause, gone map[string]environment.Running) error {
	_, err := d.Environments.Update(ctx, id, cause, func(s *environment.State, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{Skip: true}, nil
		}
		var out []events.Draft
		for workload, run := range gone {
			if s.Running[workload].Instance != run.Instance {
				continue
			}
			delete(s.Running, workload)
			draft, err := cdevents.ServiceRemoved.Draft(s.Project, s.Name+"/"+workload, cdevents.Fact[cdevents.ServiceRemovedContent]{
				Content: cdevents.ServiceRemovedContent{Environment: &cdevents.Reference{Id: s.Name}},
				Custom: cdevents.Custom{Slipway: &cdevents.Slipway{Project: s.Project, Environment: s.Name, EnvironmentType: s.Type, Workload: workload,
					Artifact: run.Artifact, Version: run.Version, Deployment: run.Deployment, Set: run.Set, Reason: "environment " + s.Name + " was deleted"}},
			})
			if err != nil {
				return aggregate.Decision{}, err
			}
			out = append(out, draft)
		}
		if len(s.Running) == 0 {
			s.Current, s.History = "", nil
		}
		return aggregate.Decision{Events: out, Delete: s.Active == "" && len(s.Queue) == 0 && len(s.Running) == 0}, nil
	})
	return err
}

// InUse are the digests (sha256:…) of artifacts that may be run again without
// being pushed again: those of current and past sets, of what runs, and of
// deployments at work.
func (d *Deployments) InUse(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{}
	add := func(refs ...string) {
		for _, digest := range (set.Set{Workloads: entries(refs)}).Artifacts() {
			used[digest] = true
		}
	}
	all, err := d.all(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		for _, run := range v.State.Running {
			add(run.Artifact)
		}
		for _, past := range v.State.History {
			one, err := d.Sets.Get(ctx, past.Set)
			if err != nil {
				return nil, err
			}
			for _, digest := range one.Artifacts() {
				used[digest] = true
			}
		}
	}
	open, err := d.runner.History(ctx, runner.Filter{Where: []store.Term{{Index: "open", Value: "true"}}})
	if err != nil {
		return nil, err
	}
	for _, v := range open {
		c, err := openSaga(v.State)
		if err != nil {
			return nil, err
		}
		add(c.Artifact)
	}
	return used, nil
}

func entries(refs []string) map[string]set.Entry {
	out := map[string]set.Entry{}
	for i, ref := range refs {
		out[fmt.Sprint(i)] = set.Entry{Artifact: ref}
	}
	return out
}
