package gateway

import (
	"context"
	"net/url"
	"strconv"

	"github.com/slipway-idp/slipway/libs/client"
)

// most is how many things of a list a page asks for at once.
const most = 1000

func (r *Reader) get(ctx context.Context, out any, query url.Values, segments ...string) error {
	return r.c.Do(ctx, client.Request{Path: client.PathOf(segments...), Query: query}, out)
}

func list[T any](ctx context.Context, r *Reader, query url.Values, segments ...string) ([]T, error) {
	var page client.Page[T]
	return page.Items, r.get(ctx, &page, query, segments...)
}

func limited(n int, pairs ...string) url.Values {
	q := url.Values{"limit": {strconv.Itoa(n)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Add(pairs[i], pairs[i+1])
		}
	}
	return q
}

// Projects are all that there are, by name.
func (r *Reader) Projects(ctx context.Context) ([]Project, error) {
	return list[Project](ctx, r, limited(most), "api", "v1", "projects")
}

// Project is one.
func (r *Reader) Project(ctx context.Context, name string) (Project, error) {
	var p Project
	return p, r.get(ctx, &p, nil, "api", "v1", "projects", name)
}

// Environments are those of a project, with their resources.
func (r *Reader) Environments(ctx context.Context, project string) ([]Environment, error) {
	return list[Environment](ctx, r, limited(most), "api", "v1", "projects", project, "environments")
}

// Environment is one with its resources.
func (r *Reader) Environment(ctx context.Context, project, name string) (Environment, error) {
	var e Environment
	return e, r.get(ctx, &e, nil, "api", "v1", "projects", project, "environments", name)
}

// Resource is one resource of an environment.
func (r *Reader) Resource(ctx context.Context, project, environment, name string) (Resource, error) {
	var res Resource
	return res, r.get(ctx, &res, nil, "api", "v1", "projects", project, "resources", environment, name)
}

// Definition is how a resource is made.
func (r *Reader) Definition(ctx context.Context, project, name string) (Definition, error) {
	var d Definition
	return d, r.get(ctx, &d, nil, "api", "v1", "projects", project, "resource-definitions", name)
}

// Definitions are those that a project may use.
func (r *Reader) Definitions(ctx context.Context, project string) ([]Definition, error) {
	return list[Definition](ctx, r, limited(most), "api", "v1", "projects", project, "resource-definitions")
}

// Workloads are those of a project and where they run.
func (r *Reader) Workloads(ctx context.Context, project string) ([]Workload, error) {
	return list[Workload](ctx, r, limited(most), "api", "v1", "projects", project, "workloads")
}

// Deployments are the newest of a project; environment and workload may be "".
func (r *Reader) Deployments(ctx context.Context, project, environment, workload string, limit int) ([]Deployment, error) {
	items, err := list[Deployment](ctx, r, limited(limit, "environment", environment, "workload", workload), "api", "v1", "projects", project, "deployments")
	for i := range items {
		items[i].Project = project
	}
	return items, err
}

// Deployment is one.
func (r *Reader) Deployment(ctx context.Context, project, id string) (Deployment, error) {
	var d Deployment
	err := r.get(ctx, &d, nil, "api", "v1", "projects", project, "deployments", id)
	d.Project = project
	return d, err
}

// Set is a deployment set; with from, an older one, also what changed since.
func (r *Reader) Set(ctx context.Context, project, digest, from string) (Set, error) {
	var s Set
	q := url.Values{}
	if from != "" {
		q.Set("from", from)
	}
	return s, r.get(ctx, &s, q, "api", "v1", "projects", project, "deployment-sets", digest)
}

// Decisions are the newest about a subject.
func (r *Reader) Decisions(ctx context.Context, project, subject string, limit int) ([]Decision, error) {
	return list[Decision](ctx, r, limited(limit, "project", project, "subject", subject), "api", "v1", "decisions")
}

// Entities is a page of the catalog. Empty arguments select all; owner may be
// a user, for what their teams own as well.
func (r *Reader) Entities(ctx context.Context, f EntityFilter) (client.Page[Entity], error) {
	q := limited(f.Limit, "kind", f.Kind, "owner", f.Owner, "q", f.Text, "cursor", f.Cursor)
	var page client.Page[Entity]
	return page, r.get(ctx, &page, q, "api", "v1", "entities")
}

// Entity is one, by its reference kind:namespace/name.
func (r *Reader) Entity(ctx context.Context, kind, namespace, name string) (Entity, error) {
	var e Entity
	path := client.PathOf("api", "v1", "entities", kind+":"+namespace) + client.PathOf(name)
	return e, r.c.Do(ctx, client.Request{Path: path}, &e)
}

// Sagas are the newest.
func (r *Reader) Sagas(ctx context.Context, f client.SagaFilter) (client.Page[client.Operation], error) {
	return r.c.Sagas(ctx, f)
}

// Saga is one with its journal.
func (r *Reader) Saga(ctx context.Context, id string) (client.Operation, error) {
	return r.c.Saga(ctx, id)
}

// Timelines are those that began last.
func (r *Reader) Timelines(ctx context.Context, project string, limit int, cursor string) (client.Page[client.Timeline], error) {
	var page client.Page[client.Timeline]
	return page, r.get(ctx, &page, limited(limit, "project", project, "cursor", cursor), "api", "v1", "timelines")
}

// Timeline is everything of one correlation id.
func (r *Reader) Timeline(ctx context.Context, id string) (client.Timeline, error) {
	return r.c.Timeline(ctx, id)
}

// EventTypes are the public types.
func (r *Reader) EventTypes(ctx context.Context) ([]EventType, error) {
	return list[EventType](ctx, r, limited(most), "events", "types")
}

// EventSchema is the JSON Schema of a type's data.
func (r *Reader) EventSchema(ctx context.Context, eventType string) (string, error) {
	raw, err := r.c.EventSchema(ctx, eventType)
	return string(raw), err
}

// Events is a page of the stream, the oldest first.
func (r *Reader) Events(ctx context.Context, f client.EventFilter) (client.Page[client.Event], error) {
	return r.c.Events(ctx, f)
}
