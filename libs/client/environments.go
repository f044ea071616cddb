package client

import (
	"context"
	"net/http"
	"net/url"
)

// EnvironmentRequest asks for an environment. TTL is a span such as "48h" or
// "2d"; "" leaves it to the type.
type EnvironmentRequest struct {
	Name      string              `json:"name"`
	Type      string              `json:"type,omitempty"` // that of From where it is ""
	TTL       string              `json:"ttl,omitempty"`
	Resources map[string]Resource `json:"resources,omitempty"`
	From      string              `json:"from,omitempty"` // another environment, whose resources it is made with too
	DryRun    bool                `json:"dryRun,omitempty"`
}

// Resource is a need for one, as Score writes it.
type Resource struct {
	Type   string         `json:"type"`
	Class  string         `json:"class,omitempty"`
	ID     string         `json:"id,omitempty"`
	Params map[string]any `json:"params,omitempty"`
}

// CreateEnvironment returns the operation that makes it.
func (c *Client) CreateEnvironment(ctx context.Context, project string, r EnvironmentRequest) (Operation, error) {
	var op Operation
	return op, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project, "environments"), Body: r}, &op)
}

// PlanEnvironment answers which steps CreateEnvironment would take, without taking them.
func (c *Client) PlanEnvironment(ctx context.Context, project string, r EnvironmentRequest) (Object, error) {
	r.DryRun = true
	var o Object
	return o, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project, "environments"), Body: r}, &o)
}

// ExtendEnvironment lets an environment live for ttl from now on.
func (c *Client) ExtendEnvironment(ctx context.Context, project, name, ttl string) (Object, error) {
	var o Object
	return o, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project, "environments", name, "extend"), Body: map[string]string{"ttl": ttl}}, &o)
}

// DeleteEnvironment returns the operation that destroys it with all it holds.
// With force also what workloads still use.
func (c *Client) DeleteEnvironment(ctx context.Context, project, name string, force bool) (*Operation, error) {
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	return c.delete(ctx, Request{Path: ProjectPath(project, "environments", name), Query: q})
}

// ExplainRequest asks which definition would make each resource.
type ExplainRequest struct {
	Workload        string              `json:"workload,omitempty"`
	Environment     string              `json:"environment"`
	EnvironmentType string              `json:"environmentType,omitempty"`
	Resources       map[string]Resource `json:"resources,omitempty"`
}

// Explain answers which resource definition matches each resource, and why.
func (c *Client) Explain(ctx context.Context, project string, r ExplainRequest) (Object, error) {
	var o Object
	return o, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project) + "/resources:explain", Body: r}, &o)
}

// LookForDrift asks whether a resource is as it was made. It answers the
// resource; what was found is in its "drift" once that is no longer "asked" for.
func (c *Client) LookForDrift(ctx context.Context, project, environment, resource string) (Object, error) {
	var o Object
	return o, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project, "resources", environment, resource, "drift")}, &o)
}
