// Package saga is a pure engine for long-running processes made of steps that
// each have an undo.
//
// A Saga is data: a graph of steps, how far each one is, and a journal. Advance
// takes a saga, an Input (something that happened) and a time, and answers the
// next saga with the Effects to carry out. It knows no bus, no clock and no
// store, so that every crash point can be enumerated in a table test. What
// stores sagas and carries effects out is package runner.
package saga

import (
	"encoding/json"
	"time"

	"github.com/slipway-idp/slipway/events"
)

// Status says how far a saga is. Done, Undone and (until a person acts) Parked
// are where it rests.
type Status string

// The states of a saga.
const (
	Running Status = "running" // going forward
	Undoing Status = "undoing" // a step failed or somebody aborted: going back
	Done    Status = "done"    // every step happened
	Undone  Status = "undone"  // every step that may have happened was undone
	Parked  Status = "parked"  // it can go neither way without a person
)

// Over reports whether nothing more happens by itself.
func (s Status) Over() bool { return s == Done || s == Undone }

// StepStatus says how far one step is.
type StepStatus string

// The states of a step.
const (
	StepPending    StepStatus = "pending"     // not begun
	StepDoing      StepStatus = "doing"       // its Do was called, the answer is awaited
	StepWaiting    StepStatus = "waiting"     // its Do (or undo) said "not yet" and is asked again
	StepRetrying   StepStatus = "retrying"    // its last attempt failed, the next comes later
	StepDone       StepStatus = "done"        // it happened
	StepFailed     StepStatus = "failed"      // it failed for good; it may have happened in part
	StepUndoing    StepStatus = "undoing"     // its undo was called, the answer is awaited
	StepUndone     StepStatus = "undone"      // it is as if it never was
	StepUndoFailed StepStatus = "undo-failed" // its undo ran past its deadline: a person must look
	StepSkipped    StepStatus = "skipped"     // a person took it on themselves
	StepAdopted    StepStatus = "adopted"     // a person keeps what is there
)

// Direction is the way a step is being taken.
type Direction string

// The two directions.
const (
	Forward  Direction = "do"
	Backward Direction = "undo"
)

// Compensation is the kind of undo a step has.
type Compensation string

// The kinds of undo.
const (
	// NoEffect: the step changes nothing, there is nothing to undo.
	NoEffect Compensation = "none-needed"
	// DestroyCreated: the undo destroys what this saga created.
	DestroyCreated Compensation = "destroy-created"
	// ReapplyPrevious: the undo puts back what was before.
	ReapplyPrevious Compensation = "reapply-previous"
	// Irreversible: once begun, the saga only goes forward.
	Irreversible Compensation = "irreversible"
)

// Saga is one long-running process. It is stored whole, as JSON.
type Saga struct {
	ID         string            `json:"id"`
	Definition string            `json:"definition"`
	Project    string            `json:"project"`
	Subject    string            `json:"subject"`
	Status     Status            `json:"status"`
	Input      json.RawMessage   `json:"input,omitempty"`
	Steps      []Step            `json:"steps"`
	Failure    *Failure          `json:"failure,omitempty"`
	Journal    []Entry           `json:"journal"`
	Indexes    map[string]string `json:"indexes,omitempty"`
	Cause      events.Cause      `json:"cause"`
	CreatedAt  time.Time         `json:"createdAt"`
	FinishedAt *time.Time        `json:"finishedAt,omitempty"`
}

// Step is one step of a saga.
type Step struct {
	ID     string          `json:"id"`
	Kind   string          `json:"kind"`
	Title  string          `json:"title,omitempty"`
	After  []string        `json:"after,omitempty"`
	Input  json.RawMessage `json:"input,omitempty"`
	Status StepStatus      `json:"status"`
	// Direction is the way of the current or last attempt.
	Direction Direction `json:"direction,omitempty"`
	// Attempt counts the calls in both directions; it tells answers apart.
	Attempt int `json:"attempt,omitempty"`
	// Failures counts failed attempts in the current direction.
	Failures int `json:"failures,omitempty"`
	// Begun is set when Do was first called and never cleared: from then on
	// the step may have happened, whatever was answered.
	Begun bool `json:"begun,omitempty"`
	// Answered is set when a success of Do was taken, so that hearing of it
	// again is told apart from hearing of it late.
	Answered bool `json:"answered,omitempty"`
	// UndoFrom is the first attempt of the undo in force: an older undo's
	// success says nothing about what came into being after it.
	UndoFrom   int             `json:"undoFrom,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Note       string          `json:"note,omitempty"`
	UndoNote   string          `json:"undoNote,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
	StartedAt  *time.Time      `json:"startedAt,omitempty"`
	FinishedAt *time.Time      `json:"finishedAt,omitempty"`
	// Deadline is when the call in flight counts as lost (doing, undoing) or
	// when it is made again (waiting, retrying).
	Deadline *time.Time `json:"deadline,omitempty"`
	// UndoBy is when the undo stops trying and the saga is parked.
	UndoBy *time.Time `json:"undoBy,omitempty"`
}

// Failure is why a saga turned back.
type Failure struct {
	Step   string    `json:"step"` // empty where a person aborted
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Entry is one line of the journal.
type Entry struct {
	At        time.Time `json:"at"`
	Step      string    `json:"step,omitempty"`
	Direction Direction `json:"direction,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	What      string    `json:"what"`
	Reason    string    `json:"reason,omitempty"`
}

// Plan says which steps there are and what depends on what. It is made once
// and stored with the saga.
type Plan struct {
	Steps []PlannedStep `json:"steps"`
}

// PlannedStep is a step before its saga begins. Input is anything that
// marshals to JSON.
type PlannedStep struct {
	ID    string   `json:"id"`
	Kind  string   `json:"kind"`
	Title string   `json:"title,omitempty"`
	After []string `json:"after,omitempty"`
	Input any      `json:"input,omitempty"`
}

// Step returns the step with this id, or nil.
func (s *Saga) Step(id string) *Step {
	for i := range s.Steps {
		if s.Steps[i].ID == id {
			return &s.Steps[i]
		}
	}
	return nil
}

// Outputs returns what the steps that happened gave, by step id.
func (s *Saga) Outputs() map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(s.Steps))
	for _, st := range s.Steps {
		if len(st.Output) > 0 {
			out[st.ID] = st.Output
		}
	}
	return out
}

// NextWake is when Advance wants a Ticked even if nothing else happens; zero
// for never.
func (s *Saga) NextWake() time.Time {
	var next time.Time
	for _, st := range s.Steps {
		if st.Deadline != nil && (next.IsZero() || st.Deadline.Before(next)) {
			next = *st.Deadline
		}
	}
	return next
}

// clone copies what Advance changes in place, so that the caller's saga stays
// as it was.
func (s Saga) clone() Saga {
	s.Steps = append([]Step(nil), s.Steps...)
	s.Journal = append([]Entry(nil), s.Journal...)
	return s
}
