package catalogue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/schemas"
)

// Schema returns the JSON Schema (2020-12) of a type's data: the generated one
// of a type of ours, the SDK's of a CDEvents type.
func Schema(eventType string) ([]byte, bool) {
	if raw, err := fs.ReadFile(schemas.FS, eventType+".json"); err == nil {
		return raw, true
	}
	s, ok := cdevents.Schema(eventType)
	return []byte(s), ok
}

// Summary returns what a type of ours means, from its schema; "" for others.
func Summary(eventType string) string {
	raw, err := fs.ReadFile(schemas.FS, eventType+".json")
	if err != nil {
		return ""
	}
	var head struct {
		Description string `json:"description"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return ""
	}
	return head.Description
}

// Validator checks events against the schemas of their types. Make one and
// keep it: compiling takes some milliseconds. It is safe for concurrent use.
type Validator struct {
	compiled map[string]*jsonschema.Schema
}

// NewValidator compiles every schema of ours. It fetches nothing.
func NewValidator() (*Validator, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(noLoader{})
	v := &Validator{compiled: map[string]*jsonschema.Schema{}}
	for _, d := range All() {
		raw, ok := Schema(d.Type)
		if !ok {
			return nil, fmt.Errorf("%s has no schema: run make generate", d.Type)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", d.Type, err)
		}
		url := "https://slipway.dev/schemas/" + d.Type + ".json"
		if err := c.AddResource(url, doc); err != nil {
			return nil, fmt.Errorf("schema of %s: %w", d.Type, err)
		}
		if v.compiled[d.Type], err = c.Compile(url); err != nil {
			return nil, fmt.Errorf("schema of %s: %w", d.Type, err)
		}
	}
	return v, nil
}

// Validate checks an event's data. Of a type that nobody here knows it says
// nothing. Errors: *cdevents.InvalidError, *events.DataError.
func (v *Validator) Validate(e events.Event) error {
	if cdevents.Is(e.Type()) {
		return cdevents.Validate(e)
	}
	schema, ok := v.compiled[e.Type()]
	if !ok {
		return nil
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data()))
	if err == nil {
		err = schema.Validate(data)
	}
	if err != nil {
		return &events.DataError{Type: e.Type(), ID: e.ID(), Err: err}
	}
	return nil
}

// noLoader refuses references to schemas elsewhere.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, errors.New("schemas are not fetched: " + url)
}
