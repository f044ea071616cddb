package client

import (
	"bytes"
	"context"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
)

// Applied is what became of the documents.
type Applied struct {
	ID      string          `json:"id,omitempty"`
	Status  string          `json:"status,omitempty"`
	DryRun  bool            `json:"dryRun,omitempty"`
	Results []AppliedResult `json:"results"`
	// CorrelationID is that of every event that comes of it.
	CorrelationID string `json:"correlationId,omitempty"`
}

// AppliedResult is what became of one document: created, updated or unchanged;
// on a dry run what would, or valid where that cannot be told.
type AppliedResult struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Project  string `json:"project,omitempty"`
	Result   string `json:"result"`
	Version  int64  `json:"version,omitempty"`
	Location string `json:"location,omitempty"`
	// Operation is the id of what goes on behind it, where it takes time.
	Operation string `json:"operation,omitempty"`
	// Changes are the fields that would be different, on a dry run.
	Changes []Change `json:"changes,omitempty"`
}

// Change is a field that an apply would change. Old is nil where it is new, New
// where it goes; of a secret neither is told.
type Change struct {
	Field  string `json:"field"` // JSON pointer into the document
	Old    any    `json:"old,omitempty"`
	New    any    `json:"new,omitempty"`
	Secret bool   `json:"secret,omitempty"`
}

// Source is a file of documents. Name is what faults call it.
type Source struct {
	Name string
	Text []byte
}

// Apply sends YAML or JSON documents. All are checked before any is applied;
// sending them again is safe. With dryRun nothing is changed.
func (c *Client) Apply(ctx context.Context, project string, sources []Source, dryRun bool) (Applied, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, s := range sources {
		part, err := form.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {mime.FormatMediaType("form-data", map[string]string{"name": "documents", "filename": s.Name})},
			"Content-Type":        {"application/yaml"},
		})
		if err != nil {
			return Applied{}, err
		}
		if _, err := part.Write(s.Text); err != nil {
			return Applied{}, err
		}
	}
	if err := form.Close(); err != nil {
		return Applied{}, err
	}
	q := url.Values{}
	set(q, "project", project)
	if dryRun {
		q.Set("dryRun", "true")
	}
	var a Applied
	return a, c.Do(ctx, Request{
		Method: http.MethodPost, Path: "/api/v1/apply", Query: q,
		Header: http.Header{"Content-Type": {form.FormDataContentType()}}, Body: &body,
	}, &a)
}
