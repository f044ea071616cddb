package deployment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

func loadScore(a artifact.Artifact) (score.Workload, error) {
	return score.Load(a.Tag()+"/score.yaml", 1, []byte(a.Score))
}

// wanted says which instance is to be started.
type wanted struct {
	id, name, project, environment, workload, artifact string
	outputs                                            score.Outputs
	recovering                                         bool
}

// begin starts an instance, or finds the one that is there. A placeholder that
// has no value is final: no attempt will give it one.
func (d *Deployments) begin(ctx context.Context, w wanted) (target.Instance, score.Workload, error) {
	ref, err := artifact.ParseReference(w.artifact)
	if err != nil {
		return target.Instance{}, score.Workload{}, saga.Fail(err)
	}
	a, err := d.Artifacts.Resolve(ctx, w.project, ref)
	if err != nil {
		return target.Instance{}, score.Workload{}, err
	}
	workload, err := loadScore(a)
	if err != nil {
		return target.Instance{}, workload, saga.Fail(err)
	}
	spec := target.Spec{
		ID: w.id, Name: w.name, Project: w.project, Environment: w.environment, Workload: w.workload,
		Artifact: a.Digest, Score: workload, Recovering: w.recovering,
	}
	if spec.Variables, spec.Mask, err = d.variables(ctx, w, workload); err != nil {
		return target.Instance{}, workload, err
	}
	i, err := d.Target.Start(ctx, spec)
	return i, workload, err
}

// variables fills in every variable. Secret values are asked for here, given
// to the target, and kept nowhere.
func (d *Deployments) variables(ctx context.Context, w wanted, workload score.Workload) (map[string]map[string]string, []string, error) {
	values := map[string]map[string]score.Value{}
	needed := map[string]bool{}
	for name, c := range workload.Containers {
		values[name] = map[string]score.Value{}
		for _, key := range slices.Sorted(maps.Keys(c.Variables)) {
			v, err := workload.Expand(c.Variables[key], w.outputs)
			if err != nil {
				return nil, nil, saga.Fail(fmt.Errorf("variable %s: %w", key, err))
			}
			values[name][key] = v
			for _, s := range v.Secrets {
				needed[s] = true
			}
		}
	}
	secrets := map[string]string{}
	if len(needed) > 0 {
		var err error
		if secrets, err = d.Secrets(ctx, w.project, slices.Sorted(maps.Keys(needed))); err != nil {
			return nil, nil, err
		}
	}
	out := map[string]map[string]string{}
	for container, of := range values {
		out[container] = map[string]string{}
		for key, v := range of {
			text, err := v.Reveal(secrets)
			if err != nil {
				return nil, nil, fmt.Errorf("variable %s: %w", key, err)
			}
			out[container][key] = text
		}
	}
	return out, slices.Sorted(maps.Values(secrets)), nil
}

func (d *Deployments) start(ctx context.Context, sc saga.Call) (saga.Result, error) {
	_, w, err := d.wantedBy(sc)
	if err != nil {
		return saga.Result{}, err
	}
	i, _, err := d.begin(ctx, w)
	if err != nil {
		return saga.Result{}, err
	}
	note := w.name + " started"
	if i.Addr != "" {
		note += " on " + i.Addr
	}

	return saga.Result{Output: Started{Addr: i.Addr}, Note: note}, nil
}

func (d *Deployments) wantedBy(sc saga.Call) (call, wanted, error) {
	c, err := open(sc)
	if err != nil {
		return c, wanted{}, err
	}
	a, ok, err := c.admitted()
	if err != nil {
		return c, wanted{}, err
	}
	if !ok {
		return c, wanted{}, saga.Fail(errors.New("it was never admitted"))
	}
	var r Resourced
	if _, err := c.output(StepResources, &r); err != nil {
		return c, wanted{}, err
	}
	return c, wanted{
		id: a.Instance, name: a.Name, project: c.in.Project, environment: c.in.Environment,
		workload: c.in.Workload, artifact: c.in.Artifact, outputs: r.Outputs,
	}, nil
}

// stop is the undo of start: the instance is gone, with its folder.
func (d *Deployments) stop(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, _, err := c.admitted()
	if err != nil {
		return saga.Result{}, err
	}
	if err := d.Target.Stop(ctx, InstanceID(c.in, c.SagaID), d.stopGrace(ctx, c.in)); err != nil {
		return saga.Result{}, err
	}
	name := a.Name
	if name == "" {
		name = c.in.Workload
	}
	return saga.Result{Note: name + " stopped"}, nil
}

// stopGrace is how long a workload may take to end; the default where its
// artifact cannot be read any more.
func (d *Deployments) stopGrace(ctx context.Context, in Input) time.Duration {
	w, err := d.scoreOf(ctx, in.Project, in.Artifact)
	if err != nil {
		return score.DefaultStop
	}
	return w.Stop()
}

// scoreOf is the Score file of an artifact.
func (d *Deployments) scoreOf(ctx context.Context, project, ref string) (score.Workload, error) {
	parsed, err := artifact.ParseReference(ref)
	if err != nil {
		return score.Workload{}, saga.Fail(err)
	}
	a, err := d.Artifacts.Resolve(ctx, project, parsed)
	if err != nil {
		return score.Workload{}, err
	}
	return loadScore(a)
}

// verify waits until the instance is ready. One that is not there any more,
// because the machine was started again meanwhile, is started once more.
func (d *Deployments) verify(ctx context.Context, sc saga.Call) (saga.Result, error) {
	_, w, err := d.wantedBy(sc)
	if err != nil {
		return saga.Result{}, err
	}
	if sc.Recovered {
		if _, _, err := d.begin(ctx, w); err != nil {
			return saga.Result{}, err
		}
	}
	i, err := d.Target.AwaitReady(ctx, w.id)
	var not *target.NotReadyError
	if errors.As(err, &not) {
		return saga.Result{}, saga.FailWith(Verified{Reason: not.Reason, LogTail: not.LogTail}, errors.New(explained(not)))
	}
	if err != nil {
		return saga.Result{}, err
	}
	return saga.Result{
		Output: Verified{Addr: i.Addr, ReadyAfterMs: i.ReadyAfter.Milliseconds()},
		Note:   fmt.Sprintf("%s ready after %.1f s", w.name, i.ReadyAfter.Seconds()),
	}, nil
}

// shownLines is how many of the last lines stand in the reason itself.
const shownLines = 5

// explained is why an instance is not ready, with its last lines below.
func explained(e *target.NotReadyError) string {
	if len(e.LogTail) == 0 {
		return e.Error() + "; it wrote nothing"
	}
	text := e.Error()
	for _, line := range e.LogTail[max(0, len(e.LogTail)-shownLines):] {
		text += "\n" + e.Instance + " | " + line
	}
	return text
}
