package saga

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrRefused is what a person's request is answered with where the saga's
// state does not allow it; the error that wraps it says what does.
var ErrRefused = errors.New("refused")

func (e *engine) abort(in Abort) error {
	if e.s.Status.Over() {
		return fmt.Errorf("%w: saga %s is %s", ErrRefused, e.s.ID, e.s.Status)
	}
	if e.s.Status == Undoing {
		return nil
	}
	if e.pastReturn() {
		return fmt.Errorf("%w: saga %s has passed a step that cannot be undone; retry or skip what is stuck", ErrRefused, e.s.ID)
	}
	e.s.Status = Running // a parked one too turns back from here
	e.turnBack("", in.Reason)
	return nil
}

func (e *engine) retry(in RetryStep) error {
	any := false
	for i := range e.s.Steps {
		st := &e.s.Steps[i]
		if (in.Step != "" && in.Step != st.ID) || !e.stuck(st) {
			continue
		}
		any = true
		st.Failures = 0
		e.note(st.ID, st.Direction, st.Attempt, "retried", in.Actor)
		if st.Status == StepUndoFailed {
			st.UndoBy = nil
			e.s.Status = Undoing
			e.undo(st)
			continue
		}
		e.s.Status, e.s.Failure = Running, nil
		e.call(st, Forward, true)
	}
	if !any {
		return fmt.Errorf("%w: saga %s is %s and has no stuck step %q; only what is stuck can be retried", ErrRefused, e.s.ID, e.s.Status, in.Step)
	}
	return nil
}

// settle ends a stuck step by a person's word.
func (e *engine) settle(step string, as StepStatus, actor string, output json.RawMessage) error {
	st := e.s.Step(step)
	if st == nil {
		return fmt.Errorf("%w: saga %s has no step %q", ErrRefused, e.s.ID, step)
	}
	if !e.stuck(st) {
		return fmt.Errorf("%w: step %q of saga %s is %s; only a step that is stuck can be skipped or adopted", ErrRefused, step, e.s.ID, st.Status)
	}
	back := st.Status == StepUndoFailed
	e.close(st, as)
	if len(output) > 0 {
		st.Output = output
	}
	e.note(st.ID, st.Direction, st.Attempt, string(as), actor)
	if back {
		e.s.Status = Undoing
	} else {
		e.s.Status, e.s.Failure = Running, nil
	}
	return nil
}

// stuck reports whether only a person can move this step.
func (e *engine) stuck(st *Step) bool {
	return st.Status == StepUndoFailed || (st.Status == StepFailed && e.s.Status != Undoing && e.pastReturn())
}
