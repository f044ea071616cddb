package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

func gone(err error) bool { return errors.Is(err, store.ErrNotFound) }

// Approve lets a run go on that waits for it. digest is that of the plan which
// was looked at: another one is refused.
func (r *Runs) Approve(ctx context.Context, cause events.Cause, id, digest string) (Run, error) {
	run, err := r.updateBy(ctx, id, cause, func(run *Run) ([]events.Draft, error) {
		switch {
		case run.Approval != nil && run.Approval.Digest == digest:
			return nil, errUnchanged
		case run.Status != Waiting:
			return nil, httpapi.Conflict(fmt.Sprintf("Run %s is %s: only one that waits can be approved.", run.ID, run.Status))
		case digest != run.PlanDigest:
			return nil, httpapi.Conflict(fmt.Sprintf("Run %s has the plan %s, and %s was approved: look at it again with slipway run show %s.", run.ID, run.PlanDigest, digest, run.ID))
		}
		run.Approval = &Approval{By: cause.Actor, At: r.now(), Digest: digest}
		run.Status, run.Waits = Applying, ""
		return nil, nil
	})
	r.wake(id)
	return run, err
}

// Discard ends a run whose plan nobody wants. Nothing was applied.
func (r *Runs) Discard(ctx context.Context, cause events.Cause, id, reason string) (Run, error) {
	return r.stop(ctx, cause, id, reason, func(run *Run) error {
		if run.Status == Applying {
			return httpapi.Conflict(fmt.Sprintf("Run %s is being applied: it can be cancelled, not discarded.", run.ID))
		}
		return nil
	})
}

// Cancel stops a run. One that applies is interrupted, and then looked at: what
// it has done by then is done.
func (r *Runs) Cancel(ctx context.Context, cause events.Cause, id, reason string) (Run, error) {
	return r.stop(ctx, cause, id, reason, func(*Run) error { return nil })
}

func (r *Runs) stop(ctx context.Context, cause events.Cause, id, reason string, mayStop func(*Run) error) (Run, error) {
	if reason == "" {
		reason = "no longer wanted"
	}
	run, err := r.updateBy(ctx, id, cause, func(run *Run) ([]events.Draft, error) {
		if run.Stop != nil {
			return nil, errUnchanged
		}
		if run.Status.Over() {
			return nil, httpapi.Conflict(fmt.Sprintf("Run %s is %s.", run.ID, run.Status))
		}
		if err := mayStop(run); err != nil {
			return nil, err
		}
		run.Stop = &Approval{By: cause.Actor, At: r.now(), Reason: reason}
		return nil, nil
	})
	r.wake(id)
	return run, err
}

// halt ends a run that was stopped before anything was applied.
func (r *Runs) halt(ctx context.Context, run Run) error {
	if run.Phase != "" {
		if err := r.cut(ctx, run); err != nil {
			return err
		}
	}
	return r.end(ctx, run.ID, Discarded, Stopped, fmt.Sprintf("it was stopped by %s: %s; nothing was applied", who(run.Stop.By), run.Stop.Reason))
}

func who(actor string) string {
	if actor == "" {
		return "nobody who is known"
	}
	return actor
}
