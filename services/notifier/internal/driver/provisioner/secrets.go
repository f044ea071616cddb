// Package provisioner asks the provisioner, which keeps secrets, for those that
// messages are signed with.
package provisioner

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/notifier/internal/delivery"
)

// Subject is where secrets are resolved.
const Subject = "rpc.secret.resolve"

const (
	keep     = 20 * time.Second // in memory only
	patience = 3 * time.Second
)

// Requester asks over the bus.
type Requester interface {
	Request(ctx context.Context, subject string, in, out any) error
}

// Secrets implements delivery.Secrets.
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
	Values map[string]string `json:"values"`
}

// Resolve implements delivery.Secrets.
func (s *Secrets) Resolve(ctx context.Context, project, name string) ([]byte, error) {
	key := [2]string{project, name}
	now := s.clock()
	s.mu.Lock()
	v, ok := s.known[key]
	s.mu.Unlock()
	if ok && now.Sub(v.at) < keep {
		return []byte(v.text), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out answer
	err := s.bus.Request(ctx, Subject, request{Project: project, Names: []string{name}, Purpose: "sign notifications", Service: "notifier"}, &out)
	text := out.Values[name]
	var p *httpapi.Problem
	switch {
	case err == nil && text != "":
		s.mu.Lock()
		s.known[key] = value{text: text, at: now}
		s.mu.Unlock()
		return []byte(text), nil
	case err == nil, errors.As(err, &p) && p.Status == http.StatusNotFound:
		s.mu.Lock()
		delete(s.known, key)
		s.mu.Unlock()
		return nil, delivery.ErrNoSecret
	}
	return nil, err
}
