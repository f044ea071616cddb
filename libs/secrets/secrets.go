// Package secrets asks the provisioner, which keeps the secrets of projects,
// for their values. What is answered stays in memory for a moment and is
// written nowhere: not to a store, a log or an error.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Subject is where secrets are resolved.
const Subject = "rpc.secret.resolve"

const (
	keep     = 20 * time.Second // how long a copy is good for
	patience = 3 * time.Second  // how long the provisioner may take to answer
)

// ErrMissing: the project has no secret of that name, or an empty one.
var ErrMissing = errors.New("there is no such secret")

// ErrUnanswered: the provisioner does not answer just now; ask again later.
var ErrUnanswered = errors.New("the service that keeps secrets does not answer")

// Requester asks over the bus; *bus.Bus is one.
type Requester interface {
	Request(ctx context.Context, subject string, in, out any) error
}

// Asker is who asks and what for, as the provisioner is told.
type Asker struct {
	Service string // "gateway"
	Purpose string // "verify webhook deliveries"
}

// Client resolves secrets by name. It is safe for concurrent use.
type Client struct {
	asks  Requester
	asker Asker
	clock func() time.Time

	mu     sync.Mutex
	copies map[place]copied
}

type place struct{ project, name string }

type copied struct {
	value string
	at    time.Time
}

// New makes a client that asks over a bus.
func New(asks Requester, asker Asker, clock func() time.Time) *Client {
	return &Client{asks: asks, asker: asker, clock: clock, copies: map[place]copied{}}
}

// Resolve returns a secret's value, at most 20 s old. The error is ErrMissing
// where there is none and ErrUnanswered where nobody answers within 3 s; any
// other one means that it could not be found out.
func (c *Client) Resolve(ctx context.Context, project, name string) ([]byte, error) {
	if value, ok := c.recall(place{project, name}); ok {
		return []byte(value), nil
	}
	return c.ResolveFresh(ctx, project, name)
}

// ResolveFresh is Resolve past the copy: the value as it is now.
func (c *Client) ResolveFresh(ctx context.Context, project, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asked := c.clock()
	var answer struct {
		Values map[string]string `json:"values"`
	}
	err := c.asks.Request(ctx, Subject, request{
		Project: project, Names: []string{name}, Purpose: c.asker.Purpose, Service: c.asker.Service,
	}, &answer)
	value := answer.Values[name]
	var problem *httpapi.Problem
	switch {
	case err == nil && value != "":
		c.remember(place{project, name}, copied{value: value, at: asked})
		return []byte(value), nil
	case err == nil, errors.As(err, &problem) && problem.Status == http.StatusNotFound:
		c.forget(place{project, name})
		return nil, ErrMissing
	case errors.Is(err, bus.ErrNoResponder), errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	return nil, err
}

type request struct {
	Project string   `json:"project"`
	Names   []string `json:"names"`
	Purpose string   `json:"purpose"`
	Service string   `json:"service"`
}

func (c *Client) recall(at place) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have, ok := c.copies[at]
	return have.value, ok && c.clock().Sub(have.at) < keep
}

func (c *Client) remember(at place, value copied) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.copies[at] = value
}

func (c *Client) forget(at place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.copies, at)
}
