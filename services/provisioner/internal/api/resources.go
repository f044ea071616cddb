package api

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
)

// Resource as the API shows it. A secret output is {"secretRef": name}.
type Resource struct {
	Name        string                     `json:"name"` // its key in the environment
	Project     string                     `json:"project"`
	Environment string                     `json:"environment"`
	Type        string                     `json:"type"`
	Class       string                     `json:"class"`
	ID          string                     `json:"id,omitempty"`
	Status      environment.ResourceStatus `json:"status"`
	Detail      string                     `json:"detail,omitempty"`
	Definition  string                     `json:"definition,omitempty"`
	Driver      string                     `json:"driver,omitempty"`
	Kind        string                     `json:"kind,omitempty"`
	Protect     bool                       `json:"protect,omitempty"`
	Inputs      map[string]any             `json:"inputs,omitempty"`
	Outputs     map[string]any             `json:"outputs,omitempty"`
	DependsOn   []string                   `json:"dependsOn,omitempty"`
	Drift       *Drift                     `json:"drift,omitempty"`
	Claims      []string                   `json:"claims"`
	Workloads   []string                   `json:"workloads,omitempty"`
	CreatedAt   time.Time                  `json:"createdAt"`
	UpdatedAt   time.Time                  `json:"updatedAt"`
}

func showResources(env environment.Environment) []Resource {
	out := []Resource{}
	for _, key := range sorted(env.Resources) {
		out = append(out, showResource(env, env.Resources[key]))
	}
	return out
}

func showResource(env environment.Environment, r *environment.Resource) Resource {
	v := Resource{
		Name: r.Key, Project: env.Project, Environment: env.Name, Type: r.Type, Class: r.Class, ID: r.ID,
		Status: r.Status, Detail: r.Detail, Outputs: r.Outputs, Claims: append([]string{}, sorted(r.Claims)...),
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	v.Drift = showDrift(r)
	if d := cmp.Or(r.Applied, r.Asked); d != nil {
		v.Definition, v.Driver, v.Kind, v.Protect, v.Inputs = d.Definition, d.Driver, d.Kind, d.Protect, d.Inputs
	}
	for _, name := range v.Claims {
		c := env.Claims[name]
		if c == nil {
			continue
		}
		if c.Workload != "" {
			v.Workloads = append(v.Workloads, c.Workload)
		}
		for _, k := range c.Keys {
			if k.Key == r.Key {
				v.DependsOn = append(v.DependsOn, k.After...)
			}
		}
	}
	slices.Sort(v.Workloads)
	v.Workloads = slices.Compact(v.Workloads)
	slices.Sort(v.DependsOn)
	v.DependsOn = slices.Compact(v.DependsOn)
	return v
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (a *API) listResources(w http.ResponseWriter, r *http.Request) error {
	project := r.PathValue("project")
	if name := r.URL.Query().Get("environment"); name != "" {
		v, err := a.Environments.Get(r.Context(), project, name)
		if err != nil {
			return missing(err, "environment", name, "")
		}
		httpapi.JSON(w, http.StatusOK, httpapi.NewPage(showResources(v.State), ""))
		return nil
	}
	// A page is of environments: those of one are not torn apart.
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	page, next, err := a.Environments.List(r.Context(), project, limit, cursor)
	if err != nil {
		return err
	}
	var items []Resource
	for _, v := range page {
		items = append(items, showResources(v.State)...)
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) getResource(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Environments.Get(r.Context(), r.PathValue("project"), r.PathValue("environment"))
	if err != nil {
		return missing(err, "environment", r.PathValue("environment"), "")
	}
	res := v.State.Resources[r.PathValue("resource")]
	if res == nil {
		return httpapi.NotFound("resource", r.PathValue("resource"), "List them with: slipway get resources")
	}
	httpapi.JSON(w, http.StatusOK, showResource(v.State, res))
	return nil
}

// Need is a resource as a Score file asks for it.
type Need struct {
	definition.Need
	Metadata map[string]any `json:"metadata,omitempty"` // Score allows it; it decides nothing here
}

// explained is the answer of explain. Problems are what would keep the
// resources from being made: no match, a tie, a circle.
type explained struct {
	Workload        string                   `json:"workload,omitempty"`
	Environment     string                   `json:"environment"`
	EnvironmentType string                   `json:"environmentType,omitempty"`
	Resources       []definition.Explanation `json:"resources"`
	Order           []string                 `json:"order,omitempty"` // keys, each after those it depends on
	Problems        []graph.Fault            `json:"problems,omitempty"`
}

func (a *API) explain(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Workload        string          `json:"workload"`
		Environment     string          `json:"environment"`
		EnvironmentType string          `json:"environmentType"`
		Resources       map[string]Need `json:"resources"`
		Score           *struct {
			APIVersion string          `json:"apiVersion"`
			Metadata   map[string]any  `json:"metadata"`
			Containers any             `json:"containers"`
			Service    any             `json:"service"`
			Resources  map[string]Need `json:"resources"`
		} `json:"score"`
	}
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	if body.Score != nil {
		body.Resources = body.Score.Resources
		if name, ok := body.Score.Metadata["name"].(string); ok && body.Workload == "" {
			body.Workload = name
		}
	}
	if body.Environment == "" {
		return httpapi.Unprocessable(httpapi.Fault{Pointer: "/environment", Message: "which environment it is explained for is missing; it need not exist"})
	}
	project := r.PathValue("project")
	v, err := a.Environments.Get(r.Context(), project, body.Environment)
	switch {
	case err == nil:
		body.EnvironmentType = v.State.Type
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	needs := map[string]definition.Need{}
	for name, n := range body.Resources {
		needs[name] = n.Need
	}
	all, err := a.Environments.Definitions(r.Context(), project)
	if err != nil {
		return err
	}
	request := graph.Request{Project: project, Environment: body.Environment, EnvironmentType: body.EnvironmentType, Workload: body.Workload, Resources: needs}
	out := explained{Workload: body.Workload, Environment: body.Environment, EnvironmentType: body.EnvironmentType, Resources: []definition.Explanation{}}
	for _, name := range sorted(needs) {
		out.Resources = append(out.Resources, definition.Explain(all, request.Subject(name, needs[name])))
	}
	g, err := graph.Build(request, all)
	var wrong *graph.Error
	if errors.As(err, &wrong) {
		out.Problems = wrong.Faults
	} else if err != nil {
		return err
	}
	for _, n := range g.Nodes {
		out.Order = append(out.Order, n.Key)
	}
	httpapi.JSON(w, http.StatusOK, out)
	return nil
}

func (a *API) listDefinitions(w http.ResponseWriter, r *http.Request) error {
	all, err := a.Environments.Definitions(r.Context(), r.PathValue("project"))
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(all, ""))
	return nil
}

func (a *API) getDefinition(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Environments.Definition(r.Context(), r.PathValue("project"), r.PathValue("definition"))
	if err != nil {
		return missing(err, "resource definition", r.PathValue("definition"), "")
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, v.State)
	return nil
}

// deleteDefinition deletes the project's own, or else the one for all projects.
func (a *API) deleteDefinition(w http.ResponseWriter, r *http.Request) error {
	v, err := a.Environments.Definition(r.Context(), r.PathValue("project"), r.PathValue("definition"))
	if err == nil {
		err = a.Environments.DeleteDefinition(r.Context(), httpapi.CauseOf(r.Context()), v.State.Project, v.State.Name)
	}
	if err != nil {
		return missing(err, "resource definition", r.PathValue("definition"), "")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
