// Package provisioner asks the provisioner, which keeps secrets, for the ones
// that webhooks are signed with.
package provisioner

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Subject is where secrets are resolved.
const Subject = "rpc.secret.resolve"

// keep is for how long a value stays in memory; nothing is ever written down.
const keep = 20 * time.Second

// patience is how long a delivery waits for the provisioner.
const patience = 3 * time.Second

// Requester asks over the bus.
type Requester interface {
	Request(ctx context.Context, subject string, in, out any) error
}

// Secrets resolves the values of Secrets of a project.
type Secrets struct {
	bus   Requester
	clock func() time.Time

	mu    sync.Mutex
	known map[[2]string]value
}

type value struct {
	text string
	at   time.Time
}

// NewSecrets asks over a bus.
func NewSecrets(b Requester, clock func() time.Time) *Secrets {
	return &Secrets{bus: b, clock: clock, known: map[[2]string]value{}}
}

type request struct {
	Project string   `json:"project"`
	Names   []string `json:"names"`
	Purpose string   `json:"purpose"`
	Service string   `json:"service"`
}

type answer struct {
	Values  map[string]string `json:"values"`
	Missing []string          `json:"missing"`
}

// Resolve returns a secret's value. Where it cannot be had the problem is 503:
// the sender shall come again, since the delivery may well be good.
func (s *Secrets) Resolve(ctx context.Context, project, name string, fresh bool) ([]byte, error) {
	key := [2]string{project, name}
	now := s.clock()
	s.mu.Lock()
	v, ok := s.known[key]
	s.mu.Unlock()
	if ok && !fresh && now.Sub(v.at) < keep {
		return []byte(v.text), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out answer
	err := s.bus.Request(ctx, Subject, request{Project: project, Names: []string{name}, Purpose: "verify webhook deliveries", Service: "gateway"}, &out)
	text, found := out.Values[name]
	var problem *httpapi.Problem
	switch {
	case err == nil && found && text != "":
		s.mu.Lock()
		s.known[key] = value{text: text, at: now}
		s.mu.Unlock()
		return []byte(text), nil
	case err == nil, errors.As(err, &problem) && problem.Status == http.StatusNotFound:
		s.mu.Lock()
		delete(s.known, key)
		s.mu.Unlock()
		return nil, unset(project, name)
	case errors.Is(err, bus.ErrNoResponder), errors.Is(err, context.DeadlineExceeded):
		return nil, httpapi.Unavailable(5*time.Second, "The secret that this webhook is signed with cannot be read just now, since the service that keeps it does not answer. Send the delivery again in a moment.")
	}
	return nil, err
}

func unset(project, name string) error {
	p := httpapi.Unavailable(30*time.Second, "This webhook cannot verify anything yet: project "+project+" has no Secret "+name+". Apply a Secret document with the value that is set at the provider, then send the delivery again.")
	p.Type, p.Title = httpapi.TypePrefix+"secret-missing", "The webhook's secret is not set."
	return p
}
