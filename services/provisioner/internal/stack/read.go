package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Format is the version of the state format that is read: that of OpenTofu,
// and of Terraform from 0.12 on.
const Format = 4

// FormatError says that something is not a state that can be read.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return "this is not a state that can be kept: " + e.Reason }

// Contents is what a state tells.
type Contents struct {
	Serial        int64
	Lineage       string
	EngineVersion string
	Outputs       map[string]Output
	Instances     []Instance // in the order of the state
	// Secrets are all values that must not be seen: those of sensitive outputs
	// and at sensitive paths of attributes, strings and numbers nested inside
	// as well, numbers as the state has them written. Sorted, each once.
	Secrets []string
}

// Output is one output of the root module.
type Output struct {
	Value     json.RawMessage // as the state has it
	Type      json.RawMessage // in the engines' notation: "string", ["list","string"]
	Sensitive bool
}

// Instance is one instance of a resource.
type Instance struct {
	Address string // module.net["a"].terraform_data.folder[0]
	Mode    string // managed or data
	Type    string // terraform_data
	Tainted bool
	Deposed string // key of an object that was replaced and not yet destroyed; else ""
}

// Managed counts the instances that exist because the engine made them.
func (c Contents) Managed() int {
	n := 0
	for _, i := range c.Instances {
		if i.Mode == managed {
			n++
		}
	}
	return n
}

const managed = "managed"

// file is the state format, as far as it is read. What is unknown is let be:
// the engines add to it.
type file struct {
	Version       *int64            `json:"version"`
	EngineVersion string            `json:"terraform_version"`
	Serial        int64             `json:"serial"`
	Lineage       string            `json:"lineage"`
	Outputs       map[string]output `json:"outputs"`
	Resources     []resource        `json:"resources"`
	Encrypted     json.RawMessage   `json:"encrypted_data"`
}

type output struct {
	Value     json.RawMessage `json:"value"`
	Type      json.RawMessage `json:"type"`
	Sensitive bool            `json:"sensitive"`
}

type resource struct {
	Module    string     `json:"module"`
	Mode      string     `json:"mode"`
	Type      string     `json:"type"`
	Name      string     `json:"name"`
	Instances []instance `json:"instances"`
}

type instance struct {
	IndexKey   json.RawMessage `json:"index_key"`
	Status     string          `json:"status"`
	Deposed    string          `json:"deposed"`
	Attributes json.RawMessage `json:"attributes"`
	Sensitive  json.RawMessage `json:"sensitive_attributes"`
}

// Read reads a state of format 4. Errors are *FormatError and quote no value.
func Read(raw []byte) (Contents, error) {
	f, err := parse(raw)
	if err != nil {
		return Contents{}, err
	}
	c := Contents{Serial: f.Serial, Lineage: f.Lineage, EngineVersion: f.EngineVersion, Outputs: map[string]Output{}}
	var hidden secrets
	for name, o := range f.Outputs {
		c.Outputs[name] = Output(o)
		if o.Sensitive {
			hidden.all(decode(o.Value))
		}
	}
	for _, r := range f.Resources {
		for _, i := range r.Instances {
			address, err := r.address(i.IndexKey)
			if err != nil {
				return Contents{}, err
			}
			c.Instances = append(c.Instances, Instance{
				Address: address, Mode: r.Mode, Type: r.Type, Tainted: i.Status == "tainted", Deposed: i.Deposed,
			})
			hidden.at(i.Sensitive, decode(i.Attributes))
		}
	}
	slices.Sort(hidden.values)
	c.Secrets = slices.Compact(hidden.values)
	return c, nil
}

func parse(raw []byte) (file, error) {
	var f file
	wrong := func(reason string) (file, error) { return file{}, &FormatError{Reason: reason} }
	if err := json.Unmarshal(raw, &f); err != nil {
		return wrong(whereWrong(err))
	}
	switch {
	case len(f.Encrypted) > 0:
		return wrong("the module has the engine encrypt it; take the encryption block out, states are encrypted where they are kept")
	case f.Version == nil:
		return wrong("it says no version of its format")
	case *f.Version != Format:
		return wrong(fmt.Sprintf("it is of format %d, and only %d is known: use a newer engine, or a newer Slipway", *f.Version, Format))
	case f.Lineage == "":
		return wrong("it has no lineage")
	case f.Serial < 0:
		return wrong("its serial is negative")
	}
	return f, nil
}

// whereWrong tells a mistake of JSON without quoting what is there.
func whereWrong(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is not JSON, or not whole (at byte %d)", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("%s is not of the type that it should be (at byte %d)", kind.Field, kind.Offset)
	}
	return "it is not JSON"
}

// decode keeps numbers as they are written. What it is given was read as JSON
// before.
func decode(raw json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}
