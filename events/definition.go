package events

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

const (
	typePrefix   = "dev.slipway."
	schemaPrefix = "https://slipway.dev/schemas/"
	contentType  = "application/json"
)

// Definition is one type of event of ours: its name, its major version and
// the Go type of its data. Make one with Define, DefineInternal or
// DefineCommand, as a package variable in the folder of its owner, and list it
// in events/catalogue.
type Definition[T any] struct {
	desc Description
	base string // the type without ".v<major>"
}

// Description is what is known of an event type without its Go type parameter.
type Description struct {
	Type    string       // dev.slipway.provisioner.environment.expiring.v1
	Name    string       // provisioner.environment.expiring
	Major   int          // 1
	Route   Route        //
	Owner   string       // the service that publishes it, "" where only outsiders do; of a command, the one that receives it
	Summary string       // a sentence, where the definition gave one; the full text is in its schema and in CATALOGUE.md
	Data    reflect.Type // Go struct of the data
	Filter  string       // the type as a NATS pattern over all versions: dev.slipway.provisioner.environment.expiring.*
	Since   string       // release that introduced it
}

// SubjectFilter returns the NATS subjects that the type is published under by
// a route: its own, or External for what outsiders state.
func (d Description) SubjectFilter(r Route) string {
	switch r {
	case Command:
		return "cmd." + d.Owner + "." + strings.TrimPrefix(d.Name, d.Owner+".")
	case Internal:
		return "int." + d.Owner + "." + d.Filter
	default:
		return r.String() + ".*." + d.Filter
	}
}

// Define makes a public event. name is <owner>.<subject>.<past tense verb>;
// doc may give a sentence (the comment of the variable is what the catalogue
// shows).
func Define[T any](name string, major int, doc ...string) Definition[T] {
	return define[T](name, major, Public, doc)
}

// DefineInternal makes an event between our services.
func DefineInternal[T any](name string, major int, doc ...string) Definition[T] {
	return define[T](name, major, Internal, doc)
}

// DefineCommand makes a request to one service: name is <owner>.<imperative>.
func DefineCommand[T any](name string, major int, doc ...string) Definition[T] {
	return define[T](name, major, Command, doc)
}

func define[T any](name string, major int, route Route, doc []string) Definition[T] {
	owner, _, _ := strings.Cut(name, ".")
	base := typePrefix + name
	return Definition[T]{
		base: base,
		desc: Description{
			Type:    base + ".v" + strconv.Itoa(major),
			Name:    name,
			Major:   major,
			Route:   route,
			Owner:   owner,
			Summary: strings.Join(doc, " "),
			Data:    reflect.TypeFor[T](),
			Filter:  base + ".*",
			Since:   "0.1",
		},
	}
}

// Type returns the full CloudEvents type, with its major version.
func (d Definition[T]) Type() string { return d.desc.Type }

// Describe returns what is known of the type.
func (d Definition[T]) Describe() Description { return d.desc }

// Matches says whether a type is this one, in whatever major version: an
// unknown major is for Decode to report, not to be overlooked.
func (d Definition[T]) Matches(eventType string) bool {
	base, _, ok := splitMajor(eventType)
	return ok && base == d.base
}

// Draft makes an event of the type. The error is that of data which JSON
// cannot carry.
func (d Definition[T]) Draft(project, subject string, data T) (Draft, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Draft{}, &DataError{Type: d.desc.Type, Err: err}
	}
	return Draft{
		Type:       d.desc.Type,
		Route:      d.desc.Route,
		Service:    d.desc.Owner,
		Project:    project,
		Subject:    subject,
		Data:       raw,
		DataSchema: schemaPrefix + d.desc.Type + ".json",
	}, nil
}

// Decode returns the data of an event. Unknown fields are tolerated. Errors:
// *UnknownMajorError, *WrongTypeError, *DataError. None of them goes away by
// trying again.
func (d Definition[T]) Decode(e Event) (T, error) {
	var data T
	base, major, ok := splitMajor(e.Type())
	if !ok || base != d.base {
		return data, &WrongTypeError{Type: e.Type(), Want: d.desc.Type}
	}
	if major != d.desc.Major {
		return data, &UnknownMajorError{Type: e.Type(), ID: e.ID(), Known: d.desc.Major}
	}
	if err := json.Unmarshal(e.Data(), &data); err != nil {
		return data, &DataError{Type: e.Type(), ID: e.ID(), Err: err}
	}
	return data, nil
}

// splitMajor turns "….expiring.v1" into "….expiring" and 1.
func splitMajor(eventType string) (base string, major int, ok bool) {
	i := strings.LastIndex(eventType, ".v")
	if i < 0 {
		return "", 0, false
	}
	major, err := strconv.Atoi(eventType[i+2:])
	if err != nil || major < 0 {
		return "", 0, false
	}
	return eventType[:i], major, true
}
