package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
	"github.com/slipway-idp/slipway/services/catalog/internal/inventory"
)

// backstageEntity is an entity as Backstage's catalog API shows it.
// Source: https://backstage.io/docs/features/software-catalog/software-catalog-api
func (a *API) backstageEntity(v inventory.Stored) map[string]any {
	raw, _ := json.Marshal(v.State.Metadata)
	metadata := decodeObject(raw)
	ref := v.State.Ref()
	if metadata["namespace"] == nil {
		metadata["namespace"] = entity.DefaultNamespace
	}
	metadata["uid"] = uid(v)
	metadata["etag"] = v.State.Digest()[:40]
	relations := []map[string]any{}
	for _, arrow := range a.Inventory.Relations(ref) {
		relations = append(relations, map[string]any{"type": arrow.Type, "targetRef": arrow.Target.String()})
	}
	out := map[string]any{"apiVersion": v.State.APIVersion, "kind": v.State.Kind, "metadata": metadata, "relations": relations}
	if len(v.State.Spec) > 0 {
		out["spec"] = decodeObject(v.State.Spec)
	}
	return out
}

// uid is the same for as long as the entity is in the catalog, and another one
// when it comes back after it was removed.
func uid(v inventory.Stored) string {
	sum := sha256.Sum256([]byte(v.ID + "\x00" + v.Created.UTC().String()))
	sum[6] = sum[6]&0x0f | 0x80 // a UUID of version 8, RFC 9562
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (a *API) backstageName(w http.ResponseWriter, r *http.Request) error {
	ref := entity.NewRef(r.PathValue("kind"), r.PathValue("namespace"), r.PathValue("name"))
	v, err := a.Inventory.Get(r.Context(), ref)
	if err != nil {
		return missing(err, ref)
	}
	httpapi.JSON(w, http.StatusOK, a.backstageEntity(v))
	return nil
}

func (a *API) backstageRefs(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		EntityRefs []string `json:"entityRefs"`
		Fields     []string `json:"fields"`
	}
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	items := make([]any, len(body.EntityRefs))
	for i, text := range body.EntityRefs {
		ref, err := entity.ParseRef(text, "")
		if err != nil {
			return httpapi.BadRequest(err.Error() + ".")
		}
		v, err := a.Inventory.Get(r.Context(), ref)
		switch {
		case err == nil:
			items[i] = a.backstageEntity(v)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	httpapi.JSON(w, http.StatusOK, map[string]any{"items": items})
	return nil
}

// matching goes through the whole catalog: the older of Backstage's filters
// can ask for any field.
func (a *API) matching(r *http.Request, filters []string, text string) ([]map[string]any, error) {
	set, err := parseFilters(filters)
	if err != nil {
		return nil, err
	}
	items := []map[string]any{}
	for cursor := ""; ; {
		stored, next, err := a.Inventory.List(r.Context(), inventory.Filter{Text: text}, store.MaxLimit, cursor)
		if err != nil {
			return nil, err
		}
		for _, v := range stored {
			if e := a.backstageEntity(v); set.match(e) {
				items = append(items, e)
			}
		}
		if next == "" {
			return items, nil
		}
		cursor = next
	}
}

func (a *API) backstageList(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	offset, limit, err := window(q, 0)
	if err != nil {
		return err
	}
	items, err := a.matching(r, q["filter"], "")
	if err != nil {
		return err
	}
	items = items[min(offset, len(items)):]
	if limit > 0 {
		items = items[:min(limit, len(items))]
	}
	httpapi.JSON(w, http.StatusOK, items)
	return nil
}

func (a *API) backstageQuery(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if cursor := q.Get("cursor"); cursor != "" {
		// A cursor carries the whole question, as Backstage's does.
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return inventory.ErrCursor
		}
		limit := q.Get("limit")
		if q, err = url.ParseQuery(string(text)); err != nil {
			return inventory.ErrCursor
		}
		if limit != "" {
			q.Set("limit", limit)
		}
	}
	offset, limit, err := window(q, 20)
	if err != nil {
		return err
	}
	items, err := a.matching(r, q["filter"], q.Get("fullTextFilterTerm"))
	if err != nil {
		return err
	}
	total := len(items)
	from := min(offset, total)
	to := min(from+limit, total)
	page := map[string]any{}
	cursor := func(offset int) string {
		q.Set("offset", strconv.Itoa(offset))
		return base64.RawURLEncoding.EncodeToString([]byte(q.Encode()))
	}
	if to < total {
		page["nextCursor"] = cursor(to)
	}
	if from > 0 {
		page["prevCursor"] = cursor(max(0, from-limit))
	}
	httpapi.JSON(w, http.StatusOK, map[string]any{"items": items[from:to], "totalItems": total, "pageInfo": page})
	return nil
}

func window(q url.Values, defaultLimit int) (offset, limit int, err error) {
	limit = defaultLimit
	for name, into := range map[string]*int{"offset": &offset, "limit": &limit} {
		if text := q.Get(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil || *into < 0 {
				return 0, 0, httpapi.BadRequest(fmt.Sprintf("%s=%s is not a number from 0.", name, text))
			}
		}
	}
	return offset, limit, nil
}

// filterSet is Backstage's filter: one of the sets must hold; in a set, every
// key must have one of its values, or be there at all.
type filterSet []map[string][]string

func parseFilters(params []string) (filterSet, error) {
	var out filterSet
	for _, p := range params {
		set := map[string][]string{}
		for _, part := range strings.Split(p, ",") {
			key, value, hasValue := strings.Cut(strings.TrimSpace(part), "=")
			if key == "" {
				return nil, httpapi.BadRequest(fmt.Sprintf("filter=%s is not key=value,….", p))
			}
			key = strings.ToLower(key)
			if hasValue {
				set[key] = append(set[key], strings.ToLower(value))
			} else if set[key] == nil {
				set[key] = []string{}
			}
		}
		out = append(out, set)
	}
	return out, nil
}

func (f filterSet) match(e map[string]any) bool {
	if len(f) == 0 {
		return true
	}
	facts := map[string][]string{}
	flatten("", e, facts)
	for _, set := range f {
		holds := true
		for key, values := range set {
			holds = holds && hasFact(facts, key, values)
		}
		if holds {
			return true
		}
	}
	return false
}

func hasFact(facts map[string][]string, key string, values []string) bool {
	have, found := facts[key]
	if len(values) == 0 {
		return found
	}
	for _, h := range have {
		if contains(values, h) {
			return true
		}
	}
	return false
}

// flatten lists what can be asked for: "spec.type" → its values, in lower
// case; of a list also "metadata.tags.java" → true; of relations
// "relations.ownedby" → the targets.
func flatten(prefix string, v any, out map[string][]string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			path := strings.ToLower(key)
			if prefix != "" {
				path = prefix + "." + path
			}
			flatten(path, value, out)
		}
	case []map[string]any: // the relations
		for _, relation := range v {
			path := strings.ToLower(fmt.Sprintf("relations.%v", relation["type"]))
			out[path] = append(out[path], strings.ToLower(fmt.Sprint(relation["targetRef"])))
		}
	case []any:
		for _, item := range v {
			flatten(prefix, item, out)
			if s, isText := item.(string); isText {
				out[prefix+"."+strings.ToLower(s)] = []string{"true"}
			}
		}
	case nil:
	default:
		out[prefix] = append(out[prefix], strings.ToLower(fmt.Sprint(v)))
	}
}
