package api

import (
	"errors"
	"net/http"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
)

// DeployRequest is the body of POST deployments.
type DeployRequest struct {
	Workload        string `json:"workload"`
	Environment     string `json:"environment"`
	EnvironmentType string `json:"environmentType"`
	Artifact        string `json:"artifact"`
	Strategy        string `json:"strategy"`
	DryRun          bool   `json:"dryRun"`
}

func (a *API) deploy(w http.ResponseWriter, r *http.Request) error {
	var body DeployRequest
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	id, err := httpapi.RequestID(r, a.NewID)
	if err != nil {
		return err
	}
	return a.start(w, r, deployment.Request{
		ID: deployment.Prefix + id, Project: r.PathValue("project"), Environment: body.Environment, EnvironmentType: body.EnvironmentType,
		Workload: body.Workload, Artifact: body.Artifact, Strategy: body.Strategy, Reason: deployment.ReasonRequest,
	}, body.DryRun)
}

// RollbackRequest is the body of POST deployments:rollback.
type RollbackRequest struct {
	Workload    string `json:"workload"`
	Environment string `json:"environment"`
	To          string `json:"to"`
	Strategy    string `json:"strategy"`
	DryRun      bool   `json:"dryRun"`
}

func (a *API) rollback(w http.ResponseWriter, r *http.Request) error {
	var body RollbackRequest
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	id, err := httpapi.RequestID(r, a.NewID)
	if err != nil {
		return err
	}
	request, err := a.Deployments.Rollback(r.Context(), deployment.Request{
		ID: deployment.Prefix + id, Project: r.PathValue("project"), Environment: body.Environment, Workload: body.Workload, Strategy: body.Strategy,
	}, body.To)
	if err != nil {
		return err
	}
	return a.start(w, r, request, body.DryRun)
}

func (a *API) start(w http.ResponseWriter, r *http.Request, request deployment.Request, dryRun bool) error {
	if dryRun {
		p, err := a.Deployments.Plan(r.Context(), request, CauseOf(r.Context()))
		if err != nil {
			return err
		}
		httpapi.JSON(w, http.StatusOK, p)
		return nil
	}
	if _, err := a.Deployments.Deploy(r.Context(), request, CauseOf(r.Context())); err != nil {
		return err
	}
	a.sagas().Accepted(w, r, request.ID)
	return nil
}

func (a *API) listDeployments(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	project, q := r.PathValue("project"), r.URL.Query()
	f := runner.Filter{Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor, Where: []store.Term{
		{Index: "definition", Value: deployment.DefinitionName}, {Index: "project", Value: project},
	}}
	if env := q.Get("environment"); env != "" {
		f.Where = append(f.Where, store.Term{Index: "environment", Value: environment.ID(project, env)})
	}
	if workload := q.Get("workload"); workload != "" {
		f.Where = append(f.Where, store.Term{Index: "workload", Value: project + "/" + workload})
	}
	found, next, err := a.Runner.List(r.Context(), f)
	if err != nil {
		return err
	}
	out := make([]Deployment, 0, len(found))
	for _, v := range found {
		one, err := a.show(v)
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
	return nil
}

func (a *API) getDeployment(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("deployment")
	const hint = "List them with: slipway get deployments"
	v, err := a.Runner.Get(r.Context(), id)
	if err != nil {
		return missing(err, "deployment", id, hint)
	}
	if v.State.Project != r.PathValue("project") {
		return httpapi.NotFound("deployment", id, hint)
	}
	one, err := a.show(v)
	if err != nil {
		return err
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, one)
	return nil
}

// StoredSet is a deployment set as the API shows it.
type StoredSet struct {
	Digest      string               `json:"digest"`
	Name        string               `json:"name"` // its short form
	Environment string               `json:"environment"`
	Current     bool                 `json:"current"`
	Workloads   map[string]set.Entry `json:"workloads"`
	CreatedAt   string               `json:"createdAt"`
	Changes     []set.Change         `json:"changes,omitempty"` // from the one that ?from= names
}

func (a *API) listSets(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	project := r.PathValue("project")
	found, next, err := a.Sets.List(r.Context(), project, r.URL.Query().Get("environment"), limit, cursor)
	if err != nil {
		return err
	}
	out := make([]StoredSet, 0, len(found))
	for _, s := range found {
		one, err := a.showSet(r, s)
		if err != nil {
			return err
		}
		out = append(out, one)
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
	return nil
}

func (a *API) getSet(w http.ResponseWriter, r *http.Request) error {
	project, digest := r.PathValue("project"), r.PathValue("set")
	found, err := a.Sets.Find(r.Context(), project, "", digest)
	if err != nil {
		return missing(err, "deployment set", digest, "List them with: slipway get deployment-sets")
	}
	one, err := a.showSet(r, found)
	if err != nil {
		return err
	}
	if from := r.URL.Query().Get("from"); from != "" {
		older, err := a.Sets.Find(r.Context(), project, "", from)
		if err != nil {
			return missing(err, "deployment set", from, "List them with: slipway get deployment-sets")
		}
		one.Changes = set.Diff(older.Set, found.Set)
	}
	httpapi.JSON(w, http.StatusOK, one)
	return nil
}

func (a *API) showSet(r *http.Request, s deployment.Stored) (StoredSet, error) {
	v, err := a.Environments.Get(r.Context(), environment.ID(s.Set.Project, s.Set.Environment))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return StoredSet{}, err
	}
	return StoredSet{Digest: s.Digest, Name: set.Short(s.Digest), Environment: s.Set.Environment, Current: v.State.Current == s.Digest,
		Workloads: s.Set.Workloads, CreatedAt: s.Created.UTC().Format("2006-01-02T15:04:05.000Z07:00")}, nil
}
