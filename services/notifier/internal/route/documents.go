package route

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
)

// Repository keeps routes by project and name.
type Repository = aggregate.Repository[Route]

// IndexProject finds the routes of a project.
const IndexProject = "project"

// NewRepository makes the repository over the service's store.
func NewRepository(s store.Store, service string) *Repository {
	return aggregate.New(s, aggregate.Options[Route]{
		Service: service, Kind: "route",
		Indexes: func(r *Route) store.Indexes { return store.Indexes{IndexProject: {r.Project}} },
	})
}

// Of returns all routes of a project.
func Of(ctx context.Context, routes *Repository, project string) ([]Route, error) {
	var (
		all    []Route
		cursor string
	)
	for {
		page, next, err := routes.List(ctx, aggregate.Filter{Where: []store.Term{{Index: IndexProject, Value: project}}, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			all = append(all, v.State)
		}
		if cursor = next; next == "" {
			return all, nil
		}
	}
}

// Documents takes NotificationRoute documents. cause says who asks.
func Documents(routes *Repository, channels *channel.Repository, cause func(context.Context) events.Cause) docapi.Kind {
	return docapi.Kind{
		Check: func(ctx context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			r, faults := Read(item.Document, item.Project)
			if r.Channel == "" || inBatch(item, r.Channel) {
				return faults, nil
			}
			_, err := channels.Get(ctx, channel.ID(r.Project, r.Channel))
			if errors.Is(err, store.ErrNotFound) {
				hint, err := nearest(ctx, channels, r)
				return append(faults, item.Fault("/spec/channel", fmt.Sprintf("there is no channel %q in project %s", r.Channel, r.Project), hint)), err
			}
			return faults, err
		},
		Preview: func(ctx context.Context, item docapi.Item) (have, want any, err error) {
			next, _ := Read(item.Document, item.Project)
			v, err := routes.Get(ctx, channel.ID(next.Project, next.Name))
			if errors.Is(err, store.ErrNotFound) {
				return nil, nil, nil
			}
			return shown(v.State), shown(next), err
		},
		Schema: docapi.SchemaOf[spec]("NotificationRoute", "Which events are told on which channel.", "channel", "events"),
		Apply: func(ctx context.Context, item docapi.Item) (docapi.Result, error) {
			r, faults := Read(item.Document, item.Project)
			if len(faults) > 0 {
				return docapi.Result{}, httpapi.Unprocessable(faults...)
			}
			result := docapi.Result{Project: r.Project, Location: "/api/v1/projects/" + r.Project + "/routes/" + r.Name}
			v, err := routes.Update(ctx, channel.ID(r.Project, r.Name), cause(ctx), func(have *Route, exists bool) (aggregate.Decision, error) {
				switch {
				case !exists:
					result.Result = docapi.Created
				case !same(*have, r):
					result.Result = docapi.Updated
				default:
					result.Result = docapi.Unchanged
					return aggregate.Decision{Skip: true}, nil
				}
				*have = r
				return aggregate.Decision{}, nil
			})
			result.Version = v.Version
			return result, err
		},
	}
}

// shown is a route in the form of its document.
func shown(r Route) any {
	return map[string]any{"spec": spec{Channel: r.Channel, Events: r.Events, Environments: r.Environments}}
}

// inBatch: the context of a batch may name a document's project or leave it to
// the request.
func inBatch(item docapi.Item, name string) bool {
	return item.InBatch("Channel", name, item.Project) || item.InBatch("Channel", name, "")
}

func nearest(ctx context.Context, channels *channel.Repository, r Route) (string, error) {
	page, _, err := channels.List(ctx, aggregate.Filter{Where: []store.Term{{Index: channel.IndexProject, Value: r.Project}}})
	var names []string
	for _, v := range page {
		names = append(names, v.State.Name)
	}
	if near := document.Nearest(r.Channel, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near), err
	}
	return "apply a Channel document of that name, in the same batch if you like", err
}

func same(a, b Route) bool {
	return a.Channel == b.Channel && slices.Equal(a.Events, b.Events) && slices.Equal(a.Environments, b.Environments)
}
