package enginetest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// state is the engines' state, version 4.
type state struct {
	Version          int              `json:"version"`
	TerraformVersion string           `json:"terraform_version"`
	Serial           uint64           `json:"serial"`
	Lineage          string           `json:"lineage"`
	Outputs          map[string]kept  `json:"outputs"`
	Resources        []*stateResource `json:"resources"`
	CheckResults     json.RawMessage  `json:"check_results"`
}

type kept struct {
	Value     json.RawMessage `json:"value"`
	Type      json.RawMessage `json:"type"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

type stateResource struct {
	Mode      string     `json:"mode"`
	Type      string     `json:"type"`
	Name      string     `json:"name"`
	Provider  string     `json:"provider"`
	Instances []instance `json:"instances"`
}

type instance struct {
	SchemaVersion int             `json:"schema_version"`
	Status        string          `json:"status,omitempty"` // tainted
	Attributes    json.RawMessage `json:"attributes"`
	Sensitive     []any           `json:"sensitive_attributes"`
	Dependencies  []string        `json:"dependencies,omitempty"`
}

func (r *stateResource) address() string { return r.Type + "." + r.Name }

func (s *state) find(address string) *stateResource {
	for _, r := range s.Resources {
		if r.address() == address {
			return r
		}
	}
	return nil
}

// object is what the state has of a resource; null when it has none.
func (s *state) object(address string) (cty.Value, bool, error) {
	kindName, _ := splitAddress(address)
	r := s.find(address)
	k, ok := kinds[kindName]
	if r == nil || !ok {
		return cty.NullVal(cty.DynamicPseudoType), false, nil
	}
	v, err := ctyjson.Unmarshal(r.Instances[0].Attributes, objectType(k))
	if err != nil {
		return cty.NilVal, false, err
	}
	values := v.AsValueMap()
	for _, path := range r.Instances[0].Sensitive {
		steps, _ := path.([]any)
		if len(steps) != 1 {
			continue
		}
		if step, ok := steps[0].(map[string]any); ok {
			if name, _ := step["value"].(string); values[name] != cty.NilVal {
				values[name] = values[name].Mark(hidden{})
			}
		}
	}
	for _, a := range k.attributes() {
		if a.sensitive && !values[a.name].IsMarked() {
			values[a.name] = values[a.name].Mark(hidden{})
		}
	}
	return cty.ObjectVal(values), r.Instances[0].Status == "tainted", nil
}

// put keeps an object, or with null takes it out.
func (s *state) put(address string, v cty.Value, tainted bool, dependencies []string) error {
	s.Resources = slices.DeleteFunc(s.Resources, func(r *stateResource) bool { return r.address() == address })
	if v.IsNull() {
		return nil
	}
	kindName, name := splitAddress(address)
	k := kinds[kindName]
	plain, _ := v.UnmarkDeep()
	text, err := ctyjson.Marshal(plain, objectType(k))
	if err != nil {
		return err
	}
	one := instance{Attributes: text, Sensitive: []any{}, Dependencies: dependencies}
	if tainted {
		one.Status = "tainted"
	}
	for _, a := range k.attributes() {
		if marked := v.GetAttr(a.name); marked.IsMarked() || marked.ContainsMarked() {
			one.Sensitive = append(one.Sensitive, []any{map[string]any{"type": "get_attr", "value": a.name}})
		}
	}
	s.Resources = append(s.Resources, &stateResource{Mode: "managed", Type: kindName, Name: name,
		Provider: `provider["` + k.source() + `"]`, Instances: []instance{one}})
	slices.SortFunc(s.Resources, func(a, b *stateResource) int { return strings.Compare(a.address(), b.address()) })
	return nil
}

func (s *state) setOutput(name string, v cty.Value, sensitive bool) error {
	plain, _ := v.UnmarkDeep()
	value, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		return err
	}
	kind, err := ctyjson.MarshalType(plain.Type())
	if err != nil {
		return err
	}
	s.Outputs[name] = kept{Value: value, Type: kind, Sensitive: sensitive}
	return nil
}

// copied is a state of its own, with everything in it that the engines write.
func copied(s *state) *state {
	if s == nil {
		return &state{Version: 4, Outputs: map[string]kept{}, Resources: []*stateResource{}, CheckResults: json.RawMessage("null")}
	}
	text, _ := json.Marshal(s)
	var c state
	_ = json.Unmarshal(text, &c)
	if c.Outputs == nil {
		c.Outputs = map[string]kept{}
	}
	if c.Resources == nil {
		c.Resources = []*stateResource{}
	}
	return &c
}

// content is what two states are compared by.
func (s *state) content() string {
	text, _ := json.Marshal([]any{s.Outputs, s.Resources})
	return string(text)
}
