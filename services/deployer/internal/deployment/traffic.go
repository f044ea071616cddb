package deployment

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

// shift makes the new instance the one that stands for its workload. The
// commit comes first: from it the routes are made, now or after a crash.
func (d *Deployments) shift(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, w, err := d.wantedBy(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, _, err := c.admitted()
	if err != nil {
		return saga.Result{}, err
	}
	i, known, err := d.Target.Find(ctx, w.id)
	if err != nil {
		return saga.Result{}, err
	}
	if !known || i.State == target.Gone {
		if i, _, err = d.begin(ctx, w); err != nil { // the machine was started again meanwhile
			return saga.Result{}, err
		}
	}
	workload, err := d.scoreOf(ctx, c.in.Project, c.in.Artifact)
	if err != nil {
		return saga.Result{}, err
	}
	run := environment.Running{
		Instance: w.id, Name: w.name, Deployment: c.SagaID, Set: a.Set, Artifact: c.in.Artifact, Version: c.in.Version,
		Addr: i.Addr, Claim: c.SagaID, Outputs: w.outputs, Drain: workload.Drain(), Stop: workload.Stop(), Since: d.Clock().UTC(),
	}
	if err := d.route(ctx, c, &run, a.PreviousSet, a.Set, ""); err != nil {
		return saga.Result{}, err
	}
	if run.Addr == "" {
		return saga.Result{Output: Started{}, Note: w.name + " has no ports, so there is no traffic"}, nil
	}
	return saga.Result{Output: Started{Addr: run.Addr}, Note: "100% of traffic to " + set.Short(a.Set)}, nil
}

// shiftBack puts back what was before.
func (d *Deployments) shiftBack(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, ok, err := c.admitted()
	if err != nil || !ok {
		return saga.Result{Note: "traffic never moved"}, err
	}
	v, err := d.Environments.Get(ctx, c.environmentID())
	if err != nil {
		return saga.Result{}, err
	}
	if v.State.Running[c.in.Workload].Instance != a.Instance {
		return saga.Result{Note: neverLeft(a)}, nil
	}
	if err := d.route(ctx, c, a.Previous, a.Set, a.PreviousSet, "undone"); err != nil {
		return saga.Result{}, err
	}
	if a.Previous == nil {
		return saga.Result{Note: "no traffic any more: nothing ran before"}, nil
	}
	return saga.Result{Note: "100% of traffic back to " + set.Short(a.PreviousSet)}, nil
}

func neverLeft(a Admitted) string {
	if a.PreviousSet == "" {
		return "traffic never moved"
	}
	return "traffic never left " + set.Short(a.PreviousSet)
}

// route commits what stands for the workload (nil: nothing) and tells the
// ingress. Repeated, it commits nothing new.
func (d *Deployments) route(ctx context.Context, c call, run *environment.Running, from, to, reason string) error {
	unlock := d.locks.lock(c.environmentID())
	defer unlock()
	_, err := d.Environments.Update(ctx, c.environmentID(), c.cause(), func(s *environment.State, _ bool) (aggregate.Decision, error) {
		before, was := s.Running[c.in.Workload]
		if run == nil {
			delete(s.Running, c.in.Workload)
		} else {
			if was && before.Instance == run.Instance && before.Addr == run.Addr && before.Halted == run.Halted {
				return aggregate.Decision{Skip: true}, nil
			}
			s.Put(c.in.Workload, *run)
		}
		if run != nil && run.Addr == "" {
			return aggregate.Decision{}, nil
		}
		draft, err := deployer.TrafficShifted.Draft(c.in.Project, c.in.Subject(), deployer.TrafficShiftedData{
			Deployment: c.facts(), From: from, To: to, Percent: 100, Reason: reason,
		})
		return aggregate.Decision{Events: []events.Draft{draft}}, err
	})
	if err != nil {
		return err
	}
	return d.Traffic.Push(ctx)
}

// drainLook is how often a draining instance is asked for.
const drainLook = 20 * time.Millisecond

// drainHold is for how long one call waits; a longer drain goes on with a
// timer of the saga, which costs nothing while it waits.
const drainHold = 2 * time.Second

// drained waits until an instance has no requests, or its time is over. A wait
// that is not nil is to be returned: it is not over yet.
func (d *Deployments) drained(ctx context.Context, old environment.Running, since time.Time) (note string, wait *saga.Wait, err error) {
	deadline, hold := since.Add(old.Drain), d.Clock().Add(drainHold)
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for {
		n, err := d.Traffic.InFlight(ctx, old.Instance)
		now := d.Clock()
		switch {
		case err == nil && n == 0:
			return "", nil, nil
		case !now.Before(deadline) && err == nil:
			return fmt.Sprintf("%d requests were cut after %s", n, old.Drain), nil, nil
		case !now.Before(deadline):
			return fmt.Sprintf("whether requests were left is unknown: %v", err), nil, nil
		case !now.Before(hold):
			return "", &saga.Wait{Until: now.Add(drainHold / 4), Reason: fmt.Sprintf("%s finishes %d requests", old.Name, n)}, nil
		}
		select {
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// retire lets the old instance finish and stops it. Nothing new comes to it:
// the routes changed before.
func (d *Deployments) retire(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, _, err := c.admitted()
	if err != nil {
		return saga.Result{}, err
	}
	if a.Previous == nil {
		return saga.Result{Note: "nothing ran before"}, nil
	}
	if a.Previous.Instance == a.Instance {
		return saga.Result{Note: "it is the same instance"}, nil
	}
	// An earlier start of this platform may have been stopped between the
	// commit of the routes and telling the ingress; telling it again is cheap.
	if err := d.Traffic.Push(ctx); err != nil {
		return saga.Result{}, err
	}
	note, wait, err := d.drained(ctx, *a.Previous, c.StartedAt)
	if err != nil || wait != nil {
		return saga.Result{Wait: wait}, err
	}
	if err := d.Target.Stop(ctx, a.Previous.Instance, a.Previous.Stop); err != nil {
		return saga.Result{}, err
	}
	what := a.Previous.Name + " stopped"
	if a.PreviousSet != "" {
		what = set.Short(a.PreviousSet) + " stopped"
	}
	if note != "" {
		what += "; " + note
	}
	return saga.Result{Note: what}, nil
}

// halt is recreate's way: the old instance ends before the new one begins.
func (d *Deployments) halt(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, _, err := c.admitted()
	if err != nil {
		return saga.Result{}, err
	}
	if a.Previous == nil {
		return saga.Result{Note: "nothing ran before"}, nil
	}
	if err := d.setHalted(ctx, c, a, "it is being replaced, and will be back in a moment"); err != nil {
		return saga.Result{}, err
	}
	note, wait, err := d.drained(ctx, *a.Previous, c.StartedAt)
	if err != nil || wait != nil {
		return saga.Result{Wait: wait}, err
	}
	if err := d.Target.Stop(ctx, a.Previous.Instance, a.Previous.Stop); err != nil {
		return saga.Result{}, err
	}
	what := a.Previous.Name + " stopped"
	if note != "" {
		what += "; " + note
	}
	return saga.Result{Note: what}, nil
}

// unhalt starts the old instance again and gives it its traffic back.
func (d *Deployments) unhalt(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, ok, err := c.admitted()
	if err != nil || !ok || a.Previous == nil {
		return saga.Result{Note: "nothing ran before"}, err
	}
	run := *a.Previous
	i, _, err := d.begin(ctx, wantedAgain(c.in.Project, c.in.Environment, c.in.Workload, run))
	if err != nil {
		return saga.Result{}, err
	}
	if i, err = d.Target.AwaitReady(ctx, run.Instance); err != nil {
		return saga.Result{}, err
	}
	run.Addr, run.Halted = i.Addr, ""
	if err := d.route(ctx, c, &run, "", a.PreviousSet, "undone"); err != nil {
		return saga.Result{}, err
	}
	return saga.Result{Note: run.Name + " runs again"}, nil
}

func (d *Deployments) setHalted(ctx context.Context, c call, a Admitted, reason string) error {
	unlock := d.locks.lock(c.environmentID())
	defer unlock()
	_, err := d.Environments.Update(ctx, c.environmentID(), c.cause(), func(s *environment.State, _ bool) (aggregate.Decision, error) {
		run, ok := s.Running[c.in.Workload]
		if !ok || run.Instance != a.Previous.Instance || run.Halted != "" {
			return aggregate.Decision{Skip: true}, nil
		}
		run.Halted = reason
		s.Put(c.in.Workload, run)
		return aggregate.Decision{}, nil
	})
	if err != nil {
		return err
	}
	return d.Traffic.Push(ctx)
}

func wantedAgain(project, env, workload string, run environment.Running) wanted {
	return wanted{
		id: run.Instance, name: run.Name, project: project, environment: env, workload: workload,
		artifact: run.Artifact, outputs: run.Outputs, recovering: true,
	}
}
