package project

import (
	"context"
	"errors"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// Repository keeps projects by name.
type Repository = aggregate.Repository[Project]

// NewRepository makes the repository over the service's store.
func NewRepository(s store.Store, service string) *Repository {
	return aggregate.New(s, aggregate.Options[Project]{Service: service, Kind: "project"})
}

// spec is the spec of a Project document.
type spec struct {
	Description string `json:"description"`
	Owner       string `json:"owner" description:"The group that owns it, such as group:default/team-a."`
}

// Documents takes Project documents. cause says who asks.
func Documents(projects *Repository, cause func(context.Context) events.Cause) docapi.Kind {
	return docapi.Kind{
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			_, faults := read(item.Document)
			return faults, nil
		},
		Preview: func(ctx context.Context, item docapi.Item) (have, want any, err error) {
			next, _ := read(item.Document)
			v, err := projects.Get(ctx, next.Name)
			if errors.Is(err, store.ErrNotFound) {
				return nil, nil, nil
			}
			return shown(v.State), shown(next), err
		},
		Schema: docapi.SchemaOf[spec]("Project", "What belongs together: workloads, their environments, and who owns them."),
		Apply: func(ctx context.Context, item docapi.Item) (docapi.Result, error) {
			p, faults := read(item.Document)
			if len(faults) > 0 {
				return docapi.Result{}, httpapi.Unprocessable(faults...)
			}
			result := docapi.Result{Result: docapi.Unchanged, Project: p.Name, Location: "/api/v1/projects/" + p.Name}
			v, err := projects.Update(ctx, p.Name, cause(ctx), func(state *Project, exists bool) (aggregate.Decision, error) {
				switch {
				case !exists:
					result.Result = docapi.Created
				case *state != p:
					result.Result = docapi.Updated
				default:
					result.Result = docapi.Unchanged
					return aggregate.Decision{Skip: true}, nil
				}
				*state = p
				return aggregate.Decision{}, nil
			})
			result.Version = v.Version
			return result, err
		},
	}
}

// shown is a project in the form of its document.
func shown(p Project) any {
	return map[string]any{"spec": spec{Description: p.Description, Owner: p.Owner}}
}

func read(d document.Document) (Project, []httpapi.Fault) {
	var s spec
	faults := d.Spec(&s)
	if err := CheckName(d.Metadata.Name); err != nil {
		faults = append(faults, d.Fault("/metadata/name", err.Error(), ""))
	}
	if own := d.Metadata.Project; own != "" && own != d.Metadata.Name {
		faults = append(faults, d.Fault("/metadata/project", "a project does not belong to another one", "leave metadata.project out"))
	}
	return Project{Name: d.Metadata.Name, Description: s.Description, Owner: s.Owner}, faults
}
