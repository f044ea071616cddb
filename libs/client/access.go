package client

import (
	"context"
	"net/http"
)

// TokenRequest asks for a token. Actor is who it speaks for, such as
// "user:default/ada" or "service:ci"; "" is the asker. Roles default to the asker's.
type TokenRequest struct {
	Name  string   `json:"name"`
	Actor string   `json:"actor,omitempty"`
	Roles []string `json:"roles,omitempty"`
}

// CreateToken returns the new token; its value is shown this once.
func (c *Client) CreateToken(ctx context.Context, r TokenRequest) (Object, error) {
	var o Object
	return o, c.Do(ctx, Request{Method: http.MethodPost, Path: "/api/v1/tokens", Body: r}, &o)
}

// WhoAmI returns who the token says that asks.
func (c *Client) WhoAmI(ctx context.Context) (Object, error) {
	return c.Get(ctx, "/api/v1/whoami")
}

// Ready reports whether the gateway can do its work.
func (c *Client) Ready(ctx context.Context) error {
	return c.Do(ctx, Request{Path: "/readyz"}, nil)
}
