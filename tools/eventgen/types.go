package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"sort"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/events/cdevents"
)

// eventType is one type as the generated files show it.
type eventType struct {
	events.Description
	Doc       string   // what it means
	Subject   string   // NATS subject with parameters: evt.{project}.<type>
	Schema    []byte   // nil for CDEvents, whose schemas come with their SDK
	SchemaURL string   // where a CDEvents schema stands
	Fields    []field  // of the data, flattened one level
	Examples  []string // paths in the events module
}

type field struct {
	Name     string
	Type     string
	Required bool
	Doc      string
}

func describe(dir string, d docs) ([]eventType, error) {
	var types []eventType
	for _, desc := range catalogue.All() {
		t := eventType{Description: desc, Doc: d.definitions[desc.Name], Subject: subject(desc)}
		if t.Doc == "" {
			return nil, fmt.Errorf("%s has no comment on its definition: say what it means, when it is published and what its subject is", desc.Type)
		}
		schema, err := reflectSchema(desc, d)
		if err != nil {
			return nil, err
		}
		if t.Schema, err = indent(schema); err != nil {
			return nil, err
		}
		t.Fields = fields(schema)
		if t.Examples, err = examples(dir, desc.Type); err != nil {
			return nil, err
		}
		types = append(types, t)
	}
	for _, desc := range catalogue.CDEvents() {
		t := eventType{Description: desc, Subject: subject(desc)}
		schema, ok := cdevents.Schema(desc.Type)
		if !ok {
			return nil, fmt.Errorf("%s has no schema in the CDEvents SDK", desc.Type)
		}
		var head struct {
			ID string `json:"$id"`
		}
		if err := json.Unmarshal([]byte(schema), &head); err != nil {
			return nil, err
		}
		t.SchemaURL = head.ID
		var err error
		if t.Examples, err = examples(dir, desc.Type); err != nil {
			return nil, err
		}
		types = append(types, t)
	}
	return types, nil
}

func subject(d events.Description) string {
	switch d.Route {
	case events.Internal:
		return "int." + d.Owner + "." + d.Type
	case events.Command:
		return d.SubjectFilter(events.Command)
	}
	if d.Owner == "" {
		return "ext.{project}." + d.Type
	}
	return "evt.{project}." + d.Type
}

func reflectSchema(desc events.Description, d docs) (*jsonschema.Schema, error) {
	r := &jsonschema.Reflector{
		AllowAdditionalProperties: true, // within a major version fields are only ever added
		ExpandedStruct:            true,
		LookupComment:             d.lookup,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[time.Time]() {
				return &jsonschema.Schema{Type: "string", Format: "date-time"}
			}
			return nil
		},
	}
	schema := r.ReflectFromType(desc.Data)
	if schema.Properties == nil {
		return nil, fmt.Errorf("%s: its data %v is no struct", desc.Type, desc.Data)
	}
	schema.ID = jsonschema.ID("https://slipway.dev/schemas/" + desc.Type + ".json")
	schema.Title = desc.Type
	schema.Description = d.definitions[desc.Name]
	return schema, nil
}

func indent(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	return append(raw, '\n'), err
}

func fields(s *jsonschema.Schema) []field {
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	var out []field
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		out = append(out, field{Name: p.Key, Type: typeOf(p.Value), Required: required[p.Key], Doc: p.Value.Description})
	}
	return out
}

func typeOf(s *jsonschema.Schema) string {
	switch {
	case s.Ref != "":
		return path.Base(s.Ref)
	case s.Type == "array" && s.Items != nil:
		return "list of " + typeOf(s.Items)
	case s.Type == "object":
		return "map"
	case s.Format != "":
		return s.Format
	case s.Type == "":
		return "any"
	}
	return s.Type
}

func examples(dir, eventType string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "testdata", eventType))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		out = append(out, path.Join("testdata", eventType, e.Name()))
	}
	sort.Strings(out)
	return out, nil
}
