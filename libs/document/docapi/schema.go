package docapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/strict"
)

// APIVersion is that of Slipway's own documents.
const APIVersion = "slipway.dev/v1alpha1"

// SchemaOf is the JSON Schema of a kind of Slipway's own form whose spec is
// read into a Spec. required are fields of the spec that must be there.
func SchemaOf[Spec any](kind, description string, required ...string) []byte {
	spec := strict.Schema(reflect.TypeFor[Spec]())
	if len(required) > 0 {
		spec["required"] = required
	}
	return Schema(kind, description, []string{APIVersion}, strict.Schema(reflect.TypeFor[document.Metadata]()), spec)
}

// Schema frames the schemas of a kind's metadata and spec.
func Schema(kind, description string, apiVersions []string, metadata, spec map[string]any) []byte {
	metadata["required"] = []string{"name"}
	raw, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://slipway.dev/schemas/" + kind + ".json",
		"title": kind, "description": description,
		"type": "object", "additionalProperties": false, "required": []string{"apiVersion", "kind", "metadata", "spec"},
		"properties": map[string]any{
			"apiVersion": map[string]any{"enum": apiVersions}, "kind": map[string]any{"const": kind},
			"metadata": metadata, "spec": spec,
		},
	}, "", "  ")
	if err != nil {
		panic(err) // texts, lists and maps of them: this cannot be
	}
	return raw
}

func (h Handler) schema(w http.ResponseWriter, r *http.Request) {
	name, isJSON := strings.CutSuffix(r.PathValue("file"), ".json")
	kind, known := h.Kinds[name]
	if !isJSON || !known || kind.Schema == nil {
		httpapi.Write(w, r, httpapi.NotFound("schema", r.PathValue("file"), "Kinds here are "+strings.Join(slices.Sorted(maps.Keys(h.Kinds)), ", ")+"."))
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(kind.Schema)
}
