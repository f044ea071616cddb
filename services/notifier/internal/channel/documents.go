package channel

import (
	"context"
	"errors"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// Repository keeps channels by project and name.
type Repository = aggregate.Repository[Channel]

// IndexProject finds the channels of a project.
const IndexProject = "project"

// NewRepository makes the repository over the service's store.
func NewRepository(s store.Store, service string) *Repository {
	return aggregate.New(s, aggregate.Options[Channel]{
		Service: service, Kind: "channel",
		Indexes: func(c *Channel) store.Indexes { return store.Indexes{IndexProject: {c.Project}} },
	})
}

// Documents takes Channel documents. cause says who asks.
func Documents(channels *Repository, cause func(context.Context) events.Cause) docapi.Kind {
	return docapi.Kind{
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			_, faults := Read(item.Document, item.Project)
			return faults, nil
		},
		Preview: func(ctx context.Context, item docapi.Item) (have, want any, err error) {
			next, _ := Read(item.Document, item.Project)
			v, err := channels.Get(ctx, ID(next.Project, next.Name))
			if errors.Is(err, store.ErrNotFound) {
				return nil, nil, nil
			}
			return shown(v.State), shown(next), err
		},
		Secret: []string{"/spec/url"}, // addresses of chat systems are secrets
		Schema: docapi.SchemaOf[spec]("Channel", "Where people are told.", "kind", "url"),
		Apply: func(ctx context.Context, item docapi.Item) (docapi.Result, error) {
			c, faults := Read(item.Document, item.Project)
			if len(faults) > 0 {
				return docapi.Result{}, httpapi.Unprocessable(faults...)
			}
			result := docapi.Result{Project: c.Project, Location: "/api/v1/projects/" + c.Project + "/channels/" + c.Name}
			v, err := channels.Update(ctx, ID(c.Project, c.Name), cause(ctx), func(have *Channel, exists bool) (aggregate.Decision, error) {
				switch {
				case !exists:
					result.Result = docapi.Created
				case *have != c:
					result.Result = docapi.Updated
				default:
					result.Result = docapi.Unchanged
					return aggregate.Decision{Skip: true}, nil
				}
				*have = c
				return aggregate.Decision{}, nil
			})
			result.Version = v.Version
			return result, err
		},
	}
}

// shown is a channel in the form of its document.
func shown(c Channel) any {
	return map[string]any{"spec": spec{Kind: c.Kind, URL: c.URL, SecretRef: c.SecretRef}}
}
