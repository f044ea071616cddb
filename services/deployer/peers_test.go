package deployer_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/deployer/internal/ingress"
)

// fakeIngress is an ingress in memory.
type fakeIngress struct {
	mu       sync.Mutex
	routes   map[string]ingress.Route
	history  []string // where orders in dev went
	inFlight map[string]int
	fails    int // so many calls fail first
}

func (f *fakeIngress) SetRoutes(_ context.Context, routes []ingress.Route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 {
		f.fails--
		return errors.New("the ingress does not answer")
	}
	f.routes = map[string]ingress.Route{}
	for _, r := range routes {
		f.routes[r.Host()] = r
	}
	now := f.routes["orders.dev.shop.localhost"].Backend
	if len(f.history) == 0 || f.history[len(f.history)-1] != now {
		f.history = append(f.history, now)
	}
	return nil
}

func (f *fakeIngress) InFlight(context.Context) (map[string]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.inFlight), nil
}

func (f *fakeIngress) backend(host string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.routes[host].Backend
}

// fakePolicy answers what it is told to; "" is no answer.
type fakePolicy struct {
	mu     sync.Mutex
	result string
	asked  []map[string]any
}

func (f *fakePolicy) serve(_ context.Context, body []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var q map[string]any
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	f.asked = append(f.asked, q)
	switch f.result {
	case "":
		return nil, httpapi.Unavailable(time.Second, "Undecided.")
	case "deny":
		return []byte(`{"decision":"d-1","result":"deny","reasons":[{"policy":"owners","rule":"deny","message":"orders has no owner"}]}`), nil
	}
	return []byte(`{"decision":"d-1","result":"allow","reasons":[]}`), nil
}

func serveSecrets(_ context.Context, body []byte) ([]byte, error) {
	var q struct{ Names []string }
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, n := range q.Names {
		values[n] = "value of " + n
	}
	return json.Marshal(map[string]any{"values": values, "missing": []string{}})
}

// fakeProvisioner makes resources by claim, and counts who holds which.
type fakeProvisioner struct {
	p        *platform
	mu       sync.Mutex
	existing map[string]map[string]bool // resource → claims
	silent   bool
	fail     string // the resource that cannot be made
}

func (f *fakeProvisioner) resources() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.existing))
}

func (f *fakeProvisioner) quiet(silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = silent
}

func (f *fakeProvisioner) consumers() []bus.Consumer {
	return []bus.Consumer{
		bus.On(provisioner.EnsureResources, "provisioner-ensure", f.ensure),
		bus.On(provisioner.ReleaseResources, "provisioner-release", f.release),
	}
}

func (f *fakeProvisioner) ensure(_ context.Context, m bus.Message[provisioner.EnsureResourcesData]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent {
		return errors.New("not now")
	}
	d := m.Data
	ready := provisioner.ResourcesReadyData{Request: d.Request, Project: d.Project, Environment: d.Environment, Outputs: map[string]map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(d.Resources)) {
		if name == f.fail {
			return f.reply(provisioner.ResourcesFailed.Draft(d.Project, d.Environment, provisioner.ResourcesFailedData{Request: d.Request, Reason: "no definition matches", Resource: name}))
		}
		action := "unchanged"
		if f.existing[name] == nil {
			f.existing[name] = map[string]bool{}
			action = "created"
		}
		f.existing[name][d.Claim] = true
		ready.Outputs[name] = map[string]any{"host": name + ".local", "password": map[string]any{"secretRef": "resource/dev/" + name + "/password"}}
		ready.Changes = append(ready.Changes, provisioner.ResourceChange{Resource: name, Action: action, Driver: "local", Plan: map[string]string{"bucket": "1 to add"}[name]})
	}
	return f.reply(provisioner.ResourcesReady.Draft(d.Project, d.Environment, ready))
}

// plan answers dry runs: a definition of a module makes what begins with b.
func (f *fakeProvisioner) plan(_ context.Context, body []byte) ([]byte, error) {
	var d provisioner.EnsureResourcesData
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	var out provisioner.PlannedResources
	for _, name := range slices.Sorted(maps.Keys(d.Resources)) {
		if name == f.fail {
			return nil, httpapi.Unprocessable(httpapi.Fault{Pointer: "/resources/" + name, Message: "no definition matches " + name})
		}
		out.Steps = append(out.Steps, provisioner.PlannedResource{ID: "resource-" + name, Kind: "create", Title: name, Action: "create",
			Summary: "tofu: 1 to add for " + d.Claim[:4], Run: "run-1", Changes: json.RawMessage(`[{"address":"a.b","action":"add"}]`), Undo: "destroyed"})
	}
	return json.Marshal(out)
}

func (f *fakeProvisioner) reply(d events.Draft, err error) error {
	if err != nil {
		return err
	}
	return f.p.publish(d)
}

func (f *fakeIngress) set(instance string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight[instance] = n
}

func (f *fakePolicy) set(result string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result = result
}

func (f *fakeProvisioner) release(_ context.Context, m bus.Message[provisioner.ReleaseResourcesData]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	released := provisioner.ResourcesReleasedData{Request: m.Data.Request}
	for _, name := range slices.Sorted(maps.Keys(f.existing)) {
		delete(f.existing[name], m.Data.Claim)
		if len(f.existing[name]) == 0 {
			delete(f.existing, name)
			released.Destroyed = append(released.Destroyed, name)
		}
	}
	return f.reply(provisioner.ResourcesReleased.Draft(m.Data.Project, m.Data.Environment, released))
}
