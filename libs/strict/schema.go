package strict

import (
	"reflect"
)

// Schema is the JSON Schema (2020-12) of what Check takes for a type, by the
// same json tags: an object of the known fields and no other. A field's
// `description` tag is its description. A type with its own decoder takes what
// it takes: any text where it reads text, anything else otherwise. The type
// must not contain itself.
func Schema(t reflect.Type) map[string]any {
	switch pointer := reflect.PointerTo(t); {
	case pointer.Implements(describer):
		return reflect.New(t).Interface().(Describer).JSONSchema()
	case pointer.Implements(jsonUnmarshaler):
		return map[string]any{}
	case pointer.Implements(textUnmarshaler):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return Schema(t.Elem())
	case reflect.Struct:
		return objectSchema(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": Schema(t.Elem())}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": Schema(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	}
	return map[string]any{"type": "integer"}
}

// Describer is a type with its own decoder that knows its schema.
type Describer interface{ JSONSchema() map[string]any }

var describer = reflect.TypeFor[Describer]()

func objectSchema(t reflect.Type) map[string]any {
	descriptions := map[string]string{}
	for _, f := range reflect.VisibleFields(t) {
		descriptions[jsonName(f)] = f.Tag.Get("description")
	}
	properties := map[string]any{}
	for name, ft := range fieldsOf(t) {
		p := Schema(ft)
		if text := descriptions[name]; text != "" {
			p["description"] = text
		}
		properties[name] = p
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}
