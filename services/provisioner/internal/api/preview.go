package api

import (
	"context"
	"errors"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
)

// spec is a spec in its document.
func spec(v any) any { return map[string]any{"spec": v} }

// previewSecret tells whether the value is another one, and neither of them.
func (a *API) previewSecret(ctx context.Context, item docapi.Item) (have, want any, err error) {
	var s secretSpec
	item.Spec(&s)
	info, err := a.Secrets.Get(ctx, item.Project, item.Metadata.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	same, err := a.Secrets.Same(ctx, item.Project, info.Name, s.Value)
	if same {
		return spec(nil), spec(nil), err
	}
	return spec(map[string]string{"value": "before"}), spec(map[string]string{"value": "after"}), err
}

func (a *API) previewType(ctx context.Context, item docapi.Item) (have, want any, err error) {
	var s typeSpec
	item.Spec(&s)
	made, err := a.Environments.MadeType(ctx, item.Metadata.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	return spec(typeSpec{Description: made.Description, DefaultTTL: made.DefaultTTL, MaxTTL: made.MaxTTL}), spec(s), err
}

func (a *API) previewEnvironment(ctx context.Context, item docapi.Item) (have, want any, err error) {
	var s environmentSpec
	item.Spec(&s)
	v, err := a.Environments.Get(ctx, item.Project, item.Metadata.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	switch e := v.State; {
	case s.Type != e.Type:
		return nil, nil, httpapi.Conflict("Environment " + e.Name + " is of type " + e.Type + "; a type cannot be changed.")
	case e.Status == environment.Deleting:
		return nil, nil, httpapi.Conflict("Environment " + e.Name + " is being deleted.")
	}
	s.TTL = a.ttl(ctx, s)
	return spec(ofEnvironment(v.State)), spec(s), nil
}

// ttl is a span as the environment would have it: in one form, and the type's
// where none is given. A type that the batch only brings says nothing yet.
func (a *API) ttl(ctx context.Context, s environmentSpec) string {
	if s.TTL != "" {
		if d, err := document.ParseDuration(s.TTL); err == nil {
			return d.String()
		}
		return s.TTL
	}
	t, err := a.Environments.Type(ctx, s.Type)
	if err != nil || t.DefaultTTL == 0 {
		return ""
	}
	return t.DefaultTTL.String()
}

func ofEnvironment(e environment.Environment) environmentSpec {
	s := environmentSpec{Type: e.Type, Resources: e.Spec}
	if e.TTL > 0 {
		s.TTL = e.TTL.String()
	}
	return s
}
