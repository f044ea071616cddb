package provisioner_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/service/servicetest"
	"github.com/slipway-idp/slipway/services/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/fake"
)

// platform is the real service on a real bus and store, with a fake world of
// resources that outlives it, and the deployer that asks for things.
type platform struct {
	*servicetest.Platform
	Driver   *fake.Driver // nil: the drivers that the service brings
	asked    requests     // what the driver that takes modules was asked for
	deployer *servicetest.Peer
	ear      *servicetest.Ear

	mu     sync.Mutex
	offset time.Duration
	log    bytes.Buffer
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{Driver: fake.New()}
	p.Platform = servicetest.New(t, provisioner.Name, func(d service.Deps) (service.Service, error) {
		d.Log, d.Clock, d.Executable = zerolog.New(p), p.clock, []string{os.Args[0]}
		c := provisioner.Config{Deps: d, UndoDeadline: 300 * time.Millisecond}
		c.Runs = provisioner.RunOptions{Dir: filepath.Join(d.DataDir, "runs"), UIDs: -1}
		if p.Driver != nil {
			c.Drivers = map[string]driver.Driver{"fake": p.Driver, "modular": &modular{Driver: p.Driver, asked: &p.asked}}
		}
		return provisioner.New(c)
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.logged())
		}
	})
	p.ear = p.Listen("evt.>", "int.>")
	p.deployer = p.Peer("deployer")
	p.Start()
	p.applyOK(definitions)
	return p
}

// definitions are those of every test: redis, s3 and queue by the fake.
const definitions = `
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: redis}
spec: {type: redis, driver: fake, inputs: {size: "${params.size}"}, match: [{class: sized}]}
---
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: plain-redis}
spec: {type: redis, driver: fake}
---
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: bucket}
spec: {type: s3, driver: fake}
---
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: queue}
spec: {type: queue, driver: fake, inputs: {url: "redis://${resources.cache.host}", password: "${resources.cache.password}"}}
`

func (p *platform) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.offset)
}

func (p *platform) forward(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offset += d
}

// Write takes the service's log.
func (p *platform) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *platform) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// restart ends the service in the middle of whatever it does, and starts it anew.
func (p *platform) restart() {
	p.Stop()
	p.Start()
}

// all are the events so far whose type has the part, in order.
func (p *platform) all(part string) []events.Event { return p.ear.All(part) }

// await waits for the n-th event of a type.
func (p *platform) await(part string, n int) events.Event {
	p.T.Helper()
	return p.ear.Await(part, n)
}

func data[T any](t *testing.T, e events.Event, def events.Definition[T]) T {
	t.Helper()
	v, err := def.Decode(e)
	require.NoError(t, err)
	return v
}

// ask sends a command.
func (p *platform) ask(d events.Draft, err error) {
	p.T.Helper()
	require.NoError(p.T, err)
	p.deployer.Commit("one", events.Cause{Actor: "user:default/ada", CorrelationID: "c0ffee"}, d)
}

// do asks the API and gives the status and the body.
func (p *platform) do(method, path string, body any, header ...string) (int, []byte) {
	p.T.Helper()
	a := p.Do(method, path, body, append([]string{httpapi.CorrelationHeader, "c0ffee"}, header...)...)
	return a.Status, a.Body
}

// ok is do for what must work; it reads the answer into v.
func (p *platform) ok(status int, method, path string, body, v any, header ...string) {
	p.T.Helper()
	got, b := p.do(method, path, body, header...)
	require.Equal(p.T, status, got, string(b))
	if v != nil {
		require.NoError(p.T, json.Unmarshal(b, v))
	}
}

// refused is do for what must not work; it gives the problem.
func (p *platform) refused(status int, method, path string, body any) *httpapi.Problem {
	p.T.Helper()
	got, b := p.do(method, path, body)
	require.Equal(p.T, status, got, string(b))
	var problem httpapi.Problem
	require.NoError(p.T, json.Unmarshal(b, &problem))
	require.Contains(p.T, problem.Type, "https://slipway.dev/problems/")
	require.NotEmpty(p.T, problem.Error())
	return &problem
}

// apply applies documents, all of this service.
func (p *platform) apply(endpoint, text string) (int, []byte) {
	p.T.Helper()
	type raw struct {
		Source string `json:"source"`
		Line   int    `json:"line"`
		Raw    string `json:"raw"`
	}
	var docs []raw
	var batch []docapi.Reference
	line := 1
	for _, part := range strings.Split(text, "---\n") {
		docs = append(docs, raw{Source: "test.yaml", Line: line, Raw: part})
		if d, faults := document.Parse("test.yaml", line, []byte(part)); len(faults) == 0 {
			batch = append(batch, docapi.Reference{Kind: d.Kind, Name: d.Metadata.Name, Project: "shop"})
		}
		line += strings.Count(part, "\n") + 1
	}
	return p.do(http.MethodPost, "/documents/"+endpoint, map[string]any{"project": "shop", "documents": docs, "context": batch})
}

func (p *platform) applyOK(text string) []map[string]any {
	p.T.Helper()
	status, b := p.apply("apply", text)
	require.Equal(p.T, http.StatusOK, status, string(b))
	var out struct{ Results []map[string]any }
	require.NoError(p.T, json.Unmarshal(b, &out))
	return out.Results
}

// preview asks for an environment with resources of these types, named so.
func (p *platform) preview(name string, resources ...string) sagaapi.Operation {
	p.T.Helper()
	needs := map[string]any{}
	for _, r := range resources {
		n, typ, found := strings.Cut(r, ":")
		if !found {
			typ = n
		}
		needs[n] = map[string]any{"type": typ}
	}
	var op sagaapi.Operation
	p.ok(http.StatusAccepted, http.MethodPost, "/api/v1/projects/shop/environments",
		map[string]any{"name": name, "type": "preview", "resources": needs}, &op)
	return op
}

// end follows an operation until nothing more happens by itself.
func (p *platform) end(id string) sagaapi.Operation {
	p.T.Helper()
	var op sagaapi.Operation
	require.Eventually(p.T, func() bool {
		p.ok(http.StatusOK, http.MethodGet, "/api/v1/operations/"+id, nil, &op)
		return op.Status.Over() || op.Status == "parked"
	}, time.Minute, 5*time.Millisecond, "operation %s", id)
	return op
}

func (p *platform) environments() []string {
	p.T.Helper()
	var page struct{ Items []struct{ Name string } }
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/environments", nil, &page)
	out := []string{}
	for _, e := range page.Items {
		out = append(out, e.Name)
	}
	slices.Sort(out)
	return out
}

func (p *platform) secrets() []string {
	p.T.Helper()
	var page struct{ Items []struct{ Name string } }
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/secrets", nil, &page)
	out := []string{}
	for _, e := range page.Items {
		out = append(out, e.Name)
	}
	return out
}

// entered waits until the driver began an operation on what ends so.
func (p *platform) entered(operation, suffix string) {
	p.T.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case what := <-p.Driver.Entered():
			if strings.HasPrefix(what, operation+" ") && strings.HasSuffix(what, suffix) {
				return
			}
		case <-deadline.C:
			require.FailNow(p.T, fmt.Sprintf("the driver was not asked to %s %s", operation, suffix), p.logged())
		}
	}
}
