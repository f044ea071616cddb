// Package run carries out infrastructure modules against their stacks: each
// run is planned, judged by policy, applied exactly as planned, and looked at
// when it ended, however it ended.
//
//	queued → planning → (waiting) → applying → finished | failed | discarded
//
// A run is data. What happens next follows from what is stored, and every
// effect is written down before it is begun, so that a platform that was
// killed goes on where it was: processes that live are waited for, others are
// settled from what they left in their folder and in the state.
package run

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// Status says how far a run is.
type Status string

// The states of a run.
const (
	Queued    Status = "queued"   // in line for its stack
	Planning  Status = "planning" // it is planned, then policy is asked
	Waiting   Status = "waiting"  // for a person's yes or no
	Applying  Status = "applying"
	Finished  Status = "finished"
	Failed    Status = "failed"
	Discarded Status = "discarded"
)

// Over reports whether nothing more is done.
func (s Status) Over() bool { return s == Finished || s == Failed || s == Discarded }

// Fault says why a run failed, for whoever decides what comes next.
type Fault string

// The faults. After Moved and Lost nothing was applied: a new run may do it.
const (
	Moved   Fault = "moved"   // the state is another one than was planned for
	Lost    Fault = "lost"    // its processes were gone before anything was applied
	Cut     Fault = "cut"     // they were gone, or cut, while it was applied
	Engine  Fault = "engine"  // the engine, or the module, said no
	Denied  Fault = "denied"  // policy said no
	Held    Fault = "held"    // a dead run holds the stack
	Outputs Fault = "outputs" // what it made does not give what was declared
	Setup   Fault = "setup"   // it could not be begun
	Stopped Fault = "stopped" // somebody cancelled it
)

// Retryable reports whether a new run may do what this one could not.
func (f Fault) Retryable() bool { return f == Moved || f == Lost }

// Run is one execution of a module against a stack. No secret value is in it.
type Run struct {
	ID              string `json:"id"`
	Stack           string `json:"stack"`
	Project         string `json:"project"`
	Environment     string `json:"environment"`
	EnvironmentType string `json:"environmentType,omitempty"`
	Resource        string `json:"resource"`
	Definition      string `json:"definition,omitempty"`
	Operation       string `json:"operation"` // apply, destroy, plan or drift
	Status          Status `json:"status"`

	Key    string `json:"key"`    // of whoever asked
	Number int    `json:"number"` // of the runs with this key, from 1

	Saga  string       `json:"saga,omitempty"`
	Step  string       `json:"step,omitempty"`
	Why   string       `json:"why,omitempty"` // deploy, undo, drift, …
	Cause events.Cause `json:"cause"`

	Wished       string            `json:"wishedEngine,omitempty"`
	Engine       engine.Engine     `json:"engine,omitzero"`
	ModuleDigest string            `json:"moduleDigest"`
	Declared     map[string]string `json:"declaredOutputs,omitempty"`
	Timeout      time.Duration     `json:"timeout"` // of one phase

	// The plan.
	Changes    []plan.Change `json:"changes,omitempty"`
	Counts     plan.Counts   `json:"counts"`
	Existed    bool          `json:"existed,omitempty"` // there was something in the state before
	HasChanges bool          `json:"hasChanges,omitempty"`
	Planned    bool          `json:"planned,omitempty"`
	PlanDigest string        `json:"planDigest,omitempty"` // what an approval binds to
	Stored     string        `json:"storedPlan,omitempty"` // SHA-256 of the stored plan alone
	Version    int           `json:"stateVersion,omitempty"`
	Serial     int64         `json:"serial,omitempty"`
	Lineage    string        `json:"lineage,omitempty"`

	Decision *Decision `json:"decision,omitempty"`
	Waits    string    `json:"waiting,omitempty"` // what for, in words
	Approval *Approval `json:"approval,omitempty"`
	Stop     *Approval `json:"stop,omitempty"` // who cancelled or discarded it, and why

	// What came of it.
	Made       []string            `json:"made,omitempty"`   // addresses that are new in the state
	Gone       []string            `json:"gone,omitempty"`   // addresses that are no longer there
	Import     map[string]string   `json:"import,omitempty"` // taken over first: an earlier run made it and died
	Orphans    map[string]string   `json:"orphans,omitempty"`
	Unresolved []string            `json:"unresolved,omitempty"`
	Drifted    []string            `json:"drifted,omitempty"` // one line each
	Fault      Fault               `json:"fault,omitempty"`
	Reason     string              `json:"reason,omitempty"`
	Diags      []runner.Diagnostic `json:"diagnostics,omitempty"`
	Answered   bool                `json:"answered,omitempty"` // whoever asked was told that it failed

	Phase    runner.Phase `json:"phase,omitempty"`     // the last that was begun
	Deadline time.Time    `json:"deadline,omitzero"`   // of that phase
	Token    string       `json:"tokenHash,omitempty"` // SHA-256 of what the phase's process may use
	Closed   bool         `json:"closed,omitempty"`    // its stack is let go of and its folder gone

	CreatedAt  time.Time `json:"createdAt"`
	PlanningAt time.Time `json:"planningAt,omitzero"`
	PlannedAt  time.Time `json:"plannedAt,omitzero"`
	ApplyingAt time.Time `json:"applyingAt,omitzero"`
	OverAt     time.Time `json:"overAt,omitzero"`
}

// Approval is a person's word on a run.
type Approval struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Digest string    `json:"digest,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// Applies reports whether the run would change anything outside.
func (r Run) Applies() bool { return r.Operation == runner.OpApply || r.Operation == runner.OpDestroy }

// Sentence says in what state the run is, for whoever waits for it.
func (r Run) Sentence() string {
	switch {
	case r.Status == Waiting:
		return fmt.Sprintf("run %s waits for an approval: slipway run approve %s", r.ID, r.ID)
	case r.Status.Over() && !r.Closed:
		return fmt.Sprintf("run %s is being put away", r.ID)
	case r.Waits != "":
		return fmt.Sprintf("run %s is %s: %s", r.ID, r.Status, r.Waits)
	}
	return fmt.Sprintf("run %s is %s", r.ID, r.Status)
}

// Err is why the run did not do what it was for; nil where it did.
func (r Run) Err() error {
	switch r.Status {
	case Failed, Discarded:
		return &FailedError{Run: r.ID, Stack: r.Stack, Fault: r.Fault, Reason: r.Reason}
	}
	return nil
}

// FailedError says why a run failed.
type FailedError struct {
	Run, Stack string
	Fault      Fault
	Reason     string
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("run %s of stack %s: %s", e.Run, e.Stack, strings.TrimSuffix(e.Reason, "."))
}

// Wish is what is asked for.
type Wish struct {
	Stack     stack.Identity
	Operation string
	By        driver.Operation
	Why       string
	Number    int // of the runs that By.Key asked for, from 1
	Module    driver.Module
	Inputs    map[string]any
	Hidden    []string // values among Inputs and Module.Env that must not be seen
}

// sealed is the part of a wish that holds secrets.
type sealed struct {
	Inputs map[string]any    `json:"inputs,omitempty"`
	Env    map[string]string `json:"env,omitempty"`
	Hidden []string          `json:"hidden,omitempty"`
}

// Remembered is what destroying a stack needs, as it is kept with the stack.
type Remembered struct {
	sealed
	Engine  string            `json:"engine,omitempty"`
	Outputs map[string]string `json:"outputs,omitempty"`
	Timeout time.Duration     `json:"timeout,omitempty"`
}

// Filter selects runs; what is empty selects all.
type Filter struct {
	Project, Environment, Stack string
	Status                      Status
	Limit                       int
	Cursor                      string
}
