// Package workload keeps what workloads are declared to be: Score files that
// were applied, or that came with an artifact. What runs is the Score file of
// the artifact that is deployed; a declaration says what there is before that.
package workload

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/score-spec/score-go/schema"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// Where a declaration came from.
const (
	Applied  = "applied"
	Artifact = "artifact"
)

// Workload is a declaration.
type Workload struct {
	Project string `json:"project"`
	Name    string `json:"name"`
	Origin  string `json:"origin"`
	Score   string `json:"score"` // the file's text
	Digest  string `json:"digest"`
}

// Workloads keeps declarations.
type Workloads struct {
	repo *aggregate.Repository[Workload]
}

// New makes it over a service's store.
func New(s store.Store, service string, clock func() time.Time) *Workloads {
	return &Workloads{aggregate.New(s, aggregate.Options[Workload]{Service: service, Kind: "workload", Clock: clock, Indexes: func(w *Workload) store.Indexes {
		return store.Indexes{"project": {w.Project}}
	}})}
}

func id(project, name string) string { return project + "/" + name }

// Declare notes a Score file. What was applied is not replaced by what an
// artifact brings.
func (w *Workloads) Declare(ctx context.Context, project, origin, text string, parsed score.Workload, cause events.Cause) (result string, version int64, err error) {
	v, err := w.repo.Update(ctx, id(project, parsed.Name), cause, func(s *Workload, exists bool) (aggregate.Decision, error) {
		switch {
		case exists && (s.Digest == parsed.Digest && s.Origin == origin || s.Origin == Applied && origin == Artifact):
			result = docapi.Unchanged
			return aggregate.Decision{Skip: true}, nil
		case exists:
			result = docapi.Updated
		default:
			result = docapi.Created
		}
		*s = Workload{Project: project, Name: parsed.Name, Origin: origin, Score: text, Digest: parsed.Digest}
		return aggregate.Decision{}, nil
	})
	return result, v.Version, err
}

// Get returns a declaration; store.ErrNotFound where there is none.
func (w *Workloads) Get(ctx context.Context, project, name string) (Workload, error) {
	v, err := w.repo.Get(ctx, id(project, name))
	return v.State, err
}

// List is a page of a project's declarations, by name.
func (w *Workloads) List(ctx context.Context, project string, limit int, cursor string) ([]Workload, string, error) {
	found, next, err := w.repo.List(ctx, aggregate.Filter{Where: []store.Term{{Index: "project", Value: project}}, Limit: limit, Cursor: cursor})
	out := make([]Workload, 0, len(found))
	for _, v := range found {
		out = append(out, v.State)
	}
	return out, next, err
}

// Remove takes a declaration away; what runs is left alone.
func (w *Workloads) Remove(ctx context.Context, project, name string, cause events.Cause) error {
	_, err := w.repo.Update(ctx, id(project, name), cause, func(_ *Workload, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, store.ErrNotFound
		}
		return aggregate.Decision{Delete: true}, nil
	})
	return err
}

// Documents is how Score files are applied.
func (w *Workloads) Documents(cause func(context.Context) events.Cause) docapi.Kind {
	return docapi.Kind{
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			_, err := score.Load(item.Source, item.Line, item.Raw)
			return Faults(item.Ref(), err), nil
		},
		Preview: func(ctx context.Context, item docapi.Item) (have, want any, err error) {
			was, err := w.Get(ctx, item.Project, item.Metadata.Name)
			switch {
			case errors.Is(err, store.ErrNotFound):
				return nil, nil, nil
			case err != nil:
				return nil, nil, err
			}
			docs, _ := document.Split("", strings.NewReader(was.Score))
			if len(docs) != 1 || was.Origin != Applied { // an artifact's is replaced as a whole
				return map[string]any{"origin": was.Origin}, map[string]any{"origin": Applied}, nil
			}
			return json.RawMessage(docs[0].JSON()), json.RawMessage(item.JSON()), nil
		},
		Schema: []byte(schema.ScoreSchemaV1b1),
		Apply: func(ctx context.Context, item docapi.Item) (docapi.Result, error) {
			parsed, err := score.Load(item.Source, item.Line, item.Raw)
			if err != nil {
				return docapi.Result{}, err
			}
			result, version, err := w.Declare(ctx, item.Project, Applied, string(item.Raw), parsed, cause(ctx))
			return docapi.Result{Result: result, Version: version,
				Location: "/api/v1/projects/" + item.Project + "/workloads/" + parsed.Name}, err
		},
	}
}

// Faults turns what is wrong in a Score file into what the API says; nil
// where err is none of a Score file.
func Faults(document string, err error) []httpapi.Fault {
	var invalid *score.InvalidError
	if !errors.As(err, &invalid) {
		return nil
	}
	var out []httpapi.Fault
	for _, f := range invalid.Faults {
		out = append(out, httpapi.Fault{Document: document, Pointer: pointer(f.Field), Source: f.Source,
			Line: f.Line, Column: f.Column, Message: f.Message, Hint: f.Hint})
	}
	return out
}

func pointer(field string) string {
	if field == "" {
		return ""
	}
	out := make([]byte, 0, len(field)+1)
	out = append(out, '/')
	for _, c := range []byte(field) {
		switch c {
		case '.':
			out = append(out, '/')
		case '/':
			out = append(out, "~1"...)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
