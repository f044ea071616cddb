// Package ownership is the policy service's own copy of what the catalog says
// about components: a workload is the component of its name, and that
// component's owner is who may be asked about it.
package ownership

import (
	"context"
	"errors"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalog"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
)

// Component is what is kept of one.
type Component struct {
	Ref    string `json:"ref"`
	Owner  string `json:"owner,omitempty"`
	System string `json:"system,omitempty"`
	Type   string `json:"type,omitempty"`
	// Version of the entity in the catalog, and whether it is gone since then.
	Version int64 `json:"version"`
	Removed bool  `json:"removed,omitempty"`
}

// Copy is the copy.
type Copy struct {
	components *aggregate.Repository[Component]
}

// New makes the copy over the service's store.
func New(s store.Store, service string) *Copy {
	return &Copy{aggregate.New(s, aggregate.Options[Component]{Service: service, Kind: "component"})}
}

// OnChanged takes what the catalog says of an entity.
func (c *Copy) OnChanged(ctx context.Context, data catalog.EntityChangedData, cause events.Cause) error {
	return c.put(ctx, data.Kind, Component{Ref: data.Ref, Owner: data.Owner, System: data.System, Type: data.Type, Version: data.Version}, cause)
}

// OnRemoved takes that an entity is gone.
func (c *Copy) OnRemoved(ctx context.Context, data catalog.EntityRemovedData, cause events.Cause) error {
	return c.put(ctx, data.Kind, Component{Ref: data.Ref, Version: data.Version, Removed: true}, cause)
}

// put keeps the newest that was said: events may come in any order.
func (c *Copy) put(ctx context.Context, kind string, next Component, cause events.Cause) error {
	if kind != "Component" {
		return nil
	}
	_, err := c.components.Update(ctx, next.Ref, cause, func(state *Component, exists bool) (aggregate.Decision, error) {
		if exists && state.Version >= next.Version {
			return aggregate.Decision{Skip: true}, nil
		}
		*state = next
		return aggregate.Decision{}, nil
	})
	return err
}

// Enrich adds to a question's input what the catalog says of its workload:
// `component` with ref, owner, system and type, and `owner`. A workload that
// is no component keeps the owner that it gives itself, if any.
func (c *Copy) Enrich(ctx context.Context, input map[string]any) error {
	if _, said := input["owner"]; !said {
		input["owner"] = "" // so that a policy may compare it
	}
	workload, isText := input["workload"].(string)
	if !isText || workload == "" {
		return nil
	}
	v, err := c.components.Get(ctx, "component:default/"+strings.ToLower(workload))
	if errors.Is(err, store.ErrNotFound) || (err == nil && v.State.Removed) {
		return nil
	}
	if err != nil {
		return err
	}
	known := v.State
	input["component"] = map[string]any{"ref": known.Ref, "owner": known.Owner, "system": known.System, "type": known.Type}
	input["owner"] = known.Owner
	return nil
}
