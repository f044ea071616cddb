package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
)

// allProjects is the scope of a definition that is for every project.
const allProjects = events.Org

func scope(project string) string {
	if project == "" {
		return allProjects
	}
	return project
}

// SetType makes or replaces an environment type. changed is false where it was
// the same already.
func (e *Environments) SetType(ctx context.Context, cause events.Cause, t Type) (v aggregate.Versioned[Type], created, changed bool, err error) {
	v, err = e.types.Update(ctx, t.Name, cause, func(s *Type, exists bool) (aggregate.Decision, error) {
		created, changed = !exists, !exists || *s != t
		*s = t
		return aggregate.Decision{Skip: !changed}, nil
	})
	return v, created, changed, err
}

// CheckType says what is wrong with an environment type.
func CheckType(t Type) error {
	if err := CheckName("environment type", t.Name); err != nil {
		return err
	}
	if t.MaxTTL > 0 && t.DefaultTTL > t.MaxTTL {
		return fmt.Errorf("defaultTtl %s is longer than maxTtl %s", t.DefaultTTL, t.MaxTTL)
	}
	return nil
}

// Type is one environment type: a document's, or a built-in one.
func (e *Environments) Type(ctx context.Context, name string) (Type, error) {
	v, err := e.types.Get(ctx, name)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return v.State, err
	}
	for _, t := range builtIn() {
		if t.Name == name {
			return t, nil
		}
	}
	all, err := e.Types(ctx)
	if err != nil {
		return Type{}, err
	}
	var names []string
	for _, t := range all {
		names = append(names, t.Name)
	}
	return Type{}, httpapi.NotFound("environment type", name, "There is "+strings.Join(names, ", ")+"; make another with a document of kind EnvironmentType.")
}

// Types are all environment types, by name.
func (e *Environments) Types(ctx context.Context) ([]Type, error) {
	by := map[string]Type{}
	for _, t := range builtIn() {
		by[t.Name] = t
	}
	for cursor := ""; ; {
		page, next, err := e.types.List(ctx, aggregate.Filter{Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			by[v.State.Name] = v.State
		}
		if cursor = next; next == "" {
			break
		}
	}
	var out []Type
	for _, t := range by {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// MadeType is a type that a document made; store.ErrNotFound, also for a
// built-in one.
func (e *Environments) MadeType(ctx context.Context, name string) (Type, error) {
	v, err := e.types.Get(ctx, name)
	return v.State, err
}

// DeleteType forgets a type that a document made. Environments of it stay.
func (e *Environments) DeleteType(ctx context.Context, cause events.Cause, name string) error {
	_, err := e.types.Update(ctx, name, cause, func(_ *Type, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, httpapi.NotFound("environment type", name, "Built-in types cannot be deleted, only replaced.")
		}
		return aggregate.Decision{Delete: true}, nil
	})
	return err
}

// SetDefinition makes or replaces a resource definition.
func (e *Environments) SetDefinition(ctx context.Context, cause events.Cause, d definition.Definition) (v aggregate.Versioned[definition.Definition], created, changed bool, err error) {
	v, err = e.definitions.Update(ctx, scope(d.Project)+"/"+d.Name, cause, func(s *definition.Definition, exists bool) (aggregate.Decision, error) {
		created, changed = !exists, !exists || digest(*s) != digest(d)
		*s = d
		return aggregate.Decision{Skip: !changed}, nil
	})
	return v, created, changed, err
}

// DeleteDefinition forgets a definition. What it made stays until it is released.
func (e *Environments) DeleteDefinition(ctx context.Context, cause events.Cause, project, name string) error {
	_, err := e.definitions.Update(ctx, scope(project)+"/"+name, cause, func(_ *definition.Definition, exists bool) (aggregate.Decision, error) {
		if !exists {
			return aggregate.Decision{}, httpapi.NotFound("resource definition", name, "")
		}
		return aggregate.Decision{Delete: true}, nil
	})
	return err
}

// Definition is one definition of a project, or else of all projects.
func (e *Environments) Definition(ctx context.Context, project, name string) (aggregate.Versioned[definition.Definition], error) {
	v, err := e.definitions.Get(ctx, scope(project)+"/"+name)
	if errors.Is(err, store.ErrNotFound) && scope(project) != allProjects {
		return e.definitions.Get(ctx, allProjects+"/"+name)
	}
	return v, err
}

// Definitions are those that a project may use: its own, and those of all.
func (e *Environments) Definitions(ctx context.Context, project string) ([]definition.Definition, error) {
	var out []definition.Definition
	for _, of := range slices.Compact([]string{allProjects, scope(project)}) {
		for cursor := ""; ; {
			page, next, err := e.definitions.List(ctx, aggregate.Filter{
				Where: []store.Term{{Index: "project", Value: of}}, Cursor: cursor,
			})
			if err != nil {
				return nil, err
			}
			for _, v := range page {
				out = append(out, v.State)
			}
			if cursor = next; next == "" {
				break
			}
		}
	}
	return out, nil
}
