// Package api is the policy service's HTTP API: in, use case, out.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/policy/internal/decision"
	"github.com/slipway-idp/slipway/services/policy/internal/project"
	"github.com/slipway-idp/slipway/services/policy/internal/question"
	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

// API serves what openapi.yaml says.
type API struct {
	Projects  *project.Repository
	Book      *rulebook.Book
	Decisions *decision.Repository
	Spec      []byte // openapi.yaml
}

// Handler is the API. Everything but its own description is for those whom the
// gateway names.
func (a *API) Handler(identity httpapi.Identity) http.Handler {
	s := httpapi.NewSurface(a.Spec, identity.Middleware)
	s.Handle("GET /api/v1/projects", a.listProjects)
	s.Handle("GET /api/v1/projects/{project}", a.getProject)
	s.Handle("DELETE /api/v1/projects/{project}", a.deleteProject)
	s.Handle("GET /api/v1/policies", a.listPolicies)
	s.Handle("GET /api/v1/policies/{policy}", a.getPolicy)
	s.Handle("DELETE /api/v1/policies/{policy}", a.deletePolicy)
	s.Handle("GET /api/v1/decisions", a.listDecisions)
	s.Handle("GET /api/v1/decisions/{decision}", a.getDecision)
	documents := docapi.Handler{Kinds: map[string]docapi.Kind{
		"Project": project.Documents(a.Projects, httpapi.CauseOf),
		"Policy":  a.Book.Documents(httpapi.CauseOf),
	}}
	documents.Routes(s.Inner)
	documents.Schemas(s.Open)
	question.Routes(s.Open)
	return s
}

// Project as the API shows it.
type Project struct {
	project.Project
	Version int64     `json:"version"`
	Created time.Time `json:"createdAt"`
	Updated time.Time `json:"updatedAt"`
}

func showProject(v aggregate.Versioned[project.Project]) Project {
	return Project{Project: v.State, Version: v.Version, Created: v.Created, Updated: v.Updated}
}

// Policy as the API shows it.
type Policy struct {
	rulebook.Policy
	Version int64     `json:"version"`
	Created time.Time `json:"createdAt"`
	Updated time.Time `json:"updatedAt"`
}

func showPolicy(v aggregate.Versioned[rulebook.Policy]) Policy {
	return Policy{Policy: v.State, Version: v.Version, Created: v.Created, Updated: v.Updated}
}

func page[T, U any](w http.ResponseWriter, items []aggregate.Versioned[T], next string, show func(aggregate.Versioned[T]) U) {
	out := make([]U, len(items))
	for i, item := range items {
		out[i] = show(item)
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
}

func (a *API) listProjects(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	items, next, err := a.Projects.List(r.Context(), aggregate.Filter{Limit: limit, Cursor: cursor})
	if err != nil {
		return err
	}
	page(w, items, next, showProject)
	return nil
}

func (a *API) getProject(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return missing(err, "project", r.PathValue("project"), "List them with: slipway get projects")
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, showProject(v))
	return nil
}

func (a *API) deleteProject(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("project")
	expected, conditional, err := httpapi.IfMatch(r)
	if err != nil {
		return err
	}
	remove := func(_ *project.Project, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, fmt.Errorf("project %q: %w", name, store.ErrNotFound)
		}
		return aggregate.Decision{Delete: true}, nil
	}
	if conditional {
		_, err = a.Projects.UpdateAt(r.Context(), name, expected, httpapi.CauseOf(r.Context()), remove)
	} else {
		_, err = a.Projects.Update(r.Context(), name, httpapi.CauseOf(r.Context()), remove)
	}
	if err != nil {
		return missing(err, "project", name, "")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) listPolicies(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	items, next, err := a.Book.List(r.Context(), r.URL.Query().Get("kind"), limit, cursor)
	if err != nil {
		return err
	}
	page(w, items, next, showPolicy)
	return nil
}

func (a *API) getPolicy(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Book.Get(r.Context(), r.PathValue("policy"))
	if err != nil {
		return missing(err, "policy", r.PathValue("policy"), "List them with: slipway get policies")
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, showPolicy(v))
	return nil
}

func (a *API) deletePolicy(w http.ResponseWriter, r *http.Request) error {
	version, conditional, err := httpapi.IfMatch(r)
	if err != nil {
		return err
	}
	var expected *int64
	if conditional {
		expected = &version
	}
	if err := a.Book.Remove(r.Context(), r.PathValue("policy"), expected, httpapi.CauseOf(r.Context())); err != nil {
		return missing(err, "policy", r.PathValue("policy"), "")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// decisionFilters are the query parameters that narrow the list of decisions.
var decisionFilters = []string{"project", "kind", "subject", "result"}

// listedInput is how large an input may be, in bytes, to be shown in a list.
const listedInput = 16 << 10

func (a *API) listDecisions(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	f := aggregate.Filter{Limit: limit, Cursor: cursor, Order: store.OrderCreatedDesc}
	q := r.URL.Query()
	for _, name := range decisionFilters {
		if v := q.Get(name); v != "" {
			f.Where = append(f.Where, store.Term{Index: name, Value: v})
		}
	}
	if result := q.Get("result"); result != "" && !slices.Contains([]string{decision.Allow, decision.Deny, decision.NeedsApproval}, result) {
		return httpapi.BadRequest(fmt.Sprintf("result=%s is not one of allow, deny, needs-approval.", result))
	}
	items, next, err := a.Decisions.List(r.Context(), f)
	if err != nil {
		return err
	}
	page(w, items, next, func(v aggregate.Versioned[decision.Decision]) decision.Decision {
		if len(v.State.Input) > listedInput {
			v.State.Input = nil
		}
		return v.State
	})
	return nil
}

func (a *API) getDecision(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Decisions.Get(r.Context(), r.PathValue("decision"))
	if err != nil {
		return missing(err, "decision", r.PathValue("decision"), "")
	}
	httpapi.JSON(w, http.StatusOK, v.State)
	return nil
}

func missing(err error, kind, name, hint string) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpapi.NotFound(kind, name, hint)
	}
	return err
}

// Request is a question on rpc.policy.decide. Beside the question it may say
// what it belongs to, so that the decision joins its story.
type Request struct {
	decision.Question
	CorrelationID string `json:"correlationId"`
	CausationID   string `json:"causationId"`
	Actor         string `json:"actor"`
}

// Answer is the answer on rpc.policy.decide.
type Answer struct {
	Decision     string            `json:"decision"`
	Result       string            `json:"result"` // allow, deny or needs-approval
	Allowed      bool              `json:"allowed"`
	Reasons      []decision.Reason `json:"reasons"`
	BundleDigest string            `json:"bundleDigest"`
	InputDigest  string            `json:"inputDigest"`
	// Record is the data of the policy.decision.made event.
	Record any `json:"record"`
}

// RPC answers rpc.policy.decide.
func RPC(judge *decision.Judge) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		var q Request
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, httpapi.BadRequest("The question is not JSON: " + err.Error())
		}
		d, err := judge.Decide(ctx, q.Question, events.Cause{ID: q.CausationID, CorrelationID: q.CorrelationID, Actor: q.Actor})
		var invalid *decision.InvalidError
		switch {
		case errors.As(err, &invalid):
			return nil, httpapi.Unprocessable(httpapi.Fault{Pointer: "/" + invalid.Field, Message: invalid.Detail})
		case err != nil:
			// Neither a yes nor a no: the asker waits and asks again.
			return nil, httpapi.Unavailable(5*time.Second, "Undecided: "+err.Error()+".")
		}
		return json.Marshal(Answer{
			Decision: d.ID, Result: d.Result, Allowed: d.Allowed, Reasons: d.Reasons,
			BundleDigest: d.BundleDigest, InputDigest: d.InputDigest, Record: decision.Record(d),
		})
	}
}
