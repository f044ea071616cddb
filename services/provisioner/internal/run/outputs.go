package run

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// OutputsOf are what a stack hands on: plain values, and sensitive ones as the
// texts that become secrets. What is declared must be there and of its type.
// The error quotes no value.
func OutputsOf(run Run, c stack.Contents) (plain map[string]any, secrets map[string]string, err error) {
	plain, secrets = map[string]any{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(run.Declared)) {
		o, ok := c.Outputs[name]
		if !ok || string(o.Value) == "null" || len(o.Value) == 0 {
			return nil, nil, fmt.Errorf("definition %s declares the output %s, and the module gives none; it gives %s",
				run.Definition, name, names(c.Outputs))
		}
		if is := typeOf(o.Value); !fits(is, run.Declared[name]) {
			return nil, nil, fmt.Errorf("definition %s declares the output %s as a %s, and the module gives a %s",
				run.Definition, name, run.Declared[name], is)
		}
	}
	for name, o := range c.Outputs {
		var v any
		if err := json.Unmarshal(o.Value, &v); err != nil {
			return nil, nil, fmt.Errorf("the output %s cannot be read", name)
		}
		switch {
		case v == nil:
		case !o.Sensitive:
			plain[name] = v
		default:
			text, ok := v.(string)
			if !ok {
				text = string(o.Value)
			}
			if text != "" {
				secrets[name] = text
			}
		}
	}
	return plain, secrets, nil
}

func names(outputs map[string]stack.Output) string {
	if len(outputs) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(outputs)), ", ")
}

// typeOf is a JSON value's type, in the words of definitions.
func typeOf(raw json.RawMessage) string {
	switch strings.TrimSpace(string(raw))[0] {
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case '[':
		return "list"
	case '{':
		return "map"
	}
	return "number"
}

func fits(is, declared string) bool { return declared == "any" || declared == "" || is == declared }
