package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
)

type handler = func(http.ResponseWriter, *http.Request) error

// What follows is the same for everything that is kept by project and name.

func lister[T, U any](repo *aggregate.Repository[T], index string, show func(aggregate.Versioned[T]) U) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		limit, cursor, err := httpapi.Paging(r)
		if err != nil {
			return err
		}
		items, next, err := repo.List(r.Context(), aggregate.Filter{Limit: limit, Cursor: cursor, Where: []store.Term{{Index: index, Value: r.PathValue("project")}}})
		if err != nil {
			return badCursor(err)
		}
		page(w, items, next, show)
		return nil
	}
}

func getter[T, U any](kind string, repo *aggregate.Repository[T], show func(aggregate.Versioned[T]) U) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := repo.Get(r.Context(), channel.ID(r.PathValue("project"), r.PathValue("name")))
		if err != nil {
			return missing(err, kind, r.PathValue("name"))
		}
		httpapi.SetVersion(w, v.Version)
		httpapi.JSON(w, http.StatusOK, show(v))
		return nil
	}
}

func deleter[T any](kind string, repo *aggregate.Repository[T]) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		id := channel.ID(r.PathValue("project"), name)
		expected, conditional, err := httpapi.IfMatch(r)
		if err != nil {
			return err
		}
		remove := func(_ *T, exists bool) (aggregate.Decision, error) {
			if !exists {
				return aggregate.Decision{}, fmt.Errorf("%s %q: %w", kind, name, store.ErrNotFound)
			}
			return aggregate.Decision{Delete: true}, nil
		}
		if conditional {
			_, err = repo.UpdateAt(r.Context(), id, expected, httpapi.CauseOf(r.Context()), remove)
		} else {
			_, err = repo.Update(r.Context(), id, httpapi.CauseOf(r.Context()), remove)
		}
		if err != nil {
			return missing(err, kind, name)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

func page[T, U any](w http.ResponseWriter, items []aggregate.Versioned[T], next string, show func(aggregate.Versioned[T]) U) {
	out := make([]U, len(items))
	for i, item := range items {
		out[i] = show(item)
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
}

func missing(err error, kind, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpapi.NotFound(kind, name, "It may be in another project.")
	}
	return err
}

func badCursor(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return httpapi.BadRequest("The cursor is not of this list; begin again without one.")
	}
	return err
}
