package plan

// configuration is the module as it is written. What a provider is given is
// left out whole: a plan does not say which of it is secret.
func (m Mask) configuration(v any) any {
	out := map[string]any{}
	providers := map[string]any{}
	for name, p := range object(object(v)["provider_config"]) {
		one := map[string]any{}
		for _, k := range []string{"name", "full_name", "alias", "module_address", "version_constraint"} {
			if word, ok := object(p)[k]; ok {
				one[k] = word
			}
		}
		providers[name] = one
	}
	out["provider_config"] = providers
	if root, ok := object(v)["root_module"].(map[string]any); ok {
		out["root_module"] = m.configModule(root)
	}
	return out
}

func (m Mask) configModule(v map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range v {
		switch k {
		case "variables":
			out[k] = each(v, func(one map[string]any) any {
				c := object(m.structure(one))
				if _, ok := c["default"]; ok && one["sensitive"] == true {
					c["default"] = Secret
				}
				return c
			})
		case "outputs":
			out[k] = each(v, func(one map[string]any) any {
				c := object(m.structure(one))
				if one["sensitive"] == true {
					hideConstant(c["expression"])
				}
				return c
			})
		case "module_calls":
			out[k] = each(v, m.moduleCall)
		default:
			out[k] = m.structure(v)
		}
	}
	return out
}

func (m Mask) moduleCall(call map[string]any) any {
	out := map[string]any{}
	for k, v := range call {
		switch k {
		case "module":
			out[k] = m.configModule(object(v))
		default:
			out[k] = m.structure(v)
		}
	}
	for name, v := range object(object(call["module"])["variables"]) {
		if object(v)["sensitive"] == true {
			hideConstant(object(out["expressions"])[name])
		}
	}
	return out
}

func each(v any, f func(map[string]any) any) map[string]any {
	out := map[string]any{}
	for name, one := range object(v) {
		out[name] = f(object(one))
	}
	return out
}

func hideConstant(expression any) {
	if e := object(expression); e != nil {
		if _, ok := e["constant_value"]; ok {
			e["constant_value"] = Secret
		}
	}
}

// structure is what a module's text says: identifiers as they are, for rules
// match them; constants without the values.
func (m Mask) structure(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[k] = m.identifier(k, one)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = m.structure(one)
		}
		return out
	}
	return m.Value(v)
}

// identifier is what stands under a key of the engine's own shape.
func (m Mask) identifier(key string, v any) any {
	switch key {
	case "constant_value", "default", "value", "description", "problems", "instances":
		return m.Value(v)
	case "mode", "type", "name", "provider_name", "provider_config_key", "action_reason", "references",
		"depends_on", "deposed", "kind", "source":
		if words(v) {
			return v
		}
	case "address", "module_address", "previous_address", "to_display", "triggering_resource_address":
		if text, ok := v.(string); ok {
			return m.Address(text)
		}
	}
	return m.structure(v)
}

// words tells whether a value is a word or a list of words. An argument may be
// called "name" too: then an expression stands there.
func words(v any) bool {
	switch v := v.(type) {
	case string:
		return true
	case []any:
		for _, one := range v {
			if _, ok := one.(string); !ok {
				return false
			}
		}
		return true
	}
	return false
}
