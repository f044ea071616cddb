package enginetest

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

func (p *program) show(rest []string) int {
	if len(rest) != 1 || !p.json {
		return p.fail(wrong("The fake engine shows plans only", "show -json PLAN"))
	}
	s, diags := readPlan(rest[0])
	if diags.HasErrors() {
		return p.fail(diags)
	}
	_, _ = p.out.Write(append(s.Show, '\n'))
	return 0
}

func readPlan(path string) (*stored, hcl.Diagnostics) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, wrong("Failed to load \""+path+"\" as a plan file", err.Error())
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil || s.Fake != magic {
		return nil, wrong("Failed to read the given file as a state or plan file", "It is none.")
	}
	return &s, nil
}

type object = map[string]any

// plain is an object's JSON without what is not known.
func plain(v cty.Value) any {
	if v == cty.NilVal || v.IsNull() {
		return nil
	}
	v, _ = v.UnmarkDeep()
	out := object{}
	for name, one := range v.AsValueMap() {
		if one.IsWhollyKnown() {
			text, _ := ctyjson.Marshal(one, one.Type())
			out[name] = json.RawMessage(text)
		}
	}
	return out
}

// unknown are the attributes that only the apply will know.
func unknown(v cty.Value) object {
	out := object{}
	if v == cty.NilVal || v.IsNull() {
		return out
	}
	v, _ = v.UnmarkDeep()
	for name, one := range v.AsValueMap() {
		if !one.IsWhollyKnown() {
			out[name] = true
		}
	}
	return out
}

func sensitive(v cty.Value) any {
	if v == cty.NilVal || v.IsNull() {
		return false
	}
	out := object{}
	for name, one := range v.AsValueMap() {
		if one.IsMarked() || one.ContainsMarked() {
			out[name] = true
		}
	}
	return out
}

func actions(action string) []string {
	if action == replace {
		return []string{remove, create}
	}
	return []string{action}
}

func changed(c change) object {
	kindName, name := splitAddress(c.Address)
	body := object{"actions": actions(c.Action), "before": plain(c.before), "after": plain(c.after), "after_unknown": unknown(c.after),
		"before_sensitive": sensitive(c.before), "after_sensitive": sensitive(c.after)}
	if c.Import != "" {
		body["importing"] = object{"id": c.Import}
	}
	out := object{"address": c.Address, "mode": "managed", "type": kindName, "name": name, "provider_name": kinds[kindName].source(), "change": body}
	if c.Reason != "" {
		out["action_reason"] = c.Reason
	}
	return out
}

// show is `show -json` of the plan, made while everything is known.
func (pl *planner) show(p *program, s *stored, outputs map[string]cty.Value) (json.RawMessage, error) {
	variables := object{}
	for name, v := range s.Variables {
		variables[name] = object{"value": v.Value}
	}
	changes, drift, resources := []any{}, []any{}, []any{}
	sorted := slices.Clone(s.Changes)
	slices.SortFunc(sorted, func(a, b change) int { return strings.Compare(a.Address, b.Address) })
	for _, c := range sorted {
		changes = append(changes, changed(c))
		if c.Action == remove {
			continue
		}
		kindName, name := splitAddress(c.Address)
		resources = append(resources, object{"address": c.Address, "mode": "managed", "type": kindName, "name": name,
			"provider_name": kinds[kindName].source(), "schema_version": 0, "values": plain(c.after), "sensitive_values": sensitive(c.after)})
	}
	for _, c := range pl.drift {
		drift = append(drift, changed(c))
	}
	document := object{
		"format_version": "1.2", "terraform_version": p.number(), "variables": variables,
		"planned_values":   object{"outputs": plannedOutputs(pl.module, outputs), "root_module": object{"resources": resources}},
		"resource_changes": changes, "output_changes": pl.outputChanges(s, outputs),
		"configuration": pl.module.configuration(), "timestamp": now().Format("2006-01-02T15:04:05Z"), "errored": false,
	}
	if len(drift) > 0 {
		document["resource_drift"] = drift
	}
	if pl.prior.Lineage != "" {
		document["prior_state"] = object{"format_version": "1.0", "terraform_version": pl.prior.TerraformVersion, "values": pl.now.values()}
	}
	return json.Marshal(document)
}

func plannedOutputs(m *module, outputs map[string]cty.Value) object {
	all := object{}
	for name, v := range outputs {
		one := object{"sensitive": m.outputs[name].sensitive}
		if v, _ := v.UnmarkDeep(); v.IsWhollyKnown() {
			value, _ := ctyjson.Marshal(v, v.Type())
			kind, _ := ctyjson.MarshalType(v.Type())
			one["value"], one["type"] = json.RawMessage(value), json.RawMessage(kind)
		}
		all[name] = one
	}
	return all
}

func (pl *planner) outputChanges(s *stored, outputs map[string]cty.Value) object {
	all := object{}
	if s.Refresh {
		return all
	}
	for name, v := range outputs {
		hide := pl.module.outputs[name].sensitive
		v, _ := v.UnmarkDeep()
		prior, had := pl.prior.Outputs[name]
		one := object{"actions": []string{create}, "before": nil, "after_unknown": !v.IsWhollyKnown(), "before_sensitive": hide, "after_sensitive": hide}
		if v.IsWhollyKnown() {
			value, _ := ctyjson.Marshal(v, v.Type())
			one["after"] = json.RawMessage(value)
			if had {
				one["actions"] = []string{update}
				if string(prior.Value) == string(value) {
					one["actions"] = []string{noop}
				}
			}
		} else if had {
			one["actions"] = []string{update}
		}
		if had {
			one["before"] = prior.Value
		}
		all[name] = one
	}
	for name, prior := range pl.prior.Outputs {
		if _, ok := outputs[name]; !ok {
			all[name] = object{"actions": []string{remove}, "before": prior.Value, "after": nil, "after_unknown": false, "before_sensitive": prior.Sensitive, "after_sensitive": prior.Sensitive}
		}
	}
	return all
}

// values is a state as `show -json` has it.
func (s *state) values() object {
	outputs, resources := object{}, []any{}
	for name, o := range s.Outputs {
		outputs[name] = object{"sensitive": o.Sensitive, "value": o.Value, "type": o.Type}
	}
	for _, r := range s.Resources {
		v, tainted, err := s.object(r.address())
		if err != nil {
			continue
		}
		one := object{"address": r.address(), "mode": "managed", "type": r.Type, "name": r.Name, "provider_name": kinds[r.Type].source(),
			"schema_version": 0, "values": plain(v), "sensitive_values": sensitive(v)}
		if tainted {
			one["tainted"] = true
		}
		if d := r.Instances[0].Dependencies; len(d) > 0 {
			one["depends_on"] = d
		}
		resources = append(resources, one)
	}
	return object{"outputs": outputs, "root_module": object{"resources": resources}}
}

// configuration is the module as `show -json` has it.
func (m *module) configuration() object {
	expression := func(e hcl.Expression) object {
		references := []string{}
		for _, t := range e.Variables() {
			name := t.RootName() + "." + second(t)
			if len(t) > 2 {
				if a, ok := t[2].(hcl.TraverseAttr); ok {
					references = append(references, name+"."+a.Name)
				}
			}
			references = append(references, name)
		}
		if len(references) > 0 {
			return object{"references": references}
		}
		v, diags := e.Value(&hcl.EvalContext{Functions: functions})
		if diags.HasErrors() {
			return object{}
		}
		value, _ := ctyjson.Marshal(v, v.Type())
		return object{"constant_value": json.RawMessage(value)}
	}
	outputs, variables, resources, providers := object{}, object{}, []any{}, object{}
	for name, o := range m.outputs {
		one := object{"expression": expression(o.value)}
		if o.sensitive {
			one["sensitive"] = true
		}
		outputs[name] = one
	}
	for name, v := range m.variables {
		one := object{}
		if v.standard != nil {
			value, _ := ctyjson.Marshal(*v.standard, v.standard.Type())
			one["default"] = json.RawMessage(value)
		}
		if v.sensitive {
			one["sensitive"] = true
		}
		variables[name] = one
	}
	for _, address := range slices.Sorted(maps.Keys(m.resources)) {
		r := m.resources[address]
		expressions := object{}
		for name, e := range r.attributes {
			if name != "depends_on" {
				expressions[name] = expression(e)
			}
		}
		provider := "terraform"
		if r.kind == "yard_ship" {
			provider = "yard"
		}
		providers[provider] = object{"name": provider, "full_name": kinds[r.kind].source()}
		resources = append(resources, object{"address": address, "mode": "managed", "type": r.kind, "name": r.name,
			"provider_config_key": provider, "expressions": expressions, "schema_version": 0})
	}
	return object{"provider_config": providers, "root_module": object{"outputs": outputs, "resources": resources, "variables": variables}}
}
