package entity

import (
	"reflect"

	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/strict"
)

// Schema is the JSON Schema of a kind's descriptors, for editors; nil for what
// is no kind. What decides is Read.
func Schema(name string) []byte {
	kind, known := KindOf(name)
	if !known {
		return nil
	}
	spec := strict.Schema(reflect.TypeOf(kind.spec()))
	if len(kind.Required) > 0 {
		spec["required"] = kind.Required
	}
	return docapi.Schema(kind.Name, "Backstage's "+kind.Name+" of the catalog.", kind.APIVersions,
		strict.Schema(reflect.TypeFor[exported]()), spec)
}
