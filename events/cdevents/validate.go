package cdevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/cdevents/sdk-go/pkg/api"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	xmessage "golang.org/x/text/message"

	"github.com/slipway-idp/slipway/events"
)

// Fault is one thing that is wrong with a CDEvent.
type Fault struct {
	Pointer string // JSON pointer into the data: /subject/content/artifactId
	Message string
}

// InvalidError is returned for an event that says it is a CDEvent and does not
// fit the schema of its type.
type InvalidError struct {
	Type   string
	Faults []Fault
}

func (e *InvalidError) Error() string {
	if len(e.Faults) == 0 {
		return fmt.Sprintf("%s is not a valid CDEvent", e.Type)
	}
	f := e.Faults[0]
	more := ""
	if n := len(e.Faults) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("%s is not a valid CDEvent: %s %s%s", e.Type, f.Pointer, f.Message, more)
}

// Is says whether a type is of CDEvents' vocabulary, custom types (dev.cdeventsx)
// not counted.
func Is(eventType string) bool { return strings.HasPrefix(eventType, "dev.cdevents.") }

// Validate checks an event against the schema of its CDEvents type, as embedded
// in the SDK for the specification versions 0.3, 0.4 and 0.5. A schemaUri in the
// event is not followed. Errors: *InvalidError.
func Validate(e events.Event) error {
	invalid := func(pointer, format string, args ...any) error {
		return &InvalidError{Type: e.Type(), Faults: []Fault{{Pointer: pointer, Message: fmt.Sprintf(format, args...)}}}
	}
	t, err := api.ParseType(e.Type())
	if err != nil {
		return invalid("", "%v", err)
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data()))
	if err != nil {
		return invalid("", "data is not JSON: %v", err)
	}
	var m struct {
		Context struct {
			SpecVersion string `json:"specversion"`
			Version     string `json:"version"`
			Type        string `json:"type"`
		} `json:"context"`
	}
	if err := json.Unmarshal(e.Data(), &m); err != nil {
		return invalid("/context", "%v", err)
	}
	if m.Context.Type != e.Type() {
		return invalid("/context/type", "is %q while the event's type is %q", m.Context.Type, e.Type())
	}
	version := m.Context.SpecVersion
	if version == "" {
		version = m.Context.Version
	}
	schema := schemaOf(version, t)
	if schema == nil {
		return invalid("/context", "no schema is known for %s in version %q of CDEvents", t.UnversionedString(), version)
	}
	if err := schema.Validate(data); err != nil {
		return &InvalidError{Type: e.Type(), Faults: faults(err)}
	}
	return nil
}

// Schema returns the JSON Schema of a CDEvents type as the SDK embeds it, of
// the specification version that Slipway writes or the newest that has the
// type in exactly this version.
func Schema(eventType string) (string, bool) {
	t, err := api.ParseType(eventType)
	if err != nil {
		return "", false
	}
	for _, spec := range specVersions {
		id := fmt.Sprintf(api.CDEventsSchemaURLTemplate, spec, t.Subject, t.Predicate)
		if s, ok := api.SchemasById[id]; ok && strings.Contains(s, `"`+eventType+`"`) {
			return s, true
		}
	}
	return "", false
}

// specVersions are those that the SDK embeds schemas of, newest first.
var specVersions = []string{"0.5.1", "0.4.1", "0.3.0"}

// schemaOf finds the compiled schema: 0.4.0 is checked as 0.4.1.
func schemaOf(version string, t *api.CDEventType) *jsonschema.Schema {
	for _, spec := range specVersions {
		if spec != version && minor(spec) != minor(version) {
			continue
		}
		if _, s, err := api.CompiledSchemas.GetBySpecSubjectPredicate(spec, t.Subject, t.Predicate, t.Custom); err == nil {
			return s
		}
	}
	return nil
}

func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}

func schemaURI(eventType string) string {
	t, err := api.ParseType(eventType)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(api.CDEventsSchemaURLTemplate, specVersions[0], t.Subject, t.Predicate)
}

// faults flattens a schema's error to its leaves.
func faults(err error) []Fault {
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		return []Fault{{Message: err.Error()}}
	}
	printer := xmessage.NewPrinter(language.English)
	var out []Fault
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		if len(v.Causes) == 0 {
			pointer := ""
			for _, p := range v.InstanceLocation {
				pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p)
			}
			out = append(out, Fault{Pointer: pointer, Message: v.ErrorKind.LocalizedString(printer)})
		}
		for _, c := range v.Causes {
			walk(c)
		}
	}
	walk(ve)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Pointer < out[j].Pointer })
	return out
}
