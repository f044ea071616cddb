package gateway_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/secrets"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/service/servicetest"

	"github.com/slipway-idp/slipway/services/gateway"
)

// world is the real gateway on a real bus and store, with fakes where other
// services would be.
type world struct {
	*servicetest.Platform
	token    string
	policy   *owner
	deployer *owner

	mu      sync.Mutex
	secrets map[string]string // "shop/github" → value
}

type option func(*gateway.Config)

func newWorld(t *testing.T, options ...option) *world {
	t.Helper()
	w := &world{secrets: map[string]string{"shop/github": "it's a secret"}}
	w.Platform = servicetest.New(t, gateway.Name, func(d service.Deps) (service.Service, error) {
		c := gateway.Config{
			Deps:       d,
			Owners:     map[string]service.Owner{"policy": w.policy.way(), "deployer": w.deployer.way()},
			AdminToken: w.token, Random: rand.Reader, Version: "test", Heartbeat: 50 * time.Millisecond,
		}
		for _, o := range options {
			o(&c)
		}
		return gateway.New(c)
	})
	var err error
	w.token, err = gateway.NewToken(rand.Reader)
	require.NoError(t, err)
	w.Sign = func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+w.token)
		return nil
	}
	w.policy = newOwner(t, w.Identity, "policy", "Project", "Policy")
	w.policy.have["Project/shop"] = true
	w.deployer = newOwner(t, w.Identity, "deployer", "Workload", "Pipeline")
	w.serveSecrets()
	w.Start()
	return w
}

// serveSecrets answers as the provisioner does.
func (w *world) serveSecrets() {
	w.Background(func(ctx context.Context) error {
		return w.Bus.Serve(ctx, secrets.Subject, "provisioner", func(_ context.Context, raw []byte) ([]byte, error) {
			var in struct {
				Project string
				Names   []string
			}
			if err := json.Unmarshal(raw, &in); err != nil {
				return nil, err
			}
			out := map[string]any{"values": map[string]string{}, "missing": []string{}}
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, name := range in.Names {
				if v, ok := w.secrets[in.Project+"/"+name]; ok {
					out["values"].(map[string]string)[name] = v
				} else {
					out["missing"] = append(out["missing"].([]string), name)
				}
			}
			return json.Marshal(out)
		})
	})
}

func (w *world) setSecret(name, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[name] = value
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, v), string(a.body))
}

func (a answer) problem(t *testing.T) httpapi.Problem {
	t.Helper()
	require.Equal(t, httpapi.ProblemContentType, a.header.Get("Content-Type"), string(a.body))
	var p httpapi.Problem
	a.into(t, &p)
	require.Equal(t, a.status, p.Status)
	return p
}

// do makes a request; header is pairs of name and value. Without an
// Authorization among them the admin's token is sent.
func (w *world) do(method, path string, body []byte, header ...string) answer {
	w.T.Helper()
	a := w.Do(method, path, body, header...)
	return answer{status: a.Status, header: a.Header, body: a.Body}
}

func (w *world) get(path string, header ...string) answer { return w.do("GET", path, nil, header...) }

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// deliver sends a signed delivery as GitHub does.
func (w *world) deliver(event, id string, body []byte, header ...string) answer {
	w.T.Helper()
	return w.do("POST", "/hooks/shop/github", body, append([]string{
		"Authorization", "", "Content-Type", "application/json", "X-GitHub-Event", event, "X-GitHub-Delivery", id,
		"X-Hub-Signature-256", sign("it's a secret", body),
	}, header...)...)
}

const webhookDocument = `apiVersion: slipway.dev/v1alpha1
kind: Webhook
metadata: {name: github, project: shop}
spec:
  provider: github
  secretRef: github
  map:
    - when: event == "workflow_run" && action == "completed" && payload.workflow_run.conclusion == "success"
      workload: payload.repository.name
      artifact: payload.repository.name + ":" + payload.workflow_run.head_sha
`

// withWebhook is a world with the webhook shop/github.
func withWebhook(t *testing.T, options ...option) *world {
	t.Helper()
	w := newWorld(t, options...)
	a := w.do("POST", "/api/v1/apply", []byte(webhookDocument), "Content-Type", "application/yaml")
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	return w
}

// events reads the stream until n events are there and returns all.
func (w *world) events(n int) []map[string]any {
	w.T.Helper()
	var out []map[string]any
	for _, e := range w.Events(n) {
		raw, err := e.Event.MarshalJSON()
		require.NoError(w.T, err)
		var v map[string]any
		require.NoError(w.T, json.Unmarshal(raw, &v))
		v["$subject"] = e.Subject
		out = append(out, v)
	}
	return out
}

// count is how many events are in the stream once everything committed before
// has been published: a marker that is stated now comes after it.
func (w *world) count() int {
	w.T.Helper()
	marker, err := gateway.NewToken(rand.Reader)
	require.NoError(w.T, err)
	a := w.do("POST", "/events?project=shop", []byte(`{}`), "Ce-Specversion", "1.0", "Ce-Id", marker, "Ce-Source", "/test", "Ce-Type", "test.marker", "Content-Type", "application/json")
	require.Equal(w.T, http.StatusAccepted, a.status, string(a.body))
	n := 0
	ctx, cancel := context.WithTimeout(w.T.Context(), 10*time.Second)
	defer cancel()
	for e, err := range w.Bus.Tail(ctx, bus.TailOptions{}) {
		require.NoError(w.T, err)
		if e.Event.ID() == marker {
			return n
		}
		if e.Event.Type() != "test.marker" {
			n++
		}
	}
	require.Fail(w.T, "the marker never came")
	return 0
}

// committed is how many events were ever committed for publication. The stream
// hides a second one of the same id for a while; this does not.
func (w *world) committed() int {
	w.T.Helper()
	entries, err := w.Store.Outbox().Archive(w.T.Context(), 0, 1000)
	require.NoError(w.T, err)
	return len(entries)
}

// owner is a service that keeps documents and says what it was asked.
type owner struct {
	name     string
	identity httpapi.Identity
	listener *service.MemoryListener

	mu      sync.Mutex
	have    map[string]bool // "Kind/name"
	asked   []string        // "POST /documents/apply Pipeline/orders as user:default/admin"
	headers []http.Header
	refuse  map[string]error // "Kind/name" → what apply says
}

func newOwner(t *testing.T, identity httpapi.Identity, name string, kinds ...string) *owner {
	o := &owner{name: name, identity: identity, listener: service.NewMemoryListener(name), have: map[string]bool{}, refuse: map[string]error{}}
	mux := http.NewServeMux()
	handler := docapi.Handler{Kinds: map[string]docapi.Kind{}}
	for _, kind := range kinds {
		handler.Kinds[kind] = docapi.Kind{Check: o.check, Apply: o.apply}
	}
	handler.Routes(mux)
	mux.HandleFunc("GET /api/v1/projects/{name}", func(w http.ResponseWriter, r *http.Request) {
		if o.has("Project/" + r.PathValue("name")) {
			httpapi.JSON(w, http.StatusOK, map[string]string{"name": r.PathValue("name")})
			return
		}
		httpapi.Write(w, r, httpapi.NotFound("project", r.PathValue("name"), ""))
	})
	mux.HandleFunc("GET /api/v1/projects", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.JSON(w, http.StatusOK, map[string]any{"items": []map[string]string{{"name": "shop"}}})
	})
	mux.HandleFunc("GET /api/v1/sagas", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.JSON(w, http.StatusOK, map[string]any{"items": []map[string]string{{"id": "dpl-1", "createdAt": "2026-11-22T10:00:00Z"}}})
	})
	mux.HandleFunc("GET /api/v1/operations/{id}", func(w http.ResponseWriter, r *http.Request) {
		out, err := httpapi.NewStream(w)
		if err != nil {
			return
		}
		_ = out.Send("", "step", map[string]string{"id": "start"})
		<-r.Context().Done() // a saga that takes its time
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		httpapi.JSON(w, http.StatusOK, map[string]any{"owner": name, "path": r.URL.Path, "actor": httpapi.ActorFrom(r.Context()), "size": len(body)})
	})
	open := http.NewServeMux()
	open.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "openapi: 3.1.0\npaths:\n  /api/v1/"+name+": {get: {responses: {'200': {$ref: '#/components/responses/Thing'}}}}\ncomponents:\n  responses:\n    Thing: {description: "+name+"}\n")
	})
	open.Handle("/", identity.Middleware(o.note(mux)))
	server := &http.Server{Handler: open, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(o.listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return o
}

func (o *owner) way() service.Owner { return o.listener.Owner() }

func (o *owner) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.asked = append(o.asked, r.Method+" "+r.URL.Path+" as "+httpapi.ActorFrom(r.Context()).Name)
		o.headers = append(o.headers, r.Header.Clone())
		o.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (o *owner) requests() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

func (o *owner) lastHeader() http.Header {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.headers[len(o.headers)-1]
}

func (o *owner) has(ref string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.have[ref]
}

func (o *owner) check(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
	if strings.Contains(string(item.Raw), "containers:") {
		return nil, nil
	}
	var spec struct {
		Description string `json:"description"`
		Workload    string `json:"workload"`
		Value       string `json:"value"`
	}
	return item.Spec(&spec), nil
}

func (o *owner) apply(_ context.Context, item docapi.Item) (docapi.Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, "applied "+item.Ref()+" in "+item.Project)
	if err := o.refuse[item.Ref()]; err != nil {
		return docapi.Result{}, err
	}
	result := docapi.Created
	if o.have[item.Ref()] {
		result = docapi.Unchanged
	}
	o.have[item.Ref()] = true
	return docapi.Result{Result: result, Version: 1}, nil
}
