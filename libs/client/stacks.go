package client

import (
	"context"
	"net/http"
	"time"
)

// Stack is what OpenTofu or Terraform keeps a state of: one resource. The state
// itself cannot be read.
type Stack struct {
	Name        string        `json:"name"` // shop.dev.bucket
	Project     string        `json:"project"`
	Environment string        `json:"environment"`
	Resource    string        `json:"resource"`
	Status      string        `json:"status"`  // idle, working, or held: by a run that is over
	Summary     string        `json:"summary"` // one sentence
	Engine      string        `json:"engine,omitempty"`
	UID         int           `json:"uid,omitempty"`
	Version     *StackVersion `json:"version,omitempty"` // of the newest state
	Lock        *StackLock    `json:"lock,omitempty"`
	Run         string        `json:"run,omitempty"`        // whose turn it is
	Queue       []string      `json:"queue"`                // runs that wait, in order
	Unresolved  []string      `json:"unresolved,omitempty"` // addresses of which nobody knows whether they exist
	Drift       *StackDrift   `json:"drift,omitempty"`
	CreatedAt   time.Time     `json:"createdAt"`
}

// StackLock says who holds a stack.
type StackLock struct {
	Run       string    `json:"run"`
	Operation string    `json:"operation,omitempty"`
	Who       string    `json:"who,omitempty"`
	At        time.Time `json:"at"`
}

// StackDrift is what the last look at the real things found.
type StackDrift struct {
	At          time.Time `json:"at"`
	Run         string    `json:"run,omitempty"`
	Differences []string  `json:"differences"`
}

// StackVersion is what may be told of one state.
type StackVersion struct {
	Number    int       `json:"number"`
	Serial    int64     `json:"serial"` // the engine's own count
	Lineage   string    `json:"lineage"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"` // in bytes
	Resources int       `json:"resources"`
	Run       string    `json:"run"` // that wrote it
	At        time.Time `json:"at"`
}

// StackFilter selects stacks; what is empty selects all.
type StackFilter struct {
	Environment string
	Limit       int
	Cursor      string
}

// Stacks returns a page of a project's stacks, by name.
func (c *Client) Stacks(ctx context.Context, project string, f StackFilter) (Page[Stack], error) {
	q := paging(f.Limit, f.Cursor)
	set(q, "environment", f.Environment)
	var page Page[Stack]
	return page, c.Do(ctx, Request{Path: ProjectPath(project, "stacks"), Query: q}, &page)
}

// Stack returns one stack.
func (c *Client) Stack(ctx context.Context, project, name string) (Stack, error) {
	var s Stack
	return s, c.Do(ctx, Request{Path: ProjectPath(project, "stacks", name)}, &s)
}

// StackVersions returns a page of a stack's states, the newest first; also of
// one that was destroyed, while they are kept.
func (c *Client) StackVersions(ctx context.Context, project, name string, limit int, cursor string) (Page[StackVersion], error) {
	var page Page[StackVersion]
	return page, c.Do(ctx, Request{Path: ProjectPath(project, "stacks", name, "versions"), Query: paging(limit, cursor)}, &page)
}

// UnlockStack takes a stack from the run that holds it. Who did it, and why, is
// an event. Look first that the run is dead and what it made.
func (c *Client) UnlockStack(ctx context.Context, project, name, reason string) (Stack, error) {
	var s Stack
	return s, c.Do(ctx, Request{
		Method: http.MethodPost, Path: ProjectPath(project, "stacks", name, "unlock"), Body: map[string]string{"reason": reason},
	}, &s)
}
