package provisioner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/fake"
)

// platform is the real service on a real bus and store, with a fake world of
// resources that outlives it, and another service that asks for things.
type platform struct {
	t        *testing.T
	dir      string
	nats     *embedded.Server
	Driver   *fake.Driver
	identity httpapi.Identity
	client   *http.Client
	stop     func()
	bus      *bus.Bus
	asker    *aggregate.Repository[struct{ N int }]

	mu     sync.Mutex
	offset time.Duration
	log    bytes.Buffer
	seen   []events.Event
	news   chan struct{}
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, dir: t.TempDir(), Driver: fake.New(), news: make(chan struct{}, 1)}
	var err error
	p.nats, err = embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(p.dir, "nats")})
	require.NoError(t, err)
	t.Cleanup(p.nats.Close)
	p.identity, err = httpapi.NewIdentity(bytes.Repeat([]byte("k"), 32), time.Now)
	require.NoError(t, err)
	p.bus = p.connect("asker")
	require.NoError(t, p.bus.EnsureStreams(t.Context(), bus.StreamOptions{}))
	p.listen("evt.>")
	p.listen("int.>")
	p.asks()
	p.start()
	t.Cleanup(func() { p.stop() })
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

func (p *platform) connect(name string) *bus.Bus {
	user, password := p.nats.Credentials()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{InProcess: p.nats, Name: name, User: user, Password: password, Log: zerolog.Nop()})
	require.NoError(p.t, err)
	p.t.Cleanup(b.Close)
	return b
}

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

// start starts the service on what it left behind.
func (p *platform) start() {
	p.t.Helper()
	s, err := sqlite.Open(p.t.Context(), filepath.Join(p.dir, "provisioner.db"), sqlite.Options{})
	require.NoError(p.t, err)
	listener := service.NewMemoryListener(provisioner.Name)
	b := p.connect(provisioner.Name)
	var drivers map[string]driver.Driver
	if p.Driver != nil {
		drivers = map[string]driver.Driver{"fake": p.Driver}
	}
	svc, err := provisioner.New(provisioner.Config{
		Deps: service.Deps{
			Name: provisioner.Name, Store: s, Bus: b, Listener: listener, Log: zerolog.New(p), Clock: p.clock,
			DataDir: filepath.Join(p.dir, "data"), Identity: p.identity, Executable: []string{os.Args[0]},
		},
		Drivers: drivers, UndoDeadline: 300 * time.Millisecond,
	})
	require.NoError(p.t, err)
	require.NoError(p.t, b.Prepare(p.t.Context(), provisioner.Name, svc.Consumers()))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	p.client = &http.Client{Transport: listener.Owner().Transport}
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("the service ended with %v", err)
		}
		b.Close()
		if err := s.Close(); err != nil {
			p.t.Errorf("closing the store: %v", err)
		}
	})
}

// restart ends the service in the middle of whatever it does, and starts it anew.
func (p *platform) restart() {
	p.stop()
	p.start()
}

// listen keeps every event of one stream.
func (p *platform) listen(subject string) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for stored, err := range p.bus.Tail(ctx, bus.TailOptions{Subjects: []string{subject}}) {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.seen = append(p.seen, stored.Event)
			p.mu.Unlock()
			select {
			case p.news <- struct{}{}:
			default:
			}
		}
	}()
	p.t.Cleanup(func() { cancel(); <-done })
}

// all are the events so far whose type has the part, in order.
func (p *platform) all(part string) []events.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []events.Event
	for _, e := range p.seen {
		if strings.Contains(e.Type(), part) {
			out = append(out, e)
		}
	}
	return out
}

// await waits for the n-th event of a type.
func (p *platform) await(part string, n int) events.Event {
	p.t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	for {
		if got := p.all(part); len(got) >= n {
			return got[n-1]
		}
		select {
		case <-p.news:
		case <-time.After(20 * time.Millisecond): // news of another waiter
		case <-deadline.C:
			var types []string
			for _, e := range p.all("") {
				types = append(types, e.Type()+" "+e.Subject())
			}
			require.FailNow(p.t, "no event "+part, "saw %s\nlog %s", strings.Join(types, "\n    "), p.logged())
		}
	}
}

func data[T any](t *testing.T, e events.Event, def events.Definition[T]) T {
	t.Helper()
	v, err := def.Decode(e)
	require.NoError(t, err)
	return v
}

// asks runs the relay of the service that asks.
func (p *platform) asks() {
	s, err := sqlite.Open(p.t.Context(), filepath.Join(p.dir, "asker.db"), sqlite.Options{})
	require.NoError(p.t, err)
	p.asker = aggregate.New(s, aggregate.Options[struct{ N int }]{Service: "deployer", Kind: "asker"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.bus.Relay(ctx, s.Outbox())
	}()
	p.t.Cleanup(func() { cancel(); <-done; _ = s.Close() })
}

// ask sends a command.
func (p *platform) ask(d events.Draft, err error) {
	p.t.Helper()
	require.NoError(p.t, err)
	_, err = p.asker.Update(p.t.Context(), "one", events.Cause{Actor: "user:default/ada", CorrelationID: "c0ffee"},
		func(s *struct{ N int }, _ bool) (aggregate.Decision, error) {
			s.N++
			return aggregate.Decision{Events: []events.Draft{d}}, nil
		})
	require.NoError(p.t, err)
}

// do asks the API and gives the status and the body.
func (p *platform) do(method, path string, body any, header ...string) (int, []byte) {
	p.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(p.t, err)
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://provisioner"+path, r)
	require.NoError(p.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(httpapi.CorrelationHeader, "c0ffee")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	require.NoError(p.t, p.identity.SignRequest(req, httpapi.Actor{Name: "user:default/ada"}))
	res, err := p.client.Do(req)
	require.NoError(p.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, b
}

// ok is do for what must work; it reads the answer into v.
func (p *platform) ok(status int, method, path string, body, v any, header ...string) {
	p.t.Helper()
	got, b := p.do(method, path, body, header...)
	require.Equal(p.t, status, got, string(b))
	if v != nil {
		require.NoError(p.t, json.Unmarshal(b, v))
	}
}

// refused is do for what must not work; it gives the problem.
func (p *platform) refused(status int, method, path string, body any) *httpapi.Problem {
	p.t.Helper()
	got, b := p.do(method, path, body)
	require.Equal(p.t, status, got, string(b))
	var problem httpapi.Problem
	require.NoError(p.t, json.Unmarshal(b, &problem))
	require.Contains(p.t, problem.Type, "https://slipway.dev/problems/")
	require.NotEmpty(p.t, problem.Error())
	return &problem
}

// apply applies documents, all of this service.
func (p *platform) apply(endpoint, text string) (int, []byte) {
	p.t.Helper()
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
	p.t.Helper()
	status, b := p.apply("apply", text)
	require.Equal(p.t, http.StatusOK, status, string(b))
	var out struct{ Results []map[string]any }
	require.NoError(p.t, json.Unmarshal(b, &out))
	return out.Results
}

// preview asks for an environment with resources of these types, named so.
func (p *platform) preview(name string, resources ...string) sagaapi.Operation {
	p.t.Helper()
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
	p.t.Helper()
	var op sagaapi.Operation
	require.Eventually(p.t, func() bool {
		p.ok(http.StatusOK, http.MethodGet, "/api/v1/operations/"+id, nil, &op)
		return op.Status.Over() || op.Status == "parked"
	}, 15*time.Second, 5*time.Millisecond, "operation %s", id)
	return op
}

func (p *platform) environments() []string {
	p.t.Helper()
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
	p.t.Helper()
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
	p.t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	for {
		select {
		case what := <-p.Driver.Entered():
			if strings.HasPrefix(what, operation+" ") && strings.HasSuffix(what, suffix) {
				return
			}
		case <-deadline.C:
			require.FailNow(p.t, fmt.Sprintf("the driver was not asked to %s %s", operation, suffix), p.logged())
		}
	}
}
