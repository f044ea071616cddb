package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T `json:"items"`
	// NextCursor asks for the next page; "" on the last.
	NextCursor string `json:"nextCursor,omitempty"`
}

// Object is anything that the API shows, as JSON has it.
type Object map[string]any

// List returns every item of a list, page after page. path is that of the
// list, such as /api/v1/projects.
func (c *Client) List(ctx context.Context, path string, query url.Values) ([]Object, error) {
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	var all []Object
	for {
		var page Page[Object]
		if err := c.Do(ctx, Request{Path: path, Query: q}, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all, nil
		}
		q.Set("cursor", page.NextCursor)
	}
}

// Get returns one thing by its path.
func (c *Client) Get(ctx context.Context, path string) (Object, error) {
	var o Object
	return o, c.Do(ctx, Request{Path: path}, &o)
}

// Delete takes one thing away by its path. Where that takes time, the
// operation to follow is returned; nil where it is done.
func (c *Client) Delete(ctx context.Context, path string) (*Operation, error) {
	return c.delete(ctx, Request{Path: path})
}

func (c *Client) delete(ctx context.Context, r Request) (*Operation, error) {
	r.Method = http.MethodDelete
	var raw json.RawMessage
	if err := c.Do(ctx, r, &raw); err != nil {
		return nil, err
	}
	var op Operation
	if len(raw) == 0 || json.Unmarshal(raw, &op) != nil || op.ID == "" {
		return nil, nil
	}
	return &op, nil
}

// ProjectPath is the path of something within a project.
func ProjectPath(project string, segments ...string) string {
	return PathOf(append([]string{"api", "v1", "projects", project}, segments...)...)
}

func paging(limit int, cursor string) url.Values {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	set(q, "cursor", cursor)
	return q
}
