package saga

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/slipway-idp/slipway/events"
)

// Definition names a kind of saga and says how each kind of step is carried
// out. It is code; the plan, made from it once per saga, is data.
type Definition struct {
	Name  string // "deployment"
	Steps map[string]StepKind
	// Events, where set, gives the events that a change of state publishes.
	// They are committed with the change. before is nil at the start.
	Events func(before, after *Saga) ([]events.Draft, error)
}

// StepKind is one kind of step: local (Do and Undo) or remote (Command and
// UndoCommand, answered through Runner.Reply).
type StepKind struct {
	Do   Activity
	Undo Activity // nil where Compensation is NoEffect or Irreversible

	Command     func(Call) (events.Draft, error)
	UndoCommand func(Call) (events.Draft, error)

	Compensation Compensation
	Retry        Retry
	Timeout      time.Duration
	UndoDeadline time.Duration
}

// Activity carries out one direction of a step. It may be called again with
// the same Key after a crash or a lost answer, so it first looks what is
// there. An undo also accepts that its Do never happened.
//
// It answers nil when the thing is done, Result.Wait when it is not yet done,
// Fail(err) when trying again is no use (a Do turns back at once, an undo parks
// at once), and any other error to be retried.
type Activity func(ctx context.Context, c Call) (Result, error)

// Call is what an activity or a command is told.
type Call struct {
	SagaID    string
	StepID    string
	Kind      string
	Project   string
	Subject   string
	Direction Direction
	Attempt   int
	// Key is the same for every attempt and both directions of a step: the
	// idempotency key and the root of external names.
	Key string
	// Recovered is set where an earlier attempt may have happened in part.
	Recovered bool
	Input     json.RawMessage            // of the step
	SagaInput json.RawMessage            // of the saga
	Outputs   map[string]json.RawMessage // of the steps that happened
	Output    json.RawMessage            // of this step's Do, for its undo; may be empty
	Failure   *Failure                   // why it is being undone
	Cause     events.Cause
	StartedAt time.Time // when the step's Do was first called
}

// Result is what an activity answers.
type Result struct {
	Output any    // marshalled to JSON, kept with the step; no secret values
	Note   string // one short sentence for people
	Wait   *Wait  // not yet
}

// Wait asks to be called again at Until, or earlier when the saga is nudged.
type Wait struct {
	Until  time.Time
	Reason string
	// Working says that what is waited for is at work and has a deadline of its
	// own: while it is, an undo is not given up.
	Working bool
}

// Fail marks an error as final: no attempt will change it.
func Fail(err error) error { return &finalError{err: err} }

// FailWith is Fail with an output that the undo needs to know.
func FailWith(output any, err error) error { return &finalError{err: err, output: output} }

// AsFinal reports whether err is final, and with which output.
func AsFinal(err error) (output any, final bool) {
	var f *finalError
	if errors.As(err, &f) {
		return f.output, true
	}
	return nil, false
}

type finalError struct {
	err    error
	output any
}

func (f *finalError) Error() string { return f.err.Error() }
func (f *finalError) Unwrap() error { return f.err }

// Book says what the engine must know of the definition's step kinds.
func (d Definition) Book() Book {
	b := make(Book, len(d.Steps))
	for name, k := range d.Steps {
		b[name] = Behaviour{
			Remote:       k.Command != nil,
			Compensation: k.Compensation,
			Retry:        k.Retry,
			Timeout:      k.Timeout,
			UndoDeadline: k.UndoDeadline,
		}
	}
	return b
}

// Validate says which step kinds are incomplete.
func (d Definition) Validate() error {
	var errs []error
	if d.Name == "" {
		errs = append(errs, errors.New("a saga definition needs a name"))
	}
	for name, k := range d.Steps {
		undoable := k.Compensation == DestroyCreated || k.Compensation == ReapplyPrevious
		switch {
		case (k.Do == nil) == (k.Command == nil):
			errs = append(errs, errors.New(d.Name+"/"+name+": needs either Do or Command"))
		case undoable && k.Do != nil && k.Undo == nil:
			errs = append(errs, errors.New(d.Name+"/"+name+": says that it can be undone, but has no Undo"))
		case undoable && k.Command != nil && k.UndoCommand == nil:
			errs = append(errs, errors.New(d.Name+"/"+name+": says that it can be undone, but has no UndoCommand"))
		}
	}
	return errors.Join(errs...)
}
