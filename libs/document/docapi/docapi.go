// Package docapi mounts the inner endpoints that every owner of documents has:
// /documents/check says what is wrong and /documents/preview what would change,
// both without an effect, and /documents/apply carries out, safely repeatable.
// The gateway calls them when it takes an `apply` apart. /schemas/{kind}.json
// has the JSON Schema of each kind, for editors.
package docapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Request is the body of both endpoints.
type Request struct {
	// Project is what documents belong to that name none themselves.
	Project string `json:"project"`
	// Documents of this owner, in the order in which they are to be applied.
	Documents []Raw `json:"documents"`
	// Context lists all documents of the batch, also of other owners, so that
	// references to what is about to be made can be resolved.
	Context []Reference `json:"context,omitempty"`
}

// Raw is a document as it was written, with its place.
type Raw struct {
	Source string `json:"source"`
	Line   int    `json:"line"`
	Raw    string `json:"raw"`
}

// Reference names a document of the batch.
type Reference struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Project string `json:"project,omitempty"`
}

// Checked is the answer of check. No faults: all can be applied.
type Checked struct {
	Faults []httpapi.Fault `json:"faults"`
}

// The outcomes of a document.
const (
	Created   = "created"
	Updated   = "updated"
	Unchanged = "unchanged"
	Valid     = "valid"
)

// Result is what became of one document.
type Result struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Project string `json:"project,omitempty"`
	// Result is Created, Updated or Unchanged; Valid in a preview that cannot
	// say which.
	Result  string `json:"result"`
	Version int64  `json:"version,omitempty"`
	// Location is the path of the thing in the public API.
	Location string `json:"location,omitempty"`
	// Operation is the id of what goes on behind it, where it takes time.
	Operation string `json:"operation,omitempty"`
	// Changes are the fields that would become different, in a preview of what
	// is there already.
	Changes []Change `json:"changes,omitempty"`
}

// Applied is the answer of apply, in the order of the request.
type Applied struct {
	Results []Result `json:"results"`
}

// Item is a document with what belongs to the request around it.
type Item struct {
	document.Document
	// Project is the document's own, or else the request's.
	Project string
	// Context as in Request.
	Context []Reference
}

// InBatch reports whether the batch itself brings a document of this kind,
// name and project.
func (i Item) InBatch(kind, name, project string) bool {
	return slices.Contains(i.Context, Reference{Kind: kind, Name: name, Project: project})
}

// Kind is how an owner checks and applies documents of one kind.
type Kind struct {
	// Check says everything that is wrong. An error means that it could not
	// be found out.
	Check func(ctx context.Context, item Item) ([]httpapi.Fault, error)
	// Apply makes it so. Doing it again answers Unchanged. It fills Result,
	// Version, Location and Operation; kind, name and project are filled in
	// where they are empty. A document that Check refuses never comes here.
	Apply func(ctx context.Context, item Item) (Result, error)
	// Preview gives what is there now, nil where nothing is, and what Apply
	// would make of it: as values whose JSON has the form of the document. It
	// has no effect. nil: what would change cannot be told.
	Preview func(ctx context.Context, item Item) (have, want any, err error)
	// Secret lists JSON pointers of what a preview never shows.
	Secret []string
	// Schema is the kind's JSON Schema, for editors; SchemaOf makes it.
	Schema []byte
}

// Handler serves the endpoints for the kinds of one owner, by their name.
type Handler struct {
	Kinds map[string]Kind
}

// Routes adds the endpoints to a mux.
func (h Handler) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /documents/check", h.check)
	mux.HandleFunc("POST /documents/preview", h.preview)
	mux.HandleFunc("POST /documents/apply", h.apply)
}

// Schemas adds /schemas/{kind}.json to a mux: for everybody, so it may be
// another one than that of Routes.
func (h Handler) Schemas(mux *http.ServeMux) {
	mux.HandleFunc("GET /schemas/{file}", h.schema)
}

func (h Handler) check(w http.ResponseWriter, r *http.Request) {
	_, faults, err := h.read(r)
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	httpapi.JSON(w, http.StatusOK, Checked{Faults: append([]httpapi.Fault{}, faults...)})
}

// apply checks everything once more, so that nothing is changed when one
// document of the request is wrong.
func (h Handler) apply(w http.ResponseWriter, r *http.Request) {
	items, faults, err := h.read(r)
	if err == nil && len(faults) > 0 {
		err = httpapi.Unprocessable(faults...)
	}
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	applied := Applied{Results: []Result{}}
	for _, item := range items {
		result, err := h.Kinds[item.Kind].Apply(r.Context(), item)
		if err != nil {
			httpapi.Write(w, r, stopped(item, len(applied.Results), err))
			return
		}
		result.Kind, result.Name = item.Kind, item.Metadata.Name
		if result.Project == "" {
			result.Project = item.Project
		}
		applied.Results = append(applied.Results, result)
	}
	httpapi.JSON(w, http.StatusOK, applied)
}

// stopped says at which document an apply ended.
func stopped(item Item, done int, err error) error {
	var p *httpapi.Problem
	if !errors.As(err, &p) {
		return fmt.Errorf("%s: %w", item.Ref(), err)
	}
	q := *p
	q.Detail = fmt.Sprintf("%s: %s (%d documents before it were applied; applying all of them again is safe)", item.Ref(), p.Detail, done)
	return &q
}

// maxBody is what a batch may have: the documents, and JSON's escapes around them.
const maxBody = 2 * document.MaxSize

func (h Handler) read(r *http.Request) ([]Item, []httpapi.Fault, error) {
	var req Request
	if err := httpapi.DecodeLimit(r, &req, maxBody); err != nil {
		return nil, nil, err
	}
	var (
		items  []Item
		faults []httpapi.Fault
	)
	for _, raw := range req.Documents {
		d, found := document.Parse(raw.Source, raw.Line, []byte(raw.Raw))
		if len(found) > 0 {
			faults = append(faults, found...)
			continue
		}
		item := Item{Document: d, Project: d.Metadata.Project, Context: req.Context}
		if item.Project == "" {
			item.Project = req.Project
		}
		kind, ok := h.Kinds[d.Kind]
		if !ok {
			faults = append(faults, d.Fault("/kind", fmt.Sprintf("unknown kind %q", d.Kind), h.hint(d.Kind)))
			continue
		}
		found, err := kind.Check(r.Context(), item)
		if err != nil {
			return nil, nil, fmt.Errorf("checking %s: %w", d.Ref(), err)
		}
		faults = append(faults, found...)
		items = append(items, item)
	}
	return items, faults, nil
}

func (h Handler) hint(kind string) string {
	if near := document.Nearest(kind, slices.Sorted(maps.Keys(h.Kinds))); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
