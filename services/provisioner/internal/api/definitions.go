package api

import (
	"context"
	"errors"

	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
)

func definitionOf(item docapi.Item, spec definition.Spec) definition.Definition {
	// Not the request's project: a definition that names none is for all.
	return definition.Definition{Name: item.Metadata.Name, Project: item.Metadata.Project, Spec: spec}
}

func (a *API) checkDefinition(ctx context.Context, item docapi.Item) ([]httpapi.Fault, error) {
	var spec definition.Spec
	faults := read(item, &spec, false)
	if err := definition.CheckName("resource definition", item.Metadata.Name); err != nil {
		faults = append(faults, item.Fault("/metadata/name", err.Error(), ""))
	}
	if len(faults) > 0 {
		return faults, nil
	}
	for _, f := range spec.Check(a.Drivers) {
		faults = append(faults, item.Fault("/spec"+f.Pointer, f.Message, ""))
	}
	if len(faults) > 0 {
		return faults, nil
	}
	_, faults, err := a.withModule(ctx, item, spec, false)
	return faults, err
}

// withModule gets the module that a spec names, and says what is wrong with it
// and between the two. The spec comes back with what the server knows of the
// module: what a branch was, and the digest. With keep, the module is kept.
func (a *API) withModule(ctx context.Context, item docapi.Item, spec definition.Spec, keep bool) (definition.Spec, []httpapi.Fault, error) {
	if spec.Module == nil {
		return spec, nil, nil
	}
	source, m, err := a.Modules.Fetch(ctx, *spec.Module, httpapi.CorrelationFrom(ctx), keep)
	var (
		wrong   *module.SourceError
		invalid *module.InvalidError
		faults  []httpapi.Fault
	)
	switch {
	case errors.As(err, &wrong) && errors.As(err, &invalid):
		for _, p := range invalid.Problems {
			faults = append(faults, item.Fault("/spec/module"+wrong.Pointer, p.String(), ""))
		}
		return spec, faults, nil
	case errors.As(err, &wrong):
		return spec, []httpapi.Fault{item.Fault("/spec/module"+wrong.Pointer, wrong.Error(), "")}, nil
	case err != nil:
		return spec, nil, err
	}
	spec.Module = &source
	for _, f := range spec.CheckModule(m) {
		faults = append(faults, item.Fault("/spec"+f.Pointer, f.Message, ""))
	}
	return spec, faults, nil
}

func (a *API) applyDefinition(ctx context.Context, item docapi.Item) (docapi.Result, error) {
	var spec definition.Spec
	if faults := item.Spec(&spec); len(faults) > 0 {
		return docapi.Result{}, httpapi.Unprocessable(faults...)
	}
	// Once more, and this time for good: what is carried out must be there.
	spec, faults, err := a.withModule(ctx, item, spec, true)
	if err == nil && len(faults) > 0 {
		err = httpapi.Unprocessable(faults...)
	}
	if err != nil {
		return docapi.Result{}, err
	}
	d := definitionOf(item, spec)
	v, created, changed, err := a.Environments.SetDefinition(ctx, httpapi.CauseOf(ctx), d)
	scope := d.Project
	if scope == "" {
		scope = "org"
	}
	return docapi.Result{Project: scope, Result: outcome(created, changed), Version: v.Version,
		Location: "/api/v1/projects/" + scope + "/resource-definitions/" + d.Name}, err
}

func (a *API) previewDefinition(ctx context.Context, item docapi.Item) (have, want any, err error) {
	var s definition.Spec
	item.Spec(&s)
	s, faults, err := a.withModule(ctx, item, s, false)
	if err == nil && len(faults) > 0 {
		err = httpapi.Unprocessable(faults...)
	}
	if err != nil {
		return nil, nil, err
	}
	d := definitionOf(item, s)
	was, err := a.Environments.Definition(ctx, d.Project, d.Name)
	if errors.Is(err, store.ErrNotFound) || err == nil && was.State.Project != d.Project {
		return nil, nil, nil // one of all projects is another one
	}
	return spec(was.State.Spec), spec(s), err
}
