package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
)

// Environment as the API shows it.
type Environment struct {
	Name          string                     `json:"name"`
	Project       string                     `json:"project"`
	Type          string                     `json:"type"`
	Status        environment.Status         `json:"status"`
	TTL           document.Duration          `json:"ttl,omitempty"`
	ExpiresAt     time.Time                  `json:"expiresAt,omitzero"`
	CreatedAt     time.Time                  `json:"createdAt"`
	CreatedBy     string                     `json:"createdBy,omitempty"`
	CorrelationID string                     `json:"correlationId,omitempty"`
	Operation     string                     `json:"operation,omitempty"` // the saga that made, changed or destroys it
	Spec          map[string]definition.Need `json:"spec,omitempty"`      // resources of its own
	Claims        []Claim                    `json:"claims"`
	Resources     []Resource                 `json:"resources"`
	Version       int64                      `json:"version"`
}

// Claim is somebody's need of an environment's resources.
type Claim struct {
	Claim    string                  `json:"claim"`
	Workload string                  `json:"workload,omitempty"`
	Status   environment.ClaimStatus `json:"status"`
	Since    time.Time               `json:"since"`
}

func showEnvironment(v aggregate.Versioned[environment.Environment]) Environment {
	s := v.State
	e := Environment{
		Name: s.Name, Project: s.Project, Type: s.Type, Status: s.Status, TTL: s.TTL, ExpiresAt: s.ExpiresAt,
		CreatedAt: s.CreatedAt, CreatedBy: s.CreatedBy, CorrelationID: s.CorrelationID, Operation: s.Saga, Spec: s.Spec,
		Claims: []Claim{}, Resources: showResources(s), Version: v.Version,
	}
	for _, name := range sorted(s.Claims) {
		c := s.Claims[name]
		e.Claims = append(e.Claims, Claim{Claim: name, Workload: c.Workload, Status: c.Status, Since: c.Since})
	}
	return e
}

func (a *API) listEnvironments(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	page, next, err := a.Environments.List(r.Context(), r.PathValue("project"), limit, cursor)
	if err != nil {
		return err
	}
	var items []Environment
	for _, v := range page {
		items = append(items, showEnvironment(v))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) getEnvironment(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Environments.Get(r.Context(), r.PathValue("project"), r.PathValue("environment"))
	if err != nil {
		return missing(err, "environment", r.PathValue("environment"), "List them with: slipway get environments")
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, showEnvironment(v))
	return nil
}

func (a *API) createEnvironment(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name      string                     `json:"name"`
		Type      string                     `json:"type"`
		TTL       string                     `json:"ttl"`
		Resources map[string]definition.Need `json:"resources"`
		From      string                     `json:"from"` // another environment, whose resources it gets too
		DryRun    bool                       `json:"dryRun"`
	}
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	wish := environment.Wish{Project: r.PathValue("project"), Name: body.Name, Type: body.Type, TTL: body.TTL, Resources: body.Resources}
	if body.From != "" {
		like, err := a.Environments.Like(r.Context(), wish, body.From)
		if err != nil {
			return err
		}
		wish = like
	}
	dry, _ := strconv.ParseBool(r.URL.Query().Get("dryRun"))
	if dry || body.DryRun {
		plan, err := a.Environments.Plan(r.Context(), wish)
		if err != nil {
			return err
		}
		steps, err := a.planned(r.Context(), plan)
		if err != nil {
			return err
		}
		httpapi.JSON(w, http.StatusOK, map[string]any{"environment": body.Name, "project": wish.Project, "steps": steps})
		return nil
	}
	id, err := httpapi.RequestID(r, a.NewID)
	if err != nil {
		return err
	}
	s, err := a.Environments.Create(r.Context(), httpapi.CauseOf(r.Context()), id, wish)
	if err != nil {
		return err
	}
	a.sagas.Accepted(w, r, s.ID)
	return nil
}

func (a *API) deleteEnvironment(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.RequestID(r, a.NewID)
	if err != nil {
		return err
	}
	force, _ := strconv.ParseBool(r.URL.Query().Get("force"))
	s, err := a.Environments.Delete(r.Context(), httpapi.CauseOf(r.Context()), id, r.PathValue("project"), r.PathValue("environment"), force)
	if err != nil {
		return err
	}
	a.sagas.Accepted(w, r, s.ID)
	return nil
}

func (a *API) extendEnvironment(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		TTL document.Duration `json:"ttl"`
	}
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	_, err := a.Environments.Extend(r.Context(), httpapi.CauseOf(r.Context()), r.PathValue("project"), r.PathValue("environment"), body.TTL)
	if err != nil {
		return err
	}
	return a.getEnvironment(w, r)
}

func (a *API) listTypes(w http.ResponseWriter, r *http.Request) error {
	types, err := a.Environments.Types(r.Context())
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(types, ""))
	return nil
}

func (a *API) getType(w http.ResponseWriter, r *http.Request) error {
	t, err := a.Environments.Type(r.Context(), r.PathValue("type"))
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, t)
	return nil
}

func (a *API) deleteType(w http.ResponseWriter, r *http.Request) error {
	if err := a.Environments.DeleteType(r.Context(), httpapi.CauseOf(r.Context()), r.PathValue("type")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
