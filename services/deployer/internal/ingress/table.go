// Package ingress is the traffic in front of workloads: a reverse proxy that
// runs as a process of its own, so that it outlives the platform, and the
// client by which the platform tells it where requests go.
package ingress

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
)

// Domain ends every host of a workload. Resolvers send it to this machine
// (RFC 6761, section 6.3).
const Domain = "localhost"

// Route says where the requests of one workload go.
type Route struct {
	Project     string `json:"project"`
	Environment string `json:"environment"`
	Workload    string `json:"workload"`
	// Backend is the id of the instance; "" means that nobody answers just now,
	// and Note says why.
	Backend string `json:"backend,omitempty"`
	Addr    string `json:"addr,omitempty"` // host:port of the backend
	Note    string `json:"note,omitempty"`
}

// Host is the name that always leads to the workload.
func (r Route) Host() string {
	return r.Workload + "." + r.Environment + "." + r.Project + "." + Domain
}

// ShortHost leads to it too, as long as no other project has the same.
func (r Route) ShortHost() string { return r.Workload + "." + r.Environment + "." + Domain }

func (r Route) validate() error {
	if r.Project == "" || r.Environment == "" || r.Workload == "" {
		return fmt.Errorf("route %s: project, environment and workload are needed", r.Host())
	}
	if r.Backend == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(r.Addr); err != nil {
		return fmt.Errorf("route %s: addr: %w", r.Host(), err)
	}
	return nil
}

// backend is an instance with the requests that it is at work on.
type backend struct {
	id, addr string
	inFlight int
}

// table is where requests go. Looking up a backend and counting a request of
// it are one step under one lock: once a change of routes has returned, every
// request that still goes to the old backend is counted there, so a count of
// zero means that none is left and none can come.
type table struct {
	mu        sync.Mutex
	routes    []Route
	hosts     map[string]Route
	ambiguous map[string][]string
	backends  map[string]*backend
}

func newTable() *table {
	return &table{hosts: map[string]Route{}, ambiguous: map[string][]string{}, backends: map[string]*backend{}}
}

// replace swaps all routes at once.
func (t *table) replace(routes []Route) {
	hosts := map[string]Route{}
	short := map[string][]Route{}
	for _, r := range routes {
		hosts[r.Host()] = r
		short[r.ShortHost()] = append(short[r.ShortHost()], r)
	}
	ambiguous := map[string][]string{}
	for host, of := range short {
		if len(of) == 1 {
			if _, taken := hosts[host]; !taken {
				hosts[host] = of[0]
			}
			continue
		}
		for _, r := range of {
			ambiguous[host] = append(ambiguous[host], r.Host())
		}
		slices.Sort(ambiguous[host])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.routes, t.hosts, t.ambiguous = slices.Clone(routes), hosts, ambiguous
	used := map[string]bool{}
	for _, r := range routes {
		if r.Backend == "" {
			continue
		}
		used[r.Backend] = true
		b := t.backends[r.Backend]
		if b == nil {
			b = &backend{id: r.Backend}
			t.backends[r.Backend] = b
		}
		b.addr = r.Addr // an instance that was started again has another port
	}
	for id, b := range t.backends {
		if !used[id] && b.inFlight == 0 {
			delete(t.backends, id)
		}
	}
}

// acquire finds the backend of a host and counts a request of it until
// release is called. addr is "" where there is none.
func (t *table) acquire(host string) (r Route, addr string, known bool, release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, known = t.hosts[host]
	if !known || r.Backend == "" {
		return r, "", known, func() {}
	}
	b := t.backends[r.Backend]
	b.inFlight++
	return r, b.addr, true, func() { t.release(b) }
}

func (t *table) release(b *backend) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b.inFlight--
	if b.inFlight > 0 {
		return
	}
	for _, r := range t.routes {
		if r.Backend == b.id {
			return
		}
	}
	delete(t.backends, b.id)
}

// inFlight is the number of requests per backend that has some or has a route.
func (t *table) inFlight() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]int{}
	for id, b := range t.backends {
		out[id] = b.inFlight
	}
	return out
}

func (t *table) all() []Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.routes)
}

// others are the full hosts that a short one could mean, or else all hosts
// there are, for an answer that helps.
func (t *table) others(host string) (ambiguous bool, hosts []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if of := t.ambiguous[host]; len(of) > 0 {
		return true, of
	}
	for _, r := range t.routes {
		hosts = append(hosts, r.Host())
	}
	slices.Sort(hosts)
	return false, hosts
}

// hostOf is the name in a Host header, without port and final dot.
func hostOf(header string) string {
	if h, _, err := net.SplitHostPort(header); err == nil {
		header = h
	}
	return strings.TrimSuffix(strings.ToLower(header), ".")
}
