// Package api is the catalog's HTTP API: Slipway's own and the part of
// Backstage's that its clients read with.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
	"github.com/slipway-idp/slipway/services/catalog/internal/inventory"
)

// API serves what openapi.yaml says.
type API struct {
	Inventory *inventory.Inventory
	Spec      []byte // openapi.yaml
}

// Handler is the API. Everything but its own description is for those whom the
// gateway names.
func (a *API) Handler(identity httpapi.Identity) http.Handler {
	s := httpapi.NewSurface(a.Spec, identity.Middleware)
	s.Handle("GET /api/v1/entities", a.list)
	s.Handle("GET /api/v1/entities/{ref...}", a.get)
	s.Handle("DELETE /api/v1/entities/{ref...}", a.remove)
	s.Handle("GET /api/catalog/entities", a.backstageList)
	s.Handle("GET /api/catalog/entities/by-query", a.backstageQuery)
	s.Handle("POST /api/catalog/entities/by-refs", a.backstageRefs)
	s.Handle("GET /api/catalog/entities/by-name/{kind}/{namespace}/{name}", a.backstageName)
	kinds := map[string]docapi.Kind{}
	for _, name := range entity.KindNames() {
		kinds[name] = a.documents(name)
	}
	documents := docapi.Handler{Kinds: kinds}
	documents.Routes(s.Inner)
	documents.Schemas(s.Open)
	return s
}

func (a *API) documents(kind string) docapi.Kind {
	return docapi.Kind{
		Schema: entity.Schema(kind),
		Preview: func(ctx context.Context, item docapi.Item) (have, want any, err error) {
			next, _ := entity.Read(item.Document)
			v, err := a.Inventory.Get(ctx, next.Ref())
			if errors.Is(err, store.ErrNotFound) {
				return nil, nil, nil
			}
			return v.State, next, err
		},
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			_, faults := entity.Read(item.Document)
			return faults, nil
		},
		Apply: func(ctx context.Context, item docapi.Item) (docapi.Result, error) {
			e, faults := entity.Read(item.Document)
			if len(faults) > 0 {
				return docapi.Result{}, httpapi.Unprocessable(faults...)
			}
			v, created, changed, err := a.Inventory.Put(ctx, e, httpapi.CauseOf(ctx))
			if err != nil {
				return docapi.Result{}, err
			}
			result := docapi.Result{Result: docapi.Unchanged, Project: events.Org, Version: v.Version, Location: "/api/v1/entities/" + e.Ref().String()}
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

// Relation of an entity as the API shows it.
type Relation struct {
	Type      string `json:"type"`
	TargetRef string `json:"targetRef"`
	// Dangling: nothing is in the catalog under the target.
	Dangling bool `json:"dangling,omitempty"`
}

// Entity as the API shows it.
type Entity struct {
	Ref string `json:"ref"`
	entity.Entity
	Relations []Relation `json:"relations"`
	Version   int64      `json:"version"`
	Created   time.Time  `json:"createdAt"`
	Updated   time.Time  `json:"updatedAt"`
}

func (a *API) show(v inventory.Stored) Entity {
	e := Entity{Ref: v.ID, Entity: v.State, Relations: []Relation{}, Version: v.Version, Created: v.Created, Updated: v.Updated}
	for _, arrow := range a.Inventory.Relations(v.State.Ref()) {
		e.Relations = append(e.Relations, Relation{arrow.Type, arrow.Target.String(), arrow.Dangling})
	}
	return e
}

// listParameters are those that list knows; a misspelt one would silently let
// everything through.
var listParameters = []string{"kind", "type", "owner", "q", "limit", "cursor"}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	f, err := a.filter(r)
	if err != nil {
		return err
	}
	stored, next, err := a.Inventory.List(r.Context(), f, limit, cursor)
	if err != nil {
		return err
	}
	items := make([]Entity, len(stored))
	for i, v := range stored {
		items[i] = a.show(v)
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) filter(r *http.Request) (inventory.Filter, error) {
	q := r.URL.Query()
	for name := range q {
		if !contains(listParameters, name) {
			detail := fmt.Sprintf("There is no parameter %q here.", name)
			if near := document.Nearest(name, listParameters); near != "" {
				detail += fmt.Sprintf(" Did you mean %q?", near)
			}
			return inventory.Filter{}, httpapi.BadRequest(detail)
		}
	}
	f := inventory.Filter{Type: q.Get("type"), Text: q.Get("q")}
	for _, kind := range q["kind"] {
		if !knownKind(kind) {
			detail := fmt.Sprintf("%q is no kind of entity.", kind)
			if near := document.Nearest(kind, entity.KindNames()); near != "" {
				detail += fmt.Sprintf(" Did you mean %q?", near)
			}
			return f, httpapi.BadRequest(detail)
		}
		f.Kinds = append(f.Kinds, kind)
	}
	for _, text := range q["owner"] {
		ref, err := entity.ParseRef(text, "group")
		if err != nil {
			return f, httpapi.BadRequest(err.Error())
		}
		f.Owners = append(f.Owners, a.Inventory.Owners(ref)...)
	}
	return f, nil
}

func knownKind(kind string) bool {
	for _, name := range entity.KindNames() {
		if strings.EqualFold(name, kind) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

// pathRef reads kind:namespace/name, kind:name, kind/namespace/name or
// kind/name.
func pathRef(text string) (entity.Ref, error) {
	if !strings.Contains(text, ":") {
		text = strings.Replace(text, "/", ":", 1)
	}
	ref, err := entity.ParseRef(text, "")
	if err != nil {
		return ref, httpapi.BadRequest(err.Error() + ".")
	}
	return ref, nil
}

func (a *API) get(w http.ResponseWriter, r *http.Request) error {
	ref, err := pathRef(r.PathValue("ref"))
	if err != nil {
		return err
	}
	v, err := a.Inventory.Get(r.Context(), ref)
	if err != nil {
		return missing(err, ref)
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, a.show(v))
	return nil
}

func (a *API) remove(w http.ResponseWriter, r *http.Request) error {
	ref, err := pathRef(r.PathValue("ref"))
	if err != nil {
		return err
	}
	version, conditional, err := httpapi.IfMatch(r)
	if err != nil {
		return err
	}
	var expected *int64
	if conditional {
		expected = &version
	}
	if err := a.Inventory.Remove(r.Context(), ref, expected, httpapi.CauseOf(r.Context())); err != nil {
		return missing(err, ref)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func missing(err error, ref entity.Ref) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpapi.NotFound("entity", ref.String(), "Search with: GET /api/v1/entities?q="+ref.Name)
	}
	return err
}

func decodeObject(raw json.RawMessage) map[string]any {
	var v map[string]any
	_ = json.Unmarshal(raw, &v)
	return v
}
