package plan

import (
	"encoding/json"
	"slices"
)

// MaxDocument is how large the document for policies may be, in bytes of JSON.
const MaxDocument = 200 << 10

// What Document leaves out, in this order, until the document is small enough.
const (
	CutPlannedValues = "planned_values"
	CutConfiguration = "configuration.root_module"
	CutUnchanged     = "resource_changes: those without a change"
	CutBefore        = "resource_changes: before"
	CutValues        = "resource_changes: after"
)

// Document is the plan in the engine's own shape, as rules for `show -json` have
// it, without secrets: where the plan marks a value as sensitive, or hidden
// names it, there is "(secret)". Of the shape prior_state, relevant_attributes
// and the arguments of providers are not there. cut says what else was left out
// of a plan that is too large; what is done to which resource never is.
func Document(p *Plan, hidden []string) (doc map[string]any, cut []string) {
	m := mask(p, hidden)
	doc = map[string]any{}
	for _, key := range []string{"format_version", "terraform_version", "applyable", "complete", "errored"} {
		if v, ok := p.raw[key]; ok {
			doc[key] = v
		}
	}
	for key, make := range map[string]func(any) any{
		"variables":          func(v any) any { return m.variables(v, p.sensitiveVariables()) },
		"resource_changes":   m.changes,
		"resource_drift":     m.changes,
		"output_changes":     m.outputChanges,
		"deferred_changes":   m.deferred,
		"action_invocations": m.actions,
		"planned_values":     m.planned,
		"configuration":      m.configuration,
		"checks":             m.structure,
	} {
		if v, ok := p.raw[key]; ok && v != nil {
			doc[key] = make(v)
		}
	}
	return doc, shrink(doc)
}

// shrink leaves out of a document what rules need least.
func shrink(doc map[string]any) []string {
	var cut []string
	for _, step := range []struct {
		name string
		drop func(map[string]any)
	}{
		{CutPlannedValues, func(d map[string]any) { delete(d, "planned_values"); delete(d, "checks") }},
		{CutConfiguration, func(d map[string]any) { delete(object(d["configuration"]), "root_module") }},
		{CutUnchanged, func(d map[string]any) {
			list, _ := d["resource_changes"].([]any)
			d["resource_changes"] = slices.DeleteFunc(list, func(c any) bool { return unchanged(object(c)) })
		}},
		{CutBefore, func(d map[string]any) { dropOf(d, "before", "before_sensitive", "before_identity") }},
		{CutValues, func(d map[string]any) {
			dropOf(d, "after", "after_sensitive", "after_unknown", "after_identity", "generated_config", "replace_paths")
			delete(d, "variables")
			delete(d, "action_invocations")
			for _, o := range object(d["output_changes"]) {
				for _, key := range []string{"before", "after", "before_sensitive", "after_sensitive", "after_unknown"} {
					delete(object(o), key)
				}
			}
		}},
	} {
		if size(doc) <= MaxDocument {
			break
		}
		step.drop(doc)
		cut = append(cut, step.name)
	}
	return cut
}

func size(v any) int {
	b, err := json.Marshal(v)
	if err != nil {
		return 0 // it came from JSON
	}
	return len(b)
}

func unchanged(c map[string]any) bool {
	actions, _ := object(c["change"])["actions"].([]any)
	return len(actions) == 1 && actions[0] == "no-op" && object(c["change"])["importing"] == nil && c["previous_address"] == nil
}

func dropOf(doc map[string]any, keys ...string) {
	for _, list := range []string{"resource_changes", "resource_drift", "deferred_changes"} {
		for _, c := range objects(doc[list]) {
			if inner, ok := c["resource_change"].(map[string]any); ok {
				c = inner
			}
			for _, key := range keys {
				delete(object(c["change"]), key)
			}
		}
	}
}

func (p *Plan) sensitiveVariables() map[string]bool {
	out := map[string]bool{}
	root := object(object(p.raw["configuration"])["root_module"])
	for name, v := range object(root["variables"]) {
		if object(v)["sensitive"] == true {
			out[name] = true
		}
	}
	return out
}

func (m Mask) variables(v any, sensitive map[string]bool) any {
	out := map[string]any{}
	for name, one := range object(v) {
		value := any(Secret)
		if !sensitive[name] {
			value = m.Value(object(one)["value"])
		}
		out[name] = map[string]any{"value": value}
	}
	return out
}

func (m Mask) changes(v any) any {
	list, _ := v.([]any)
	out := make([]any, 0, len(list))
	for _, c := range list {
		out = append(out, m.resourceChange(object(c)))
	}
	return out
}

func (m Mask) resourceChange(c map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range c {
		switch k {
		case "change":
			out[k] = m.change(object(v))
		case "index":
			out[k] = m.Value(v)
		default:
			out[k] = m.identifier(k, v)
		}
	}
	return out
}

func (m Mask) change(c map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range c {
		switch k {
		case "before", "after":
			out[k] = m.marked(v, c[k+"_sensitive"])
		case "before_sensitive", "after_sensitive", "after_unknown":
			out[k] = m.keys(v)
		case "actions":
			out[k] = v
		default:
			out[k] = m.Value(v) // importing, identities, generated_config, replace_paths
		}
	}
	return out
}

// keys is a tree of marks: its keys are those of the values.
func (m Mask) keys(v any) any { return m.Value(v) }

func (m Mask) outputChanges(v any) any {
	out := map[string]any{}
	for name, c := range object(v) {
		change := object(c)
		// An output is sensitive as a whole.
		for _, k := range []string{"before", "after"} {
			if anyTrue(change[k+"_sensitive"]) {
				change = with(change, k+"_sensitive", true)
			}
		}
		out[name] = m.change(change)
	}
	return out
}

func with(m map[string]any, key string, v any) map[string]any {
	out := map[string]any{}
	for k, one := range m {
		out[k] = one
	}
	out[key] = v
	return out
}

func (m Mask) deferred(v any) any {
	list, _ := v.([]any)
	out := []any{}
	for _, d := range list {
		one := map[string]any{"reason": object(d)["reason"]}
		if c, ok := object(d)["resource_change"].(map[string]any); ok {
			one["resource_change"] = m.resourceChange(c)
		}
		out = append(out, one)
	}
	return out
}

func (m Mask) actions(v any) any {
	list, _ := v.([]any)
	out := []any{}
	for _, a := range list {
		one := map[string]any{}
		for k, v := range object(a) {
			switch k {
			case "config_values":
				one[k] = m.marked(v, object(a)["config_sensitive"])
			default:
				one[k] = m.identifier(k, v)
			}
		}
		out = append(out, one)
	}
	return out
}

func (m Mask) planned(v any) any {
	values := object(v)
	out := map[string]any{}
	if outputs, ok := values["outputs"].(map[string]any); ok {
		masked := map[string]any{}
		for name, o := range outputs {
			one := map[string]any{}
			for k, v := range object(o) {
				switch {
				case k == "value" && object(o)["sensitive"] != false:
					one[k] = Secret
				case k == "value":
					one[k] = m.Value(v)
				default:
					one[k] = v // sensitive, type
				}
			}
			masked[name] = one
		}
		out["outputs"] = masked
	}
	if root, ok := values["root_module"].(map[string]any); ok {
		out["root_module"] = m.module(root)
	}
	return out
}

func (m Mask) module(v map[string]any) map[string]any {
	out := map[string]any{}
	if a, ok := v["address"].(string); ok {
		out["address"] = m.Address(a)
	}
	var resources, children []any
	for _, r := range objects(v["resources"]) {
		one := map[string]any{}
		for k, v := range r {
			switch k {
			case "values":
				one[k] = m.marked(v, r["sensitive_values"])
			case "sensitive_values":
				one[k] = m.keys(v)
			case "index":
				one[k] = m.Value(v)
			default:
				one[k] = m.identifier(k, v)
			}
		}
		resources = append(resources, one)
	}
	for _, c := range objects(v["child_modules"]) {
		children = append(children, m.module(c))
	}
	if resources != nil {
		out["resources"] = resources
	}
	if children != nil {
		out["child_modules"] = children
	}
	return out
}
