package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// projectFor is how long the gateway believes that a project it saw is there.
const projectFor = 30 * time.Second

// Projects asks the policy service, which owns them, and remembers a yes for a
// short while.
type Projects struct {
	owners *Owners
	clock  func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time
}

// NewProjects asks through owners.
func NewProjects(owners *Owners, clock func() time.Time) *Projects {
	return &Projects{owners: owners, clock: clock, seen: map[string]time.Time{}}
}

// Exists tells whether there is a project of this name.
func (p *Projects) Exists(ctx context.Context, name string) (bool, error) {
	p.mu.Lock()
	at, ok := p.seen[name]
	p.mu.Unlock()
	if ok && p.clock().Sub(at) < projectFor {
		return true, nil
	}
	err := p.owners.Call(ctx, "policy", http.MethodGet, "/api/v1/projects/"+url.PathEscape(name), nil, nil)
	var problem *httpapi.Problem
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	p.seen[name] = p.clock()
	p.mu.Unlock()
	return true, nil
}

// Names lists projects for hints: none if they cannot be had.
func (p *Projects) Names(ctx context.Context) []string {
	var page struct {
		Items []struct {
			Name     string `json:"name"`
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if p.owners.Call(ctx, "policy", http.MethodGet, "/api/v1/projects?limit=1000", nil, &page) != nil {
		return nil
	}
	var names []string
	for _, item := range page.Items {
		if item.Name == "" {
			item.Name = item.Metadata.Name
		}
		names = append(names, item.Name)
	}
	return names
}
