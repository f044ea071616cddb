package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
)

// Module is what an OpenTofu or Terraform module takes and gives.
type Module struct {
	// Digest of the packed module; a resource definition names it.
	Digest    string                    `json:"digest"`
	Files     int                       `json:"files"`
	Bytes     int64                     `json:"bytes"`
	Variables map[string]ModuleVariable `json:"variables"`
	Outputs   map[string]ModuleOutput   `json:"outputs"`
	Providers []string                  `json:"providers"`
}

// ModuleVariable is an input of a module. Place is file, line and column.
type ModuleVariable struct {
	Type        string          `json:"type,omitempty"`
	Description string          `json:"description,omitempty"`
	Required    bool            `json:"required,omitempty"`
	Sensitive   bool            `json:"sensitive,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	Place       string          `json:"place"`
}

// ModuleOutput is an output of a module.
type ModuleOutput struct {
	Description string `json:"description,omitempty"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Place       string `json:"place"`
}

// PutModule uploads a module: a gzipped tar of its folder. With dryRun it is
// only looked at, so that definitions can be checked against it for a while.
// source is what faults call its folder.
func (c *Client) PutModule(ctx context.Context, project, source string, dryRun bool, packed io.Reader) (Module, error) {
	q := url.Values{}
	set(q, "source", source)
	if dryRun {
		q.Set("dryRun", "true")
	}
	var m Module
	return m, c.Do(ctx, Request{
		Method: http.MethodPost, Path: ProjectPath(project, "modules"), Query: q,
		Header: http.Header{"Content-Type": {"application/gzip"}}, Body: packed,
	}, &m)
}

// Module returns a module that was uploaded.
func (c *Client) Module(ctx context.Context, project, digest string) (Module, error) {
	var m Module
	return m, c.Do(ctx, Request{Path: ProjectPath(project, "modules", digest)}, &m)
}
