package saga

import "slices"

// move starts every step that can start, in the saga's direction, and decides
// whether the saga is at an end.
func (e *engine) move() {
	switch e.s.Status {
	case Running:
		e.forward()
	case Undoing:
		e.backward()
	}
}

func (e *engine) forward() {
	for i := range e.s.Steps {
		st := &e.s.Steps[i]
		if st.Status == StepPending && e.allHappened(st.After) {
			e.call(st, Forward, false)
		}
	}
	open, stuck := false, false
	for i := range e.s.Steps {
		switch st := &e.s.Steps[i]; {
		case inFlight(st.Status):
			return
		case st.Status == StepFailed:
			stuck = true
		case !happened(st.Status):
			open = true
		}
	}
	switch {
	case stuck:
		e.park()
	case !open:
		e.end(Done)
	}
}

func (e *engine) backward() {
	// Undoing one step may set the next one free at once, where it has
	// nothing to undo.
	for again := true; again; {
		again = false
		for i := range e.s.Steps {
			st := &e.s.Steps[i]
			if (st.Status == StepDone || st.Status == StepFailed) && e.dependentsGone(st.ID) {
				e.undo(st)
				again = again || st.Status == StepUndone
			}
		}
	}
	stuck := false
	for i := range e.s.Steps {
		switch st := &e.s.Steps[i]; {
		case inFlight(st.Status):
			return
		case st.Status == StepUndoFailed:
			stuck = true
		}
	}
	if stuck {
		e.park()
		return
	}
	e.end(Undone)
}

// undo begins the undo of a step that may have happened.
func (e *engine) undo(st *Step) {
	b := e.book.of(st.Kind)
	if b.Compensation == NoEffect {
		// Its answer is kept: "failed" must stay readable beside "undone".
		st.Status = StepUndone
		return
	}
	st.Failures = 0
	by := e.now.Add(b.UndoDeadline)
	st.UndoBy = &by
	st.UndoFrom = st.Attempt + 1
	e.call(st, Backward, st.Status == StepFailed)
}

// dependentsGone reports whether nothing that came after the step is left.
func (e *engine) dependentsGone(id string) bool {
	for _, st := range e.s.Steps {
		if !slices.Contains(st.After, id) {
			continue
		}
		switch st.Status {
		case StepPending, StepUndone, StepSkipped, StepAdopted:
			// A pending one may itself stand before others that began only
			// if it happened, so there is nothing behind it.
		default:
			return false
		}
	}
	return true
}

func (e *engine) allHappened(ids []string) bool {
	for _, id := range ids {
		if st := e.s.Step(id); st == nil || !happened(st.Status) {
			return false
		}
	}
	return true
}

func happened(s StepStatus) bool {
	return s == StepDone || s == StepSkipped || s == StepAdopted
}

func (e *engine) park() {
	e.s.Status = Parked
	e.note("", "", 0, "parked", "it can go neither way by itself: retry, skip or adopt the stuck step")
}

func (e *engine) end(s Status) {
	at := e.now
	e.s.Status, e.s.FinishedAt = s, &at
	e.note("", "", 0, string(s), "")
}
