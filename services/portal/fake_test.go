package portal_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
)

const token = "slp_good"

// now is when every test happens.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// api is the public API as far as the portal asks it, with what a test puts in.
type api struct {
	t      *testing.T
	server *httptest.Server

	mu           sync.Mutex
	revoked      bool
	away         string // prefix of paths whose owner is away
	asked        []string
	headers      []http.Header
	bodies       []string
	projects     []gateway.Project
	environments []gateway.Environment
	workloads    []gateway.Workload
	deployments  []gateway.Deployment
	entities     []gateway.Entity
	sagas        []client.Operation
	runs         []client.Run
	events       []client.Event
	live         chan client.Event
}

func newAPI(t *testing.T) *api {
	a := &api{t: t, live: make(chan client.Event)}
	mux := http.NewServeMux()
	get := func(pattern string, h func(*http.Request) (any, error)) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			a.mu.Lock()
			v, err := h(r)
			a.mu.Unlock()
			if err != nil {
				httpapi.Write(w, r, err)
				return
			}
			httpapi.JSON(w, http.StatusOK, v)
		})
	}
	get("/api/v1/whoami", func(*http.Request) (any, error) {
		return gateway.Actor{Name: "user:default/ada", Roles: []string{"admin"}}, nil
	})
	get("/api/v1/projects", func(*http.Request) (any, error) { return page(a.projects), nil })
	get("/api/v1/projects/{p}", func(r *http.Request) (any, error) {
		return one(a.projects, func(p gateway.Project) bool { return p.Name == r.PathValue("p") })
	})
	get("/api/v1/projects/{p}/environments", func(*http.Request) (any, error) { return page(a.environments), nil })
	get("/api/v1/projects/{p}/environments/{e}", func(r *http.Request) (any, error) {
		return one(a.environments, func(e gateway.Environment) bool { return e.Name == r.PathValue("e") })
	})
	get("/api/v1/projects/{p}/resource-definitions", func(*http.Request) (any, error) {
		return page([]gateway.Definition{{Name: "local-redis", Type: "redis", Driver: "local", Match: []map[string]string{{"class": "default"}}}}), nil
	})
	get("/api/v1/projects/{p}/resource-definitions/{d}", func(r *http.Request) (any, error) {
		return gateway.Definition{Name: r.PathValue("d"), Type: "redis", Driver: "local"}, nil
	})
	get("/api/v1/projects/{p}/workloads", func(*http.Request) (any, error) { return page(a.workloads), nil })
	get("/api/v1/projects/{p}/deployments", func(*http.Request) (any, error) { return page(a.deployments), nil })
	get("/api/v1/projects/{p}/deployments/{d}", func(r *http.Request) (any, error) {
		return one(a.deployments, func(d gateway.Deployment) bool { return d.ID == r.PathValue("d") })
	})
	get("/api/v1/projects/{p}/deployment-sets/{s}", func(r *http.Request) (any, error) {
		s := gateway.Set{Digest: r.PathValue("s"), Environment: "dev", Current: true, Workloads: map[string]gateway.SetWorkload{"orders": {Artifact: "orders@sha256:1234567890"}}}
		if r.URL.Query().Get("from") != "" {
			s.Changes = []gateway.Change{{Workload: "orders", Field: "artifact", From: "orders@sha256:aaaaaaaaaa", To: "orders@sha256:bbbbbbbbbb"}}
		}
		return s, nil
	})
	get("/api/v1/decisions", func(*http.Request) (any, error) {
		return page([]gateway.Decision{{Request: "dpl-0000000000000000000b/decide", Result: "allow", Policies: []string{"own-artifacts"}}}), nil
	})
	get("/api/v1/entities", func(r *http.Request) (any, error) { return a.find(r), nil })
	get("/api/v1/entities/{ref...}", func(r *http.Request) (any, error) {
		return one(a.entities, func(e gateway.Entity) bool { return e.Ref == r.PathValue("ref") })
	})
	get("/api/v1/sagas", func(r *http.Request) (any, error) {
		return page(slices.DeleteFunc(slices.Clone(a.sagas), func(o client.Operation) bool {
			q := r.URL.Query()
			return q.Get("open") == "true" && o.Over() && o.Status != client.StatusParked || q.Get("status") != "" && q.Get("status") != o.Status
		})), nil
	})
	get("/api/v1/sagas/{id}", func(r *http.Request) (any, error) {
		return one(a.sagas, func(o client.Operation) bool { return o.ID == r.PathValue("id") })
	})
	get("/api/v1/timelines", func(*http.Request) (any, error) {
		return page([]client.Timeline{{CorrelationID: story, Title: "deployment was requested", Latest: "it failed", Outcome: "failed", Projects: []string{"shop"}, StartedAt: now, UpdatedAt: now}}), nil
	})
	get("/api/v1/timelines/{id}", func(r *http.Request) (any, error) {
		t := client.Timeline{CorrelationID: r.PathValue("id"), Title: "deployment was requested", Latest: "it failed", Outcome: "failed", Projects: []string{"shop"}, StartedAt: now, UpdatedAt: now}
		for i, e := range a.events {
			t.Events = append(t.Events, client.TimelineEntry{Sequence: int64(i + 1), ID: e.ID, Type: e.Type, Source: e.Source, Origin: "slipway", Subject: e.Subject, Project: e.Project, Actor: e.Actor, Time: e.Time, Summary: "it happened: " + e.Subject})
		}
		return t, nil
	})
	get("/events/types", func(*http.Request) (any, error) {
		return page([]gateway.EventType{{Type: failedType, Owner: "deployer", Summary: "Published when it failed."}}), nil
	})
	get("/events/types/{type}/schema", func(*http.Request) (any, error) {
		return map[string]any{"required": []string{"step"}, "properties": map[string]any{"step": map[string]string{"type": "string", "description": "where"}}}, nil
	})
	get("/api/v1/projects/{p}/runs", func(r *http.Request) (any, error) {
		return page(slices.DeleteFunc(slices.Clone(a.runs), func(run client.Run) bool {
			return r.URL.Query().Get("status") != "" && r.URL.Query().Get("status") != run.Status
		})), nil
	})
	get("/api/v1/projects/{p}/runs/{r}", func(r *http.Request) (any, error) {
		return one(a.runs, func(run client.Run) bool { return run.ID == r.PathValue("r") })
	})
	mux.HandleFunc("GET /api/v1/projects/{p}/runs/{r}/log", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("\x1b[0mPlan: \x1b[32m1 to add\x1b[0m <b>now</b>\n"))
	})
	get("/api/v1/projects/{p}/stacks", func(*http.Request) (any, error) {
		if len(a.runs) == 0 {
			return page[client.Stack](nil), nil
		}
		return page([]client.Stack{{Name: a.runs[0].Stack, Project: "shop", Environment: "dev", Resource: a.runs[0].Resource, Summary: "held by nobody", Engine: "tofu", Version: &client.StackVersion{Number: 2, Serial: 4, Resources: 3, At: now}}}), nil
	})
	mux.HandleFunc("GET /events", a.stream)
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		var body any
		_ = json.NewDecoder(r.Body).Decode(&body)
		raw, _ := json.Marshal(body)
		a.mu.Lock()
		a.bodies = append(a.bodies, r.URL.Path+" "+string(raw))
		a.mu.Unlock()
		httpapi.JSON(w, http.StatusOK, client.Operation{ID: "dpl-new", Status: client.StatusRunning})
	})
	a.server = httptest.NewServer(a.guard(mux))
	t.Cleanup(a.server.Close)
	return a
}

const (
	story      = "d916e5c9cc84b34aa3ec27f6eb578e1e"
	failedType = "dev.slipway.deployer.deployment.failed.v1"
)

// guard lets only the good token in, and knows who is away.
func (a *api) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.asked = append(a.asked, r.Method+" "+r.URL.Path)
		a.headers = append(a.headers, r.Header.Clone())
		revoked, away := a.revoked, a.away
		a.mu.Unlock()
		cookie, _ := r.Cookie("slipway_session")
		switch {
		case revoked || r.Header.Get("Authorization") != "Bearer "+token && (cookie == nil || cookie.Value != "good"):
			httpapi.Write(w, r, httpapi.Unauthorized("No."))
		case away != "" && strings.HasPrefix(r.URL.Path, away):
			httpapi.Write(w, r, httpapi.Unavailable(time.Second, "The service that owns this is away."))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (a *api) find(r *http.Request) client.Page[gateway.Entity] {
	q := r.URL.Query()
	var out []gateway.Entity
	for _, e := range a.entities {
		if q.Get("kind") != "" && !strings.EqualFold(q.Get("kind"), e.Kind) || q.Get("q") != "" && !strings.Contains(e.Metadata.Name, q.Get("q")) {
			continue
		}
		out = append(out, e)
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	from, _ := strconv.Atoi(q.Get("cursor"))
	p := client.Page[gateway.Entity]{Items: out[min(from, len(out)):min(from+limit, len(out))]}
	if from+limit < len(out) {
		p.NextCursor = strconv.Itoa(from + limit)
	}
	return p
}

// stream answers as the gateway does: since=-N is the newest N.
func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	if httpapi.WantsStream(r) {
		out, err := httpapi.NewStream(w)
		if err != nil {
			return
		}
		for {
			select {
			case e := <-a.live:
				if out.Send("e1-1", "", e) != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	if since < 0 {
		since = max(0, len(a.events)+since)
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	found := a.events[min(since, len(a.events)):]
	httpapi.JSON(w, http.StatusOK, page(found[:min(limit, len(found))]))
}

func page[T any](items []T) client.Page[T] {
	if items == nil {
		items = []T{}
	}
	return client.Page[T]{Items: items}
}

func one[T any](items []T, is func(T) bool) (any, error) {
	if i := slices.IndexFunc(items, is); i >= 0 {
		return items[i], nil
	}
	return nil, httpapi.NotFound("thing", "asked for", "")
}

func (a *api) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *api) writes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.bodies)
}

func (a *api) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// fill puts a small shop in, with one of each state: what runs, what failed,
// what is parked, what is about to expire. workload is what orders is called.
func (a *api) fill(workload string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	soon := now.Add(3 * time.Hour)
	ended := at(time.Minute)
	a.projects = []gateway.Project{{Name: "shop", Description: "A shop", Owner: "group:default/acme", CreatedAt: at(time.Hour)}}
	cache := gateway.Resource{
		Name: workload + ".cache", Project: "shop", Environment: "dev", Type: "redis", Class: "default", Status: "ready", Definition: "local-redis", Driver: "local",
		Outputs:   map[string]any{"host": "127.0.0.1", "password": map[string]any{"secretRef": "resource/dev/cache/password"}},
		DependsOn: []string{"disk"}, Workloads: []string{workload}, CreatedAt: at(time.Hour), UpdatedAt: at(time.Hour),
	}
	disk := gateway.Resource{Name: "disk", Project: "shop", Environment: "dev", Type: "volume", Class: "default", Status: "making", Definition: "local-volume", Driver: "local", CreatedAt: at(time.Hour), UpdatedAt: at(time.Hour)}
	a.environments = []gateway.Environment{
		{Name: "dev", Project: "shop", Type: "development", Status: "ready", CreatedAt: at(time.Hour), CreatedBy: "user:default/ada", CorrelationID: story,
			Claims: []gateway.Claim{{Claim: "dpl-0000000000000000000a", Workload: workload, Status: "held", Since: at(time.Hour)}}, Resources: []gateway.Resource{cache, disk}},
		{Name: "pr-7", Project: "shop", Type: "preview", Status: "ready", ExpiresAt: &soon, CreatedAt: at(time.Hour), CreatedBy: "user:default/ada"},
	}
	a.workloads = []gateway.Workload{{Name: workload, Project: "shop", Resources: map[string]map[string]any{"cache": {"type": "redis"}},
		Running: []gateway.Running{{Environment: "dev", Instance: workload + ".1", State: "ready", Version: "orders:v1", Set: "34f54c91", Deployment: "dpl-0000000000000000000a", URL: "http://orders.dev.shop.localhost", Since: at(time.Hour)}}}}
	deployment := gateway.Deployment{Workload: workload, Environment: "dev", Artifact: "orders@sha256:aaaaaaaaaa", Strategy: "blue-green", Actor: "user:default/ada", CorrelationID: story, Set: "34f54c91", PreviousSet: "e07a4100", DurationMS: 480, FinishedAt: &ended}
	good, bad := deployment, deployment
	good.ID, good.Outcome, good.Status, good.Version, good.CreatedAt = "dpl-0000000000000000000a", "done", "done", "orders:v1", at(time.Hour)
	bad.ID, bad.Outcome, bad.Status, bad.Version, bad.CreatedAt = "dpl-0000000000000000000b", "failed", "undone", "orders:v3", at(2*time.Minute)
	bad.Reason, bad.LogTail = "orders.3 is not ready after 5 s\nmore", []string{"boom", "boom", "stopped"}
	a.deployments = []gateway.Deployment{bad, good}
	entity := func(kind, name string, spec map[string]any, relations ...gateway.Relation) gateway.Entity {
		return gateway.Entity{Ref: strings.ToLower(kind) + ":default/" + name, Kind: kind, Metadata: gateway.Metadata{Name: name, Description: "What " + name + " is"}, Spec: spec, Relations: relations, UpdatedAt: at(time.Hour)}
	}
	a.entities = []gateway.Entity{
		entity("Component", workload, map[string]any{"type": "service", "lifecycle": "production"}, gateway.Relation{Type: "ownedBy", TargetRef: "group:default/acme"}, gateway.Relation{Type: "dependsOn", TargetRef: "resource:default/gone", Dangling: true}),
		entity("Group", "acme", map[string]any{"type": "team"}),
		entity("User", "ada", map[string]any{"profile": map[string]any{"displayName": "Ada Winter"}}, gateway.Relation{Type: "memberOf", TargetRef: "group:default/acme"}),
	}
	step := func(id, status, note, reason string) client.Step {
		began := at(2 * time.Minute)
		return client.Step{ID: id, Kind: id, Status: status, Note: note, Reason: reason, StartedAt: &began, FinishedAt: &ended}
	}
	saga := client.Operation{Project: "shop", Subject: "dev/" + workload, CorrelationID: story, Actor: "user:default/ada", CreatedAt: at(2 * time.Minute)}
	s1, s2, s3 := saga, saga, saga
	s1.ID, s1.Kind, s1.Status, s1.FinishedAt, s1.Steps = good.ID, "deployment", "done", &ended, []client.Step{step("decide", "done", "allowed", ""), step("start", "done", "started", "")}
	s1.Details = map[string]string{"workload": workload, "environment": "dev", "version": "orders:v1"}
	undone := step("start", "undone", "started", "")
	undone.UndoNote = "orders.3 stopped"
	s2.ID, s2.Kind, s2.Status, s2.FinishedAt, s2.Details = bad.ID, "deployment", "undone", &ended, s1.Details
	s2.Failure = &client.Failure{Step: "verify", Reason: bad.Reason}
	s2.Steps = []client.Step{step("decide", "undone", "allowed", ""), undone, step("verify", "undone", "", bad.Reason), {ID: "shift", Status: "pending"}}
	s2.Journal = []client.JournalEntry{{At: at(2 * time.Minute), Step: "verify", Direction: "do", What: "failed", Reason: bad.Reason}}
	s3.ID, s3.Kind, s3.Status, s3.Subject = "env-0000000000000000000c", "environment", "parked", "pr-9"
	s3.Steps = []client.Step{step("reserve", "done", "reserved", ""), step("bucket", "undo-failed", "created", "the server does not answer")}
	a.sagas = []client.Operation{s1, s2, s3}
	a.runs = []client.Run{{
		ID: "run-0000000000000000000d", Project: "shop", Environment: "dev", Resource: workload + ".cache", Stack: "shop.dev." + workload + ".cache", Operation: "apply", Status: "waiting",
		Summary: "1 to add, 1 to replace", Waiting: "owners asks for an approval", Planned: true, HasChanges: true, Counts: client.RunCounts{Add: 1, Replace: 1}, PlanDigest: "sha256:0123456789",
		Changes: []client.RunChange{
			{Address: "terraform_data.bucket", Action: "add", Fields: []client.RunField{{Path: "input", After: map[string]any{"name": "<i>x</i>"}}, {Path: "password", After: "(secret)", Sensitive: true}}},
			{Address: "terraform_data.old", Action: "replace"}, {Address: "terraform_data.same", Action: "none"},
		},
		Actor: "user:default/ada", CorrelationID: story, CreatedAt: at(time.Minute), PlannedAt: at(time.Minute),
		Diagnostics: []client.RunDiagnostic{{Severity: "warning", Summary: "Deprecated", File: "main.tf", Line: 3, Detail: "Use another."}},
	}}
	for i := range 3 {
		a.events = append(a.events, client.Event{ID: fmt.Sprintf("id-%d", i), Source: "/slipway/deployer", Type: failedType, Subject: "dev/" + workload, Time: at(time.Minute), CorrelationID: story, Project: "shop", Actor: "user:default/ada"})
	}
	for i, e := range a.events {
		raw, err := json.Marshal(e)
		require.NoError(a.t, err)
		a.events[i].Raw = raw
	}
}
