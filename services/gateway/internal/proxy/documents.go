package proxy

import (
	"context"
	"net/http"

	"github.com/slipway-idp/slipway/libs/document/docapi"
)

// Check lets an owner check documents.
func (o *Owners) Check(ctx context.Context, owner string, req docapi.Request) (docapi.Checked, error) {
	var out docapi.Checked
	err := o.Call(ctx, owner, http.MethodPost, "/documents/check", req, &out)
	return out, err
}

// Preview lets an owner say what applying documents would change.
func (o *Owners) Preview(ctx context.Context, owner string, req docapi.Request) (docapi.Applied, error) {
	var out docapi.Applied
	err := o.Call(ctx, owner, http.MethodPost, "/documents/preview", req, &out)
	return out, err
}

// Apply lets an owner apply documents.
func (o *Owners) Apply(ctx context.Context, owner string, req docapi.Request) (docapi.Applied, error) {
	var out docapi.Applied
	err := o.Call(ctx, owner, http.MethodPost, "/documents/apply", req, &out)
	return out, err
}
