package run

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

func marshal(v any) ([]byte, error) { return json.Marshal(v) }

// end ends a run that did not come further.
func (r *Runs) end(ctx context.Context, id string, as Status, fault Fault, reason string) error {
	text := r.hiding(id).text(reason)
	_, err := r.update(ctx, id, func(run *Run) ([]events.Draft, error) {
		if run.Status.Over() {
			return nil, errUnchanged
		}
		return r.over(run, as, fault, text)
	})
	return err
}

// over is the moment a run ends. reason holds no secret value.
func (r *Runs) over(run *Run, as Status, fault Fault, reason string) ([]events.Draft, error) {
	run.Status, run.Fault, run.Reason, run.Waits, run.OverAt, run.Token = as, fault, reason, "", r.now(), ""
	if !run.Applies() {
		return nil, nil // looking is no fact
	}
	return drafts(run.finished())
}

// unchanged ends a run whose plan has nothing to do.
func (r *Runs) unchanged(ctx context.Context, run Run) error {
	if err := r.remember(ctx, run); err != nil {
		return err
	}
	_, after, err := r.contents(ctx, run.Stack)
	if err != nil {
		return err
	}
	if run.Operation == runner.OpApply {
		if _, _, err := OutputsOf(run, after); err != nil {
			return r.end(ctx, run.ID, Failed, Outputs, err.Error())
		}
	}
	_, err = r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Status != Planning {
			return nil, errUnchanged
		}
		planned, err := run.judged()
		if err != nil {
			return nil, err
		}
		out, err := r.over(run, Finished, "", "")
		return append([]events.Draft{planned}, out...), err
	})
	return err
}

// close puts a run away that is over: its log is masked once more with all that
// is known by now, its stack goes to the next, its folder and secrets go.
func (r *Runs) close(ctx context.Context, run Run) error {
	if err := r.c.Sandbox.Cut(ctx, run.ID, 0); err != nil {
		return err
	}
	r.hideState(ctx, run)
	if err := r.sealLog(run.ID); err != nil {
		return err
	}
	if err := r.c.Sandbox.Remove(run.ID); err != nil {
		return err
	}
	if err := r.forgetLogAt(run.ID); err != nil {
		return err
	}
	if err := r.keep.forget(run.ID); err != nil {
		return err
	}
	next, err := r.c.Stacks.Release(ctx, run.Stack, run.ID)
	if err != nil && !gone(err) {
		return err
	}
	run, err = r.update(ctx, run.ID, func(run *Run) ([]events.Draft, error) {
		if run.Closed {
			return nil, errUnchanged
		}
		run.Closed = true
		return nil, nil
	})
	if err != nil {
		return err
	}
	r.forgetHiding(run.ID)
	// Not each time: it reads all of them.
	if strings.HasSuffix(run.ID, "0") {
		if err := r.prune(ctx, run.Stack); err != nil {
			r.c.Log.Warn().Err(err).Str("stack", run.Stack).Msg("old runs stay for the moment")
		}
	}
	if next != "" {
		r.wake(next)
		r.bell.ring(next)
	}
	if r.c.Over != nil {
		r.c.Over(ctx, run)
	}
	return nil
}

// keepRuns is how many runs of a stack are kept with their logs.
const keepRuns = 200

// prune forgets the oldest runs of a stack.
func (r *Runs) prune(ctx context.Context, name string) error {
	left, cursor := keepRuns, ""
	for {
		page, next, err := r.list(ctx, []store.Term{{Index: "stack", Value: name}}, keepRuns, cursor)
		if err != nil {
			return err
		}
		for _, run := range page {
			if left--; left >= 0 || !run.Closed {
				continue
			}
			if err := os.RemoveAll(r.keep.folder(run.ID)); err != nil {
				return err
			}
			_, err := r.repo.Update(ctx, run.ID, events.Cause{}, func(*Run, bool) (aggregate.Decision, error) {
				return aggregate.Decision{Delete: true}, nil
			})
			if err != nil {
				return err
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}
