package rulebook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/events"
)

// spec is the spec of a Policy document.
type spec struct {
	Kind string `json:"kind"`
	Rego string `json:"rego"`
}

// Documents takes Policy documents. cause says who asks.
func (b *Book) Documents(cause func(context.Context) events.Cause) docapi.Kind {
	return docapi.Kind{
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			_, faults := b.read(item.Document)
			return faults, nil
		},
		Preview: func(ctx context.Context, item docapi.Item) (have, want any, err error) {
			next, _ := b.read(item.Document)
			v, err := b.Get(ctx, next.Name)
			if errors.Is(err, store.ErrNotFound) {
				return nil, nil, nil
			}
			return shown(v.State), shown(next), err
		},
		Schema: docapi.SchemaOf[spec]("Policy", "A rule in Rego that decisions of its kind are made by.", "kind", "rego"),
		Apply: func(ctx context.Context, item docapi.Item) (docapi.Result, error) {
			p, faults := b.read(item.Document)
			if len(faults) > 0 {
				return docapi.Result{}, httpapi.Unprocessable(faults...)
			}
			v, created, changed, err := b.Put(ctx, p, cause(ctx))
			if err != nil {
				return docapi.Result{}, err
			}
			result := docapi.Result{Result: docapi.Unchanged, Project: p.Project, Version: v.Version, Location: "/api/v1/policies/" + p.Name}
			if p.Project == "" {
				result.Project = events.Org
			}
			switch {
			case created:
				result.Result = docapi.Created
			case changed:
				result.Result = docapi.Updated
			}
			return result, nil
		},
	}
}

// shown is a policy in the form of its document.
func shown(p Policy) any {
	return map[string]any{
		"metadata": document.Metadata{Name: p.Name, Project: p.Project, Description: p.Description},
		"spec":     spec{Kind: p.Kind, Rego: p.Rego},
	}
}

var policyName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// read takes a document apart and compiles it.
func (b *Book) read(d document.Document) (Policy, []httpapi.Fault) {
	var s spec
	faults := d.Spec(&s)
	if len(faults) > 0 {
		return Policy{}, faults
	}
	if !policyName.MatchString(d.Metadata.Name) {
		faults = append(faults, d.Fault("/metadata/name", fmt.Sprintf("%q is not a policy's name", d.Metadata.Name),
			"1 to 63 lower case letters, digits and dashes, with none at either end"))
	}
	if d.Metadata.Namespace != "" {
		faults = append(faults, d.Fault("/metadata/namespace", "a policy has no namespace", "metadata.project narrows it to one project"))
	}
	if !slices.Contains(Kinds(), s.Kind) {
		hint := "one of: " + strings.Join(Kinds(), ", ")
		if near := document.Nearest(s.Kind, Kinds()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return Policy{}, append(faults, d.Fault("/spec/kind", fmt.Sprintf("unknown policy kind %q", s.Kind), hint))
	}
	if _, wrong := b.compiler.Compile(d.Metadata.Name, s.Kind, s.Rego); len(wrong) > 0 {
		at := d.Fault("/spec/rego", "", "")
		line, indent, known := blockStart(d.Raw, at.Line-d.Line+1)
		for _, w := range wrong {
			f := at
			f.Message, f.Hint = w.Message, w.Hint
			switch {
			case w.Line == 0:
			case known:
				f.Line, f.Column = d.Line-1+line+w.Line-1, indent+w.Column
			default: // a quoted or folded text: its lines are not the file's
				f.Message = fmt.Sprintf("%s (line %d, column %d of the Rego)", w.Message, w.Line, w.Column)
			}
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return Policy{}, faults
	}
	return Policy{Name: d.Metadata.Name, Project: d.Metadata.Project, Description: d.Metadata.Description, Kind: s.Kind, Rego: s.Rego}, nil
}

var literalBlock = regexp.MustCompile(`\|[+-]?[ \t]*(#.*)?\r?$`)

// blockStart finds the first line of a literal block ("rego: |") that begins
// at or just before line of raw, and how far it is indented.
func blockStart(raw []byte, line int) (first, indent int, known bool) {
	lines := bytes.Split(raw, []byte("\n"))
	if line < 1 || line > len(lines) || !literalBlock.Match(lines[line-1]) {
		return 0, 0, false
	}
	for _, l := range lines[line:] {
		if text := bytes.TrimLeft(l, " "); len(bytes.TrimSpace(text)) > 0 {
			return line + 1, len(l) - len(text), true
		}
	}
	return 0, 0, false
}
