package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/store"
)

// Run carries out activities and timers until ctx ends. It first takes over
// what an earlier process left in flight.
func (r *Runner) Run(ctx context.Context) error {
	r.mu.Lock()
	r.ctx = ctx
	queued := r.queued
	r.queued = nil
	r.mu.Unlock()

	if err := r.takeOver(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("taking over sagas of %s: %w", r.cfg.Service, err)
	}
	for _, w := range queued {
		r.carryOut(w.saga, w.effect)
	}
	err := r.repo.Sweep(ctx, func(ctx context.Context, v Versioned) error {
		_, err := r.Apply(ctx, v.ID, events.Cause{}, saga.Ticked{})
		return err
	})
	r.active.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// takeOver tells every open saga that its local calls are lost, except those
// that this process has met already.
func (r *Runner) takeOver(ctx context.Context) error {
	cursor := ""
	for {
		page, next, err := r.repo.List(ctx, Filter{Where: []store.Term{{Index: "open", Value: "true"}}, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, v := range page {
			if _, err := r.Apply(ctx, v.ID, events.Cause{}, nil); err != nil {
				return err
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	r.mu.Lock()
	r.ours = nil
	r.mu.Unlock()
	return nil
}

// carryOut acts on an effect that is committed. Send needs nothing more: its
// command was committed with it.
func (r *Runner) carryOut(s saga.Saga, e saga.Effect) {
	if e.Do == saga.SendCommand {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Do == saga.CancelActivity {
		if cancel := r.cancels[callName(s.ID, e)]; cancel != nil {
			cancel()
		}
		return
	}
	if r.ctx == nil {
		r.queued = append(r.queued, work{saga: s, effect: e})
		return
	}
	if r.ctx.Err() != nil {
		return // the next process takes it over
	}
	r.active.Add(1)
	go r.call(r.ctx, s, e)
}

func callName(id string, e saga.Effect) string {
	return fmt.Sprintf("%s/%s/%s/%d", id, e.Step, e.Direction, e.Attempt)
}

// call carries out one attempt and commits its answer.
func (r *Runner) call(ctx context.Context, s saga.Saga, e saga.Effect) {
	defer r.active.Done()
	// Before anything else, so that a Cancel finds it even while it queues.
	callCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := callName(s.ID, e)
	r.mu.Lock()
	r.cancels[name] = cancel
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.cancels, name)
		r.mu.Unlock()
	}()

	unlock := r.calls.lock(s.ID + "/" + e.Step)
	defer unlock()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return
	}

	def, err := r.definition(s.Definition)
	if err != nil {
		r.cfg.Log.Error().Err(err).Str("saga", s.ID).Msg("cannot carry out a step")
		return
	}
	kind := def.Steps[s.Step(e.Step).Kind]
	act := kind.Do
	if e.Direction == saga.Backward {
		act = kind.Undo
	}
	timeout := def.book.Timeout(s.Step(e.Step).Kind)
	callCtx, stop := context.WithTimeout(callCtx, timeout)
	defer stop()
	res, err := guarded(callCtx, act, callOf(s, e))
	if ctx.Err() != nil && err != nil {
		return // stopped with the platform, not failed: taken over at the next start
	}
	if err != nil && errors.Is(callCtx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("cut off after %s: %w", timeout, err)
	}
	r.answer(ctx, s.ID, e, res, err)
}

// guarded turns a panic of an activity into a failure of its step: one broken
// driver must not end every saga.
func guarded(ctx context.Context, act saga.Activity, c saga.Call) (res saga.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = saga.Fail(fmt.Errorf("the step crashed: %v\n%s", p, debug.Stack()))
		}
	}()
	if act == nil {
		return saga.Result{}, nil
	}
	return act(ctx, c)
}

// answer commits what a call answered. It tries until the store takes it or
// the platform stops: the effect is there, and forgetting it is not an option.
func (r *Runner) answer(ctx context.Context, id string, e saga.Effect, res saga.Result, callErr error) {
	in, err := inputOf(e, res, callErr)
	if err != nil {
		in = saga.Failed{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Reason: err.Error(), Final: true}
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		_, err := r.Apply(ctx, id, events.Cause{}, in)
		if err == nil || ctx.Err() != nil {
			return
		}
		r.cfg.Log.Error().Err(err).Str("saga", id).Str("step", e.Step).Msg("a step's result could not be stored; trying again")
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func inputOf(e saga.Effect, res saga.Result, callErr error) (saga.Input, error) {
	value := res.Output
	failedOutput, final := saga.AsFinal(callErr)
	if final {
		value = failedOutput
	}
	var output json.RawMessage
	if value != nil {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("output of step %s: %w", e.Step, err)
		}
		output = raw
	}
	switch {
	case callErr != nil:
		return saga.Failed{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Reason: callErr.Error(), Output: output, Final: final}, nil
	case res.Wait != nil:
		return saga.NotYet{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Until: res.Wait.Until, Reason: res.Wait.Reason, Output: output, Working: res.Wait.Working}, nil
	default:
		return saga.Finished{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Output: output, Note: res.Note}, nil
	}
}
