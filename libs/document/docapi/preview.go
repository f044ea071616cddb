package docapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Change is a field that an apply would make different. Neither value of a
// secret field is there.
type Change struct {
	// Field is a JSON pointer into the document: "/spec/ttl".
	Field string `json:"field"`
	// Old is nil where the field is new, New where it goes.
	Old    any  `json:"old,omitempty"`
	New    any  `json:"new,omitempty"`
	Secret bool `json:"secret,omitempty"`
}

// preview answers, as apply would, what would become of each document.
func (h Handler) preview(w http.ResponseWriter, r *http.Request) {
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
		result := Result{Kind: item.Kind, Name: item.Metadata.Name, Project: item.Project, Result: Valid}
		if kind := h.Kinds[item.Kind]; kind.Preview != nil {
			have, want, err := kind.Preview(r.Context(), item)
			if err == nil {
				result.Result, result.Changes, err = compare(have, want, kind.Secret)
			}
			if err != nil {
				httpapi.Write(w, r, fmt.Errorf("previewing %s: %w", item.Ref(), err))
				return
			}
		}
		applied.Results = append(applied.Results, result)
	}
	httpapi.JSON(w, http.StatusOK, applied)
}

func compare(have, want any, secret []string) (string, []Change, error) {
	if have == nil {
		return Created, nil, nil
	}
	before, err := plain(have)
	if err != nil {
		return "", nil, err
	}
	after, err := plain(want)
	if err != nil {
		return "", nil, err
	}
	var changes []Change
	differ("", before, after, &changes)
	for i, c := range changes {
		for _, s := range secret {
			if c.Field == s || strings.HasPrefix(c.Field, s+"/") || strings.HasPrefix(s, c.Field+"/") {
				changes[i] = Change{Field: c.Field, Secret: true}
			}
		}
	}
	if len(changes) == 0 {
		return Unchanged, nil, nil
	}
	return Updated, changes, nil
}

// plain is a value as its JSON says it.
func plain(v any) (out any, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return out, d.Decode(&out)
}

// differ lists the deepest fields that differ; a list is one field. What is
// empty is as good as what is not there.
func differ(at string, before, after any, out *[]Change) {
	b, isObject := before.(map[string]any)
	a, staysObject := after.(map[string]any)
	switch {
	case empty(before) && empty(after), reflect.DeepEqual(before, after):
	case (isObject || before == nil) && (staysObject || after == nil):
		names := map[string]bool{}
		for _, m := range []map[string]any{b, a} {
			for name := range m {
				names[name] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			differ(at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), b[name], a[name], out)
		}
	default:
		if empty(before) {
			before = nil
		}
		if empty(after) {
			after = nil
		}
		*out = append(*out, Change{Field: at, Old: before, New: after})
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
