package saga

import (
	"errors"
	"fmt"
	"time"
)

// Behaviour is what the engine must know of a step kind.
type Behaviour struct {
	Remote       bool          // carried out by another service, asked by a command
	Compensation Compensation  // default NoEffect
	Retry        Retry         // of Do
	Timeout      time.Duration // of one call in either direction; default 1 minute
	UndoDeadline time.Duration // for all attempts of the undo together; default 5 minutes
}

// Retry says how often and how fast a failed Do is tried again. Undo uses the
// same pace, without a maximum, until its deadline.
type Retry struct {
	Max   int           // attempts in all; default 1
	First time.Duration // before the second attempt, doubled from there; default 200 ms
	Limit time.Duration // the longest pause; default 10 s
}

// pause before the attempt after this many failures.
func (r Retry) pause(failures int) time.Duration {
	first, limit := r.First, r.Limit
	if first <= 0 {
		first = 200 * time.Millisecond
	}
	if limit <= 0 {
		limit = 10 * time.Second
	}
	for ; failures > 1 && first < limit; failures-- {
		first *= 2
	}
	return min(first, limit)
}

// Book holds the behaviour of every step kind of a definition.
type Book map[string]Behaviour

func (b Book) of(kind string) Behaviour {
	v := b[kind]
	if v.Compensation == "" {
		v.Compensation = NoEffect
	}
	if v.Retry.Max <= 0 {
		v.Retry.Max = 1
	}
	if v.Timeout <= 0 {
		v.Timeout = time.Minute
	}
	if v.UndoDeadline <= 0 {
		v.UndoDeadline = 5 * time.Minute
	}
	return v
}

// Validate says everything that is wrong with a plan: no steps, a step without
// id or twice the same, a kind that the book does not know, an unknown
// dependency, a cycle.
func (b Book) Validate(p Plan) error {
	var errs []error
	if len(p.Steps) == 0 {
		errs = append(errs, errors.New("the plan has no steps"))
	}
	index := map[string]PlannedStep{}
	for _, st := range p.Steps {
		if st.ID == "" {
			errs = append(errs, fmt.Errorf("a step of kind %q has no id", st.Kind))
		}
		if _, twice := index[st.ID]; twice {
			errs = append(errs, fmt.Errorf("step %q is there twice", st.ID))
		}
		if _, known := b[st.Kind]; !known {
			errs = append(errs, fmt.Errorf("step %q is of unknown kind %q", st.ID, st.Kind))
		}
		index[st.ID] = st
	}
	for _, st := range p.Steps {
		for _, a := range st.After {
			if _, known := index[a]; !known {
				errs = append(errs, fmt.Errorf("step %q comes after %q, which is not in the plan", st.ID, a))
			}
		}
	}
	const visiting, visited = 1, 2
	mark := map[string]int{}
	var visit func(id string) bool
	visit = func(id string) bool {
		switch mark[id] {
		case visiting:
			return false
		case visited:
			return true
		}
		mark[id] = visiting
		for _, a := range index[id].After {
			if !visit(a) {
				return false
			}
		}
		mark[id] = visited
		return true
	}
	for _, st := range p.Steps {
		if !visit(st.ID) {
			errs = append(errs, fmt.Errorf("step %q comes after itself", st.ID))
			break
		}
	}
	return errors.Join(errs...)
}

// Timeout is how long one call of a step kind may take.
func (b Book) Timeout(kind string) time.Duration { return b.of(kind).Timeout }
