package saga

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// New makes a saga from a plan and takes its first steps.
func New(s Saga, p Plan, b Book, now time.Time) (Saga, []Effect, error) {
	if err := b.Validate(p); err != nil {
		return Saga{}, nil, fmt.Errorf("plan of saga %s: %w", s.ID, err)
	}
	s.Status, s.CreatedAt, s.Steps = Running, now, nil
	for _, ps := range p.Steps {
		st := Step{ID: ps.ID, Kind: ps.Kind, Title: ps.Title, After: ps.After, Status: StepPending}
		if ps.Input != nil {
			raw, err := json.Marshal(ps.Input)
			if err != nil {
				return Saga{}, nil, fmt.Errorf("input of step %s: %w", ps.ID, err)
			}
			st.Input = raw
		}
		s.Steps = append(s.Steps, st)
	}
	e := engine{s: s, book: b, now: now}
	e.note("", "", 0, "started", "")
	e.move()
	return e.s, e.effects, nil
}

// Advance takes one input. It answers ErrRefused (wrapped, with what to do)
// where a person asks for what the saga's state does not allow; every other
// input is taken or, where it is late or a duplicate, harmless.
func Advance(s Saga, b Book, in Input, now time.Time) (Saga, []Effect, error) {
	e := engine{s: s.clone(), book: b, now: now}
	var err error
	switch in := in.(type) {
	case Finished:
		e.finished(in)
	case Failed:
		e.failed(in)
	case NotYet:
		e.notYet(in)
	case Ticked:
		e.ticked()
	case Nudged:
		e.nudged(in)
	case Recovered:
		e.recovered()
	case Abort:
		err = e.abort(in)
	case RetryStep:
		err = e.retry(in)
	case SkipStep:
		err = e.settle(in.Step, StepSkipped, in.Actor, nil)
	case AdoptStep:
		err = e.settle(in.Step, StepAdopted, in.Actor, in.Output)
	default:
		err = fmt.Errorf("saga %s: input %T is unknown", s.ID, in)
	}
	if err != nil {
		return s, nil, err
	}
	e.move()
	return e.s, e.effects, nil
}

// cutOffGrace is how long a local call may take to notice that it was cut off.
const cutOffGrace = 5 * time.Second

// engine is one call of Advance at work.
type engine struct {
	s       Saga
	book    Book
	now     time.Time
	effects []Effect
}

func (e *engine) note(step string, d Direction, attempt int, what, reason string) {
	e.s.Journal = append(e.s.Journal, Entry{At: e.now, Step: step, Direction: d, Attempt: attempt, What: what, Reason: reason})
}

// call begins an attempt of a step in a direction.
func (e *engine) call(st *Step, d Direction, recovered bool) {
	b := e.book.of(st.Kind)
	asked := st.Status == StepWaiting // asking again is no new chapter of the journal
	st.Attempt++
	st.Direction = d
	st.Status = StepDoing
	if d == Backward {
		st.Status = StepUndoing
	}
	if d == Forward && !st.Begun {
		st.Begun = true
		at := e.now
		st.StartedAt = &at
	}
	kind, deadline := SendCommand, e.now.Add(b.Timeout)
	if !b.Remote {
		// A local call is cut off at its timeout and then says so itself; the
		// deadline is for the case that it does not.
		kind, deadline = CallActivity, deadline.Add(cutOffGrace)
	}
	st.Deadline = &deadline
	if !asked {
		e.note(st.ID, d, st.Attempt, "started", "")
	}
	e.effects = append(e.effects, Effect{Do: kind, Step: st.ID, Direction: d, Attempt: st.Attempt, Recovered: recovered})
}

func (e *engine) finished(in Finished) {
	st := e.s.Step(in.Step)
	if st == nil || in.Attempt > st.Attempt {
		return
	}
	if in.Direction == Forward {
		switch {
		case st.Direction == Forward && inFlight(st.Status):
			e.close(st, StepDone)
			st.Answered = true
			st.Output, st.Reason = in.Output, ""
			if in.Note != "" {
				st.Note = in.Note
			}
			e.note(st.ID, Forward, in.Attempt, "done", in.Note)
		case st.Answered:
			// Heard before.
		case st.Status == StepUndone && e.book.of(st.Kind).Compensation != NoEffect:
			// It was undone while its answer was still on the way: whatever
			// came into being after the undo must be undone too.
			st.Output, st.Answered = in.Output, true
			st.Failures, st.UndoBy = 0, nil
			st.Status = StepFailed
			e.note(st.ID, Forward, in.Attempt, "done late", "its undo had already run; it runs again")
			if e.s.Status == Undone {
				e.s.Status, e.s.FinishedAt = Undoing, nil
			}
		case st.Status == StepUndoing || (st.Direction == Backward && inFlight(st.Status)):
			if len(st.Output) == 0 {
				st.Output = in.Output
			}
		}
		return
	}
	if st.Direction == Backward && inFlight(st.Status) && in.Attempt >= st.UndoFrom {
		e.close(st, StepUndone)
		st.UndoNote = in.Note
		e.note(st.ID, Backward, in.Attempt, "undone", in.Note)
	}
}

func (e *engine) failed(in Failed) {
	st := e.s.Step(in.Step)
	if st == nil || in.Attempt != st.Attempt || in.Direction != st.Direction || !(st.Status == StepDoing || st.Status == StepUndoing) {
		return
	}
	if len(in.Output) > 0 && len(st.Output) == 0 {
		st.Output = in.Output
	}
	e.attemptFailed(st, in.Reason, in.Final)
}

// attemptFailed decides between another attempt, turning back, and parking.
func (e *engine) attemptFailed(st *Step, reason string, final bool) {
	b := e.book.of(st.Kind)
	st.Failures++
	st.Reason = reason
	if st.Direction == Backward {
		e.note(st.ID, Backward, st.Attempt, "undo failed", reason)
		// A final one is not tried until its deadline: a person is needed now.
		if final || (st.UndoBy != nil && !e.now.Before(*st.UndoBy)) {
			st.Status, st.Deadline = StepUndoFailed, nil
			return
		}
		again := e.now.Add(b.Retry.pause(st.Failures))
		if st.UndoBy != nil && again.After(*st.UndoBy) {
			again = *st.UndoBy
		}
		st.Status, st.Deadline = StepRetrying, &again
		return
	}
	e.note(st.ID, Forward, st.Attempt, "failed", reason)
	if e.s.Status == Running && !final && st.Failures < b.Retry.Max {
		again := e.now.Add(b.Retry.pause(st.Failures))
		st.Status, st.Deadline = StepRetrying, &again
		return
	}
	e.close(st, StepFailed)
	e.turnBack(st.ID, reason)
}

// turnBack begins the undo, unless something irreversible has begun: then only
// a person can say how it goes on.
func (e *engine) turnBack(step, reason string) {
	if e.s.Failure == nil {
		e.s.Failure = &Failure{Step: step, Reason: reason, At: e.now}
	}
	if e.s.Status != Running || e.pastReturn() {
		return
	}
	e.s.Status = Undoing
	e.note("", "", 0, "undoing", reason)
	for i := range e.s.Steps {
		st := &e.s.Steps[i]
		if st.Direction != Forward {
			continue
		}
		remote := e.book.of(st.Kind).Remote
		switch {
		case st.Status == StepDoing && !remote:
			// Its answer is awaited before its undo begins.
			e.effects = append(e.effects, Effect{Do: CancelActivity, Step: st.ID, Direction: Forward, Attempt: st.Attempt})
		case st.Status == StepDoing, st.Status == StepWaiting, st.Status == StepRetrying:
			// Nobody is at work here, or the other service refuses a late Do
			// once it has seen the undo.
			e.close(st, StepFailed)
			st.Reason = "stopped: " + reason
			e.note(st.ID, Forward, st.Attempt, "stopped", reason)
		}
	}
}

// pastReturn reports whether an irreversible step has begun.
func (e *engine) pastReturn() bool {
	return slices.ContainsFunc(e.s.Steps, func(st Step) bool {
		return st.Begun && e.book.of(st.Kind).Compensation == Irreversible
	})
}

func (e *engine) notYet(in NotYet) {
	st := e.s.Step(in.Step)
	if st == nil || in.Attempt != st.Attempt || in.Direction != st.Direction || !(st.Status == StepDoing || st.Status == StepUndoing) {
		return
	}
	if len(in.Output) > 0 {
		st.Output = in.Output
	}
	if in.Direction == Forward && e.s.Status != Running && !e.pastReturn() {
		e.close(st, StepFailed)
		e.note(st.ID, Forward, in.Attempt, "stopped", "the saga is being undone")
		return
	}
	if in.Direction == Backward && in.Working && st.UndoBy != nil {
		by := e.now.Add(e.book.of(st.Kind).UndoDeadline)
		st.UndoBy = &by
	}
	if in.Direction == Backward && st.UndoBy != nil && !e.now.Before(*st.UndoBy) {
		st.Status, st.Deadline, st.Reason = StepUndoFailed, nil, in.Reason
		e.note(st.ID, Backward, in.Attempt, "undo failed", in.Reason)
		return
	}
	if st.Reason != in.Reason {
		e.note(st.ID, in.Direction, in.Attempt, "waiting", in.Reason)
	}
	until := in.Until
	if until.IsZero() || until.Before(e.now) {
		until = e.now.Add(time.Second)
	}
	st.Status, st.Deadline, st.Reason = StepWaiting, &until, in.Reason
}

func (e *engine) ticked() {
	for i := range e.s.Steps {
		st := &e.s.Steps[i]
		if st.Deadline == nil || e.now.Before(*st.Deadline) {
			continue
		}
		switch st.Status {
		case StepWaiting, StepRetrying:
			e.call(st, st.Direction, st.Status == StepRetrying)
		case StepDoing, StepUndoing:
			if !e.book.of(st.Kind).Remote {
				e.effects = append(e.effects, Effect{Do: CancelActivity, Step: st.ID, Direction: st.Direction, Attempt: st.Attempt})
			}
			e.attemptFailed(st, fmt.Sprintf("no answer after %s; what it did is unknown", e.book.of(st.Kind).Timeout), false)
		}
	}
}

func (e *engine) nudged(in Nudged) {
	for i := range e.s.Steps {
		st := &e.s.Steps[i]
		if st.Status == StepWaiting && (in.Step == "" || in.Step == st.ID) {
			e.call(st, st.Direction, false)
		}
	}
}

func (e *engine) recovered() {
	for i := range e.s.Steps {
		st := &e.s.Steps[i]
		if e.book.of(st.Kind).Remote || !(st.Status == StepDoing || st.Status == StepUndoing) {
			continue
		}
		if st.Direction == Forward && e.s.Status == Undoing {
			// Nobody is at work on it any more, so its undo need not wait.
			e.close(st, StepFailed)
			st.Reason = "interrupted: what it did is unknown"
			e.note(st.ID, Forward, st.Attempt, "interrupted", "")
			continue
		}
		e.note(st.ID, st.Direction, st.Attempt, "interrupted", "the platform was restarted")
		e.call(st, st.Direction, true)
	}
}

// close ends a step's way in its direction.
func (e *engine) close(st *Step, status StepStatus) {
	at := e.now
	st.Status, st.FinishedAt, st.Deadline = status, &at, nil
}

func inFlight(s StepStatus) bool {
	return s == StepDoing || s == StepUndoing || s == StepWaiting || s == StepRetrying
}
