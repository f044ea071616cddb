package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Secrets are the values that a plan marks as sensitive, wherever it does:
// changes, drift, outputs, states before and after, variables, defaults and
// constants. Longest first; only such as are long enough to be looked for.
func Secrets(p *Plan) []string {
	f := found{}
	for _, list := range []string{"resource_changes", "resource_drift", "deferred_changes"} {
		for _, c := range objects(p.raw[list]) {
			if inner, ok := c["resource_change"].(map[string]any); ok {
				c = inner
			}
			f.change(object(c["change"]))
		}
	}
	for _, c := range object(p.raw["output_changes"]) {
		f.change(object(c))
	}
	for _, a := range objects(p.raw["action_invocations"]) {
		f.marked(a["config_values"], a["config_sensitive"])
	}
	f.state(object(p.raw["planned_values"]))
	f.state(object(object(p.raw["prior_state"])["values"]))
	root := object(object(p.raw["configuration"])["root_module"])
	given := object(p.raw["variables"])
	for name, v := range object(root["variables"]) {
		if object(v)["sensitive"] == true {
			f.all(object(given[name])["value"])
		}
	}
	f.config(root)
	for _, pc := range object(object(p.raw["configuration"])["provider_config"]) {
		f.credentials(object(pc)["expressions"])
	}
	return longestFirst(f)
}

type found map[string]bool

func (f found) change(c map[string]any) {
	f.marked(c["before"], c["before_sensitive"])
	f.marked(c["after"], c["after_sensitive"])
}

func (f found) state(values map[string]any) {
	for _, o := range object(values["outputs"]) {
		if object(o)["sensitive"] == true {
			f.all(object(o)["value"])
		}
	}
	f.module(object(values["root_module"]))
}

func (f found) module(m map[string]any) {
	for _, r := range objects(m["resources"]) {
		f.marked(r["values"], r["sensitive_values"])
	}
	for _, child := range objects(m["child_modules"]) {
		f.module(child)
	}
}

// config finds what a module's own text says of what it calls sensitive.
func (f found) config(m map[string]any) {
	for _, v := range object(m["variables"]) {
		if object(v)["sensitive"] == true {
			f.all(object(v)["default"])
		}
	}
	for _, o := range object(m["outputs"]) {
		if object(o)["sensitive"] == true {
			f.all(object(object(o)["expression"])["constant_value"])
		}
	}
	for _, call := range object(m["module_calls"]) {
		c := object(call)
		inner := object(c["module"])
		for name, v := range object(inner["variables"]) {
			if object(v)["sensitive"] == true {
				f.all(object(object(c["expressions"])[name])["constant_value"])
			}
		}
		f.config(inner)
	}
}

// credential are the arguments of a provider that are taken for secrets when a
// module says them literally: a plan does not say which ones are.
var credential = []string{"password", "secret", "token", "key", "credential", "passphrase"}

func (f found) credentials(expressions any) {
	for name, e := range object(expressions) {
		if containsAny(name, credential) {
			f.all(object(e)["constant_value"])
		}
	}
}

func (f found) marked(v, marks any) {
	switch {
	case v == nil:
	case marks == true:
		f.all(v)
	case !anyTrue(marks):
	default:
		switch v := v.(type) {
		case map[string]any:
			if under, ok := marks.(map[string]any); ok {
				for k, one := range v {
					f.marked(one, under[k])
				}
				return
			}
		case []any:
			if under, ok := marks.([]any); ok && len(under) == len(v) {
				for i, one := range v {
					f.marked(one, under[i])
				}
				return
			}
		}
		f.all(v)
	}
}

// all takes every text and number below a value.
func (f found) all(v any) {
	switch v := v.(type) {
	case string:
		f.add(v)
	case json.Number:
		f.add(string(v))
	case float64:
		f.add(strconv.FormatFloat(v, 'f', -1, 64))
	case int, int64:
		f.add(fmt.Sprint(v))
	case map[string]any:
		for _, one := range v {
			f.all(one)
		}
	case []any:
		for _, one := range v {
			f.all(one)
		}
	}
}

func (f found) add(s string) {
	if len(s) >= MinHidden {
		f[s] = true
	}
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func objects(v any) []map[string]any {
	list, _ := v.([]any)
	out := make([]map[string]any, 0, len(list))
	for _, one := range list {
		out = append(out, object(one))
	}
	return out
}
