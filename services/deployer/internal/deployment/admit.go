package deployment

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
)

// admitAgain is how long a deployment in the line waits before it looks
// itself; normally whoever leaves nudges the next.
const admitAgain = 10 * time.Second

func (d *Deployments) admit(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	var place, number int
	v, err := d.Environments.Update(ctx, c.environmentID(), c.cause(), func(s *environment.State, _ bool) (aggregate.Decision, error) {
		s.Project, s.Name = c.in.Project, c.in.Environment
		if s.Type == "" {
			s.Type = c.in.EnvironmentType
		}
		if place = s.Admit(c.SagaID); place == 0 {
			number = s.Number(c.in.Workload)
		}
		return aggregate.Decision{}, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	if place > 0 {
		return saga.Result{Wait: &saga.Wait{Until: d.Clock().Add(admitAgain), Reason: fmt.Sprintf(
			"waits for its turn in %s: %s is at work there, %d before this one", c.in.Environment, v.State.Active, place)}}, nil
	}
	// Nobody else can change what runs here now.
	return d.makeSet(ctx, c, v.State, number)
}

func (d *Deployments) makeSet(ctx context.Context, c call, s environment.State, number int) (saga.Result, error) {
	current, err := d.current(ctx, s)
	if err != nil {
		return saga.Result{}, err
	}
	next := current.Apply(delta(c.in))
	digest, err := d.Sets.Store(ctx, next, c.cause())
	if err != nil {
		return saga.Result{}, err
	}
	out := Admitted{
		Set: digest, PreviousSet: s.Current, Instance: InstanceID(c.in, c.SagaID),
		Name: fmt.Sprintf("%s.%d", c.in.Workload, number), Changes: set.Diff(current, next),
	}
	if run, ok := s.Running[c.in.Workload]; ok {
		out.Previous = &run
	}
	note := "set " + set.Short(digest)
	if s.Current != "" {
		note += " (was " + set.Short(s.Current) + ")"
	}
	return saga.Result{Output: out, Note: note}, nil
}

// current is the set that is complete in an environment.
func (d *Deployments) current(ctx context.Context, s environment.State) (set.Set, error) {
	if s.Current == "" {
		return set.Set{Project: s.Project, Environment: s.Name}, nil
	}
	return d.Sets.Get(ctx, s.Current)
}

func delta(in Input) set.Delta {
	return set.Delta{Put: map[string]set.Entry{in.Workload: {
		Artifact: in.Artifact, Score: in.ScoreDigest,
	}}}
}

// leave is the undo of admit: the next in line has its turn.
func (d *Deployments) leave(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	next := ""
	_, err = d.Environments.Update(ctx, c.environmentID(), c.cause(), func(s *environment.State, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{Skip: true}, nil
		}
		next = s.Leave(c.SagaID)
		// An environment in which nothing ever was need not be remembered.
		empty := s.Active == "" && len(s.Queue) == 0 && len(s.Running) == 0 && s.Current == "" && len(s.Numbers) == 0
		return aggregate.Decision{Delete: empty}, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	d.nudge(ctx, next)
	return saga.Result{Note: c.whereTrafficIs()}, nil
}

// whereTrafficIs is what the last undo leaves a person with.
func (c call) whereTrafficIs() string {
	a, ok, err := c.admitted()
	_, shifted := c.Outputs[StepShift]
	switch {
	case err != nil || !ok || a.PreviousSet == "":
		return "nothing ran before, nothing runs now"
	case shifted || c.Failure != nil && c.Failure.Step == StepShift:
		return set.Short(a.PreviousSet) + " has its traffic back"
	}
	return "traffic never left " + set.Short(a.PreviousSet)
}

// nudge tells a deployment that its turn has come. A lost nudge costs time
// only: it looks by itself.
func (d *Deployments) nudge(ctx context.Context, deployment string) {
	if deployment == "" {
		return
	}
	if err := d.runner.Nudge(ctx, deployment); err != nil {
		d.Log.Warn().Err(err).Str("deployment", deployment).Msg("could not be told that its turn has come; it will look by itself")
	}
}
