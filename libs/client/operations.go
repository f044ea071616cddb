package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"time"
)

// The states of an operation.
const (
	StatusRunning = "running"
	StatusUndoing = "undoing"
	StatusDone    = "done"
	StatusUndone  = "undone"
	StatusParked  = "parked"
)

// Operation is something that takes time: a saga. Its Journal comes with Saga only.
type Operation struct {
	ID            string            `json:"id"`
	Kind          string            `json:"kind"`
	Project       string            `json:"project"`
	Subject       string            `json:"subject"`
	Status        string            `json:"status"`
	Failure       *Failure          `json:"failure,omitempty"`
	Details       map[string]string `json:"details,omitempty"`
	Steps         []Step            `json:"steps"`
	Journal       []JournalEntry    `json:"journal,omitempty"`
	CorrelationID string            `json:"correlationId,omitempty"`
	Actor         string            `json:"actor,omitempty"`
	CreatedAt     time.Time         `json:"createdAt"`
	FinishedAt    *time.Time        `json:"finishedAt,omitempty"`
	Links         map[string]string `json:"links,omitempty"`
	Version       int64             `json:"version,omitempty"`
}

// Over reports whether nothing more happens by itself.
func (o Operation) Over() bool {
	return o.Status == StatusDone || o.Status == StatusUndone || o.Status == StatusParked
}

// Step returns the step with an id, nil if there is none.
func (o Operation) Step(id string) *Step {
	for i := range o.Steps {
		if o.Steps[i].ID == id {
			return &o.Steps[i]
		}
	}
	return nil
}

// Failure is why an operation turned back. Step is "" where a person aborted it.
type Failure struct {
	Step   string    `json:"step,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Step is one step of an operation.
type Step struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Title      string          `json:"title,omitempty"`
	After      []string        `json:"after,omitempty"`
	Status     string          `json:"status"`
	Direction  string          `json:"direction,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Note       string          `json:"note,omitempty"`
	UndoNote   string          `json:"undoNote,omitempty"`
	StartedAt  *time.Time      `json:"startedAt,omitempty"`
	FinishedAt *time.Time      `json:"finishedAt,omitempty"`
	Output     json.RawMessage `json:"output,omitempty"`
}

// JournalEntry is one line of an operation's written record.
type JournalEntry struct {
	At        time.Time `json:"at"`
	Step      string    `json:"step,omitempty"`
	Direction string    `json:"direction,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	What      string    `json:"what"`
	Reason    string    `json:"reason,omitempty"`
}

// Operation returns how far an operation is.
func (c *Client) Operation(ctx context.Context, id string) (Operation, error) {
	var op Operation
	return op, c.Do(ctx, Request{Path: PathOf("api", "v1", "operations", id)}, &op)
}

// Update is something new about an operation. Step is the step that changed;
// nil where the whole is new: at first, when it turns back and at the end.
type Update struct {
	Operation Operation
	Step      *Step
}

// Follow tells an operation as it happens: the whole first, each step that
// changes, the whole with its Failure when it turns back, and the whole when
// nothing more happens by itself. It survives a restart of Slipway. After an
// error nothing comes.
func (c *Client) Follow(ctx context.Context, id string) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		var now Operation
		begun, stopped := false, false
		seen := map[string]Step{}
		err := c.stream(ctx, Request{Path: PathOf("api", "v1", "operations", id)}, func(m message) (bool, error) {
			u := Update{}
			switch m.name {
			case "operation", "failure", "end":
				turned := now.Failure != nil
				if err := json.Unmarshal(m.data, &now); err != nil {
					return true, c.broken(err)
				}
				if m.name == "operation" && begun || m.name == "failure" && turned {
					return false, nil // the stream was opened again
				}
				begun = true
			case "step":
				u.Step = &Step{}
				if err := json.Unmarshal(m.data, u.Step); err != nil {
					return true, c.broken(err)
				}
				if before, ok := seen[u.Step.ID]; ok && reflect.DeepEqual(before, *u.Step) {
					return false, nil
				}
				seen[u.Step.ID] = *u.Step
			default:
				return false, nil
			}
			u.Operation = now
			stopped = !yield(u, nil)
			return stopped || m.name == "end", nil
		})
		if err != nil && !stopped {
			yield(Update{Operation: now}, err)
		}
	}
}

// Wait follows an operation to its end and returns it.
func (c *Client) Wait(ctx context.Context, id string) (Operation, error) {
	last := Operation{}
	for u, err := range c.Follow(ctx, id) {
		if err != nil {
			return last, err
		}
		last = u.Operation
	}
	if last.ID == "" {
		return last, errors.New("the operation was never shown")
	}
	return last, nil
}

// SagaFilter selects sagas; empty fields select all.
type SagaFilter struct {
	Project, Status, Subject string
	// Open selects those that are not over, parked ones included.
	Open   bool
	Limit  int
	Cursor string
}

// Sagas returns a page of operations, the newest first.
func (c *Client) Sagas(ctx context.Context, f SagaFilter) (Page[Operation], error) {
	q := paging(f.Limit, f.Cursor)
	set(q, "project", f.Project)
	set(q, "status", f.Status)
	set(q, "subject", f.Subject)
	if f.Open {
		q.Set("open", "true")
	}
	var page Page[Operation]
	return page, c.Do(ctx, Request{Path: "/api/v1/sagas", Query: q}, &page)
}

// Saga returns an operation with its journal.
func (c *Client) Saga(ctx context.Context, id string) (Operation, error) {
	var op Operation
	return op, c.Do(ctx, Request{Path: PathOf("api", "v1", "sagas", id)}, &op)
}

// RetrySaga tries a stuck step again, or all of them where step is "".
func (c *Client) RetrySaga(ctx context.Context, id, step string) (Operation, error) {
	return c.settle(ctx, id, "retry", map[string]any{"step": step})
}

// SkipStep takes a stuck step as settled.
func (c *Client) SkipStep(ctx context.Context, id, step string) (Operation, error) {
	return c.settle(ctx, id, "skip", map[string]any{"step": step})
}

// AdoptStep keeps what is there as the outcome of a stuck step. output may be nil.
func (c *Client) AdoptStep(ctx context.Context, id, step string, output json.RawMessage) (Operation, error) {
	body := map[string]any{"step": step}
	if output != nil {
		body["output"] = output
	}
	return c.settle(ctx, id, "adopt", body)
}

// AbortSaga turns an operation back.
func (c *Client) AbortSaga(ctx context.Context, id, reason string) (Operation, error) {
	return c.settle(ctx, id, "abort", map[string]any{"reason": reason})
}

func (c *Client) settle(ctx context.Context, id, request string, body any) (Operation, error) {
	var op Operation
	return op, c.Do(ctx, Request{Method: http.MethodPost, Path: PathOf("api", "v1", "sagas", id, request), Body: body}, &op)
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
