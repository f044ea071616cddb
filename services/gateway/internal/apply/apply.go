// Package apply carries out what people hand in as documents: it splits a
// source, lets every owner check its part, and only if nothing at all is wrong
// applies everything in order of dependence, as one operation with a result
// for each document. Documents are passed on and never kept here: some hold
// secrets.
package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Owners reaches the owners of documents as the actor of ctx. Errors are
// problems as they shall be answered; one that is away says its name.
type Owners interface {
	Check(ctx context.Context, owner string, req docapi.Request) (docapi.Checked, error)
	Preview(ctx context.Context, owner string, req docapi.Request) (docapi.Applied, error)
	Apply(ctx context.Context, owner string, req docapi.Request) (docapi.Applied, error)
}

// Projects knows which projects there are.
type Projects interface {
	// Exists tells whether there is a project of this name.
	Exists(ctx context.Context, name string) (bool, error)
	// Names lists projects, for hints.
	Names(ctx context.Context) []string
}

// Applier applies documents.
type Applier struct {
	Owners     Owners
	Projects   Projects
	Operations *Operations
	Clock      func() time.Time
}

// Request is what was handed in.
type Request struct {
	ID        string // of the operation: handed in twice under one id it is applied once
	Project   string // for documents that need one and name none
	Documents []document.Document
	Faults    []httpapi.Fault // what Split found wrong
	DryRun    bool
}

// item is a document on its way.
type item struct {
	document.Document
	kind    kind
	project string // what its owner is told as the default
	ref     docapi.Reference
	at      int // place among all
}

// Apply checks and applies. With DryRun it ends after the check, and says what
// applying would change. The error is a
// problem with every fault, and then nothing was changed; or one that stopped
// it half way, and then the operation says how far it came.
func (a *Applier) Apply(ctx context.Context, req Request) (Operation, error) {
	if op, ok := a.Operations.done(ctx, req.ID); ok {
		return op, nil
	}
	items, faults, err := a.sort(ctx, req)
	if err != nil {
		return Operation{}, err
	}
	found, err := a.check(ctx, items)
	if err != nil {
		return Operation{}, err
	}
	if faults = append(faults, found...); len(faults) > 0 {
		return Operation{}, httpapi.Unprocessable(inOrder(faults)...)
	}
	if len(items) == 0 {
		return Operation{}, httpapi.BadRequest("There is no document in what was sent.")
	}
	op := Operation{
		ID: req.ID, Kind: "apply", Status: StatusRunning, DryRun: req.DryRun,
		Actor: httpapi.ActorFrom(ctx).Name, CorrelationID: httpapi.CorrelationFrom(ctx), CreatedAt: a.Clock().UTC(),
	}
	if req.DryRun {
		op.Status = StatusDone
		op.Results, err = a.preview(ctx, items)
		return op, err
	}
	if err := a.Operations.save(ctx, op); err != nil {
		return op, err
	}
	stop := a.carryOut(ctx, items, &op)
	op.FinishedAt = a.Clock().UTC()
	op.Status = StatusDone
	if stop != nil {
		op.Status = StatusFailed
		op.Problem = httpapi.ProblemOf(stop)
	}
	// What was done is done, whether or not the asker still waits.
	if err := a.Operations.save(context.WithoutCancel(ctx), op); err != nil && stop == nil {
		return op, err
	}
	return op, stop
}

// sort finds owner, order and project of every document.
func (a *Applier) sort(ctx context.Context, req Request) ([]item, []httpapi.Fault, error) {
	var (
		items  []item
		faults = slices.Clone(req.Faults)
		table  = kinds()
		first  = map[docapi.Reference]document.Document{}
		making = map[string]bool{}
	)
	for _, d := range req.Documents {
		if d.Kind == "Project" {
			making[d.Metadata.Name] = true
		}
	}
	unknown := map[string]string{} // project → hint, asked once each
	for _, d := range req.Documents {
		k, ok := table[d.Kind]
		if !ok {
			faults = append(faults, unknownKind(d))
			continue
		}
		it := item{Document: d, kind: k, project: d.Metadata.Project}
		if k.scope == ofProject && it.project == "" {
			it.project = req.Project
		}
		it.ref = docapi.Reference{Kind: d.Kind, Name: d.Metadata.Name, Project: it.project}
		items = append(items, it)
		if k.scope == ofProject && it.project == "" {
			faults = append(faults, d.Fault("/metadata", "a "+d.Kind+" belongs to a project, and this one names none",
				"write metadata.project, or name one with --project"))
			continue
		}
		if it.project != "" && it.project != events.Org && !making[it.project] {
			hint, missing, err := a.missing(ctx, it.project, unknown)
			if err != nil {
				return nil, nil, err
			}
			if missing {
				at := "/metadata/project"
				if d.Metadata.Project == "" {
					at = "/metadata"
				}
				faults = append(faults, d.Fault(at, fmt.Sprintf("there is no project %q", it.project), hint))
			}
		}
		key := it.ref
		key.Name += "\x00" + d.Metadata.Namespace
		if before, twice := first[key]; twice {
			faults = append(faults, d.Fault("/metadata/name", fmt.Sprintf("%s is in what was sent twice", d.Ref()),
				fmt.Sprintf("the other one is at %s:%d", before.Source, before.Line)))
		} else {
			first[key] = d
		}
	}
	slices.SortStableFunc(items, func(x, y item) int { return x.kind.rank - y.kind.rank })
	for i := range items {
		items[i].at = i
	}
	return items, faults, nil
}

func unknownKind(d document.Document) httpapi.Fault {
	hint := "known are " + strings.Join(Kinds(), ", ")
	if near := nearestKind(d.Kind); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return d.Fault("/kind", fmt.Sprintf("unknown kind %q", d.Kind), hint)
}

func (a *Applier) missing(ctx context.Context, project string, asked map[string]string) (hint string, missing bool, err error) {
	if hint, ok := asked[project]; ok {
		return hint, hint != "", nil
	}
	if events.CheckProject(project) == nil {
		exists, err := a.Projects.Exists(ctx, project)
		if err != nil {
			return "", false, err
		}
		if exists {
			asked[project] = ""
			return "", false, nil
		}
	}
	hint = "a Project document makes one; it may be in the same apply"
	if near := document.Nearest(project, a.Projects.Names(ctx)); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	asked[project] = hint
	return hint, true, nil
}

// check lets all owners look at once.
func (a *Applier) check(ctx context.Context, items []item) ([]httpapi.Fault, error) {
	answers, err := askAll(ctx, shares(items), references(items), a.Owners.Check)
	var faults []httpapi.Fault
	for _, answer := range answers {
		faults = append(faults, answer.Faults...)
	}
	return faults, err
}

// preview asks all owners what they would change. The answers are in the order
// of the items.
func (a *Applier) preview(ctx context.Context, items []item) ([]docapi.Result, error) {
	parts := shares(items)
	answers, err := askAll(ctx, parts, references(items), a.Owners.Preview)
	if err != nil {
		return nil, err
	}
	results := make([]docapi.Result, len(items))
	for i, part := range parts {
		if len(answers[i].Results) != len(part) {
			return nil, fmt.Errorf("%s previewed %d documents of %d", part[0].kind.owner, len(answers[i].Results), len(part))
		}
		for j, it := range part {
			results[it.at] = answers[i].Results[j]
			results[it.at].Project = it.ref.Project
		}
	}
	return results, nil
}

// shares parts items into what one request each can take: an owner's, with one
// default project.
func shares(items []item) [][]item {
	var parts [][]item
	at := map[string]int{}
	for _, it := range items {
		name := it.kind.owner + "\x00" + it.project
		i, ok := at[name]
		if !ok {
			i = len(parts)
			at[name], parts = i, append(parts, nil)
		}
		parts[i] = append(parts[i], it)
	}
	return parts
}

// askAll asks the owner of each part, all at once.
func askAll[T any](ctx context.Context, parts [][]item, refs []docapi.Reference,
	ask func(ctx context.Context, owner string, req docapi.Request) (T, error),
) ([]T, error) {
	var (
		wg      sync.WaitGroup
		answers = make([]T, len(parts))
		errs    = make([]error, len(parts))
	)
	for i, part := range parts {
		wg.Go(func() { answers[i], errs[i] = ask(ctx, part[0].kind.owner, request(part, refs)) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// singly is up to how many documents are applied one by one, so that each has
// a result of its own even if a later one fails; more go in chunks.
const (
	singly = 200
	chunk  = 50
)

func (a *Applier) carryOut(ctx context.Context, items []item, op *Operation) error {
	size := 1
	if len(items) > singly {
		size = chunk
	}
	refs := references(items)
	for len(items) > 0 {
		n := 1
		for n < size && n < len(items) && items[n].kind.owner == items[0].kind.owner && items[n].project == items[0].project {
			n++
		}
		part := items[:n]
		items = items[n:]
		answer, err := a.Owners.Apply(ctx, part[0].kind.owner, request(part, refs))
		if err != nil {
			for _, it := range append(slices.Clone(part), items...) {
				op.Results = append(op.Results, docapi.Result{Kind: it.ref.Kind, Name: it.ref.Name, Project: it.ref.Project, Result: "not applied"})
			}
			return stopped(part[0], op, err)
		}
		op.Results = append(op.Results, answer.Results...)
	}
	return nil
}

func stopped(it item, op *Operation, err error) error {
	var p *httpapi.Problem
	if !errors.As(err, &p) {
		return err
	}
	q := *p
	q.Detail = fmt.Sprintf("%s %s was not applied, nor what comes after it; what was before it is. Apply all of it again when this is mended: that is safe. Operation %s has the result of each document.",
		p.Detail, it.Ref(), op.ID)
	return &q
}

func references(items []item) []docapi.Reference {
	refs := make([]docapi.Reference, 0, len(items))
	for _, it := range items {
		refs = append(refs, it.ref)
	}
	return refs
}

func request(items []item, refs []docapi.Reference) docapi.Request {
	req := docapi.Request{Project: items[0].project, Context: refs}
	for _, it := range items {
		req.Documents = append(req.Documents, docapi.Raw{Source: it.Source, Line: it.Line, Raw: string(it.Raw)})
	}
	return req
}

// inOrder sorts faults as one reads: by source, line and column.
func inOrder(faults []httpapi.Fault) []httpapi.Fault {
	slices.SortStableFunc(faults, func(x, y httpapi.Fault) int {
		if c := strings.Compare(x.Source, y.Source); c != 0 {
			return c
		}
		if x.Line != y.Line {
			return x.Line - y.Line
		}
		return x.Column - y.Column
	})
	return faults
}
