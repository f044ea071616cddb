// Package target says what it takes to run workloads somewhere. Each product
// that does is a driver that implements Target and passes targettest.
package target

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// Spec says what one instance of a workload shall be. It holds secret values
// while it is on its way to Start, and is never stored.
type Spec struct {
	// ID names the instance for good: the same ID is the same instance, so a
	// start that is repeated after a crash finds what the first one did.
	ID          string
	Name        string // for people: orders.3
	Project     string
	Environment string
	Workload    string
	Artifact    string // digest of the archive: sha256:…
	Score       score.Workload
	// Variables by container and name, placeholders filled in.
	Variables map[string]map[string]string
	// Mask are the secret values among them; they are kept out of logs.
	Mask []string
	// Recovering: it was ready before and is brought back. It is then given
	// time to come back rather than failed.
	Recovering bool
}

// State is how an instance is.
type State string

// The states of an instance.
const (
	Starting   State = "starting"   // begun, not yet ready
	Ready      State = "ready"      // takes requests
	Restarting State = "restarting" // was ready, ended or did not answer any more, is being started again
	Failed     State = "failed"     // never became ready; nothing of it runs
	Gone       State = "gone"       // it should run and does not
)

// Instance is one running copy of a workload, as its target sees it.
type Instance struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	State State  `json:"state"`
	// Addr is where its main port is reached, host:port; "" for a workload
	// without ports.
	Addr       string         `json:"addr,omitempty"`
	Ports      map[string]int `json:"ports,omitempty"` // by the name in service.ports
	Reason     string         `json:"reason,omitempty"`
	Restarts   int            `json:"restarts,omitempty"`
	StartedAt  time.Time      `json:"startedAt,omitzero"`
	ReadyAfter time.Duration  `json:"readyAfter,omitempty"` // nanoseconds
}

// NotReadyError says why an instance did not become ready.
type NotReadyError struct {
	Instance string // its name
	Reason   string // one sentence
	LogTail  []string
}

func (e *NotReadyError) Error() string { return e.Instance + " " + e.Reason }

// Line is one line that a workload wrote.
type Line struct {
	At     time.Time `json:"at"`
	Stream string    `json:"stream"` // stdout or stderr
	Text   string    `json:"text"`
}

// LogOptions say which lines are wanted.
type LogOptions struct {
	Tail   int  // the last n; 0: all that is kept
	Follow bool // and what comes, until the context ends or the instance is removed
}

// UnknownError says that a target has no such instance.
type UnknownError struct{ ID string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no instance %q", e.ID) }

// Target runs instances. Every method may be called again after a crash of the
// platform at any moment.
type Target interface {
	// Name is what documents call the target.
	Name() string
	// Check says what of a workload this target cannot run.
	Check(w score.Workload) []score.Fault
	// Start begins an instance, or returns the one that is there. It does not
	// wait for it to be ready.
	Start(ctx context.Context, spec Spec) (Instance, error)
	// AwaitReady waits until an instance is ready, and answers *NotReadyError
	// when it will not be, or *UnknownError.
	AwaitReady(ctx context.Context, id string) (Instance, error)
	// Find returns an instance as it is now.
	Find(ctx context.Context, id string) (Instance, bool, error)
	// List returns the ids of all instances that were started and not stopped.
	List(ctx context.Context) ([]string, error)
	// Stop ends an instance within grace, by force then, and removes all that
	// was kept of it. One that never was is nil.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Logs calls fn with lines, oldest first.
	Logs(ctx context.Context, id string, o LogOptions, fn func(Line) error) error
}
