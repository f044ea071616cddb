// Package traffic tells the ingress where requests go. What it tells is a
// function of what stands in the environments, so that telling it again is
// always right.
package traffic

import (
	"context"
	"net"
	"sync"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/ingress"
)

// Ingress is what the router speaks to; *ingress.Client is one.
type Ingress interface {
	SetRoutes(ctx context.Context, routes []ingress.Route) error
	InFlight(ctx context.Context) (map[string]int, error)
}

// Router keeps the ingress in step with the environments.
type Router struct {
	environments *aggregate.Repository[environment.State]

	push sync.Mutex // one table at a time, so that an older one never overtakes
	mu   sync.Mutex
	to   Ingress
	addr string
}

// NewRouter makes a router without an ingress; Use gives it one.
func NewRouter(environments *aggregate.Repository[environment.State]) *Router {
	return &Router{environments: environments}
}

// Use makes the router speak to this ingress, which takes requests at addr.
func (r *Router) Use(to Ingress, addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to, r.addr = to, addr
}

func (r *Router) using() (Ingress, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to, r.addr
}

// Addr is where requests are taken, host:port; "" before there is an ingress.
func (r *Router) Addr() string {
	_, addr := r.using()
	return addr
}

// URL is where a workload is reached.
func (r *Router) URL(project, environment, workload string) string {
	_, port, err := net.SplitHostPort(r.Addr())
	if err != nil {
		return ""
	}
	return "http://" + ingress.Route{Project: project, Environment: environment, Workload: workload}.Host() + ":" + port
}

// notYetError is answered while there is no ingress; it passes.
type notYetError struct{}

func (notYetError) Error() string { return "the ingress is not there yet" }

// Push reads the environments and gives the ingress their routes. When it
// returns, every later request goes by them.
func (r *Router) Push(ctx context.Context) error {
	r.push.Lock()
	defer r.push.Unlock()
	to, _ := r.using()
	if to == nil {
		return notYetError{}
	}
	routes := []ingress.Route{}
	for f := (aggregate.Filter{Limit: store.MaxLimit}); ; {
		page, next, err := r.environments.List(ctx, f)
		if err != nil {
			return err
		}
		for _, v := range page {
			routes = append(routes, routesOf(v.State)...)
		}
		if next == "" {
			return to.SetRoutes(ctx, routes)
		}
		f.Cursor = next
	}
}

func routesOf(s environment.State) []ingress.Route {
	var routes []ingress.Route
	for workload, run := range s.Running {
		if run.Addr == "" {
			continue // it has no port
		}
		route := ingress.Route{Project: s.Project, Environment: s.Name, Workload: workload, Note: run.Halted}
		if run.Halted == "" {
			route.Backend, route.Addr = run.Instance, run.Addr
		}
		routes = append(routes, route)
	}
	return routes
}

// InFlight is how many requests an instance is at work on.
func (r *Router) InFlight(ctx context.Context, instance string) (int, error) {
	to, _ := r.using()
	if to == nil {
		return 0, notYetError{}
	}
	n, err := to.InFlight(ctx)
	return n[instance], err
}
