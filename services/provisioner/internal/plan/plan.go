// Package plan reads what an engine plans (`show -json`, format 1.x, written by
// OpenTofu and Terraform alike) and tells it on: as a list of changes for
// people, and as a document for policies. No value that the plan marks as
// sensitive, and none that the caller names, is in what it tells.
package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	tfjson "github.com/hashicorp/terraform-json"
)

// What stands in the place of a value.
const (
	Secret  = "(secret)"
	Unknown = "(known after apply)"
)

// MaxSize is how large a plan may be, in bytes of JSON. An engine runs
// somebody's code: what it hands over is bounded.
const MaxSize = 64 << 20

// Plan is a plan as the engine wrote it, secrets and all: it is never shown.
type Plan struct {
	*tfjson.Plan
	raw map[string]any // the same, whole: numbers as json.Number
}

// Read reads the answer of `show -json`. Its error names no value of the plan.
func Read(planJSON []byte) (*Plan, error) {
	if len(planJSON) > MaxSize {
		return nil, fmt.Errorf("the plan has %d bytes, and at most %d are read", len(planJSON), MaxSize)
	}
	typed := &tfjson.Plan{}
	typed.UseJSONNumber(true)
	if err := json.Unmarshal(planJSON, typed); err != nil {
		return nil, unreadable(err)
	}
	dec := json.NewDecoder(bytes.NewReader(planJSON))
	dec.UseNumber()
	p := &Plan{Plan: typed}
	if err := dec.Decode(&p.raw); err != nil {
		return nil, unreadable(err)
	}
	for _, list := range [][]*tfjson.ResourceChange{typed.ResourceChanges, typed.ResourceDrift} {
		for i, c := range list {
			if c == nil || c.Change == nil {
				return nil, fmt.Errorf("the plan's change %d has no before and after", i+1)
			}
		}
	}
	for name, c := range typed.OutputChanges {
		if c == nil {
			return nil, fmt.Errorf("the plan's output %s has no before and after", name)
		}
	}
	return p, nil
}

// unreadable says where a plan cannot be read. The decoder's own words may hold
// a piece of it.
func unreadable(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("the plan is not JSON from byte %d on", syntax.Offset)
	}
	var shape *json.UnmarshalTypeError
	if errors.As(err, &shape) {
		return fmt.Errorf("the plan's %s is a %s, which it should not be", shape.Field, shape.Value)
	}
	return fmt.Errorf("the plan cannot be read: it is not of format 1.x, or not whole")
}
