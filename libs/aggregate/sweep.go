package aggregate

import (
	"context"
	"time"
)

const (
	// sweepEvery is how long a timer set by another process can go unnoticed,
	// and how often an idle sweep asks the store.
	sweepEvery = time.Second
	// sweepBatch is how many due aggregates are claimed at once: few, because
	// they are worked on one after the other and the lease runs for all.
	sweepBatch = 16
)

// Wake makes Sweep look now instead of at its next turn. Commits of this
// repository that set a timer do so by themselves.
func (r *Repository[T]) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // one nudge is waiting already
	}
}

// Sweep hands what is due to fn, one after the other, until ctx ends; then it
// returns nil. It wakes at the next due time, at least once a second, and asks
// the store one question each time. What fn fails on, or leaves without
// committing, is due again after the lease. One Sweep per repository; several
// processes may sweep one store.
func (r *Repository[T]) Sweep(ctx context.Context, fn func(context.Context, Versioned[T]) error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.wake:
		}
		timer.Reset(r.sweepOnce(ctx, fn))
	}
}

// sweepOnce does what is due and returns how long there is nothing to do.
func (r *Repository[T]) sweepOnce(ctx context.Context, fn func(context.Context, Versioned[T]) error) time.Duration {
	for ctx.Err() == nil {
		next, ok, err := r.store.NextWake(ctx, r.o.Kind)
		if err != nil {
			r.sweepFailed(ctx, err, "")
			return sweepEvery
		}
		if !ok {
			return sweepEvery
		}
		if wait := next.Sub(r.o.Clock()); wait > 0 {
			return min(wait, sweepEvery)
		}
		due, err := r.store.ClaimDue(ctx, r.o.Kind, r.o.Clock(), r.o.Lease, sweepBatch)
		if err != nil {
			r.sweepFailed(ctx, err, "")
			return sweepEvery
		}
		for _, rec := range due {
			if ctx.Err() != nil {
				return sweepEvery
			}
			v, err := r.decode(rec)
			if err == nil {
				err = fn(ctx, v)
			}
			if err != nil {
				r.sweepFailed(ctx, err, rec.ID)
			}
		}
	}
	return sweepEvery
}

func (r *Repository[T]) sweepFailed(ctx context.Context, err error, id string) {
	if ctx.Err() != nil {
		return
	}
	e := r.o.Log.Error().Err(err).Str("kind", r.o.Kind)
	if id != "" {
		e = e.Str("id", id)
	}
	e.Msg("what was due could not be done; it is tried again")
}
