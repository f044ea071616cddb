package score

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/score-spec/score-go/framework"
	"github.com/score-spec/score-go/types"
)

// Outputs are what resources gave, by resource name and key. A value is a
// string, number or bool, or {"secretRef": name}.
type Outputs map[string]map[string]any

// placeholderFaults looks at every placeholder that Score expands.
func (p places) placeholderFaults(w types.Workload) []Fault {
	var faults []Fault
	look := func(path []string, value any) {
		_, _ = framework.Substitute(value, func(ref string) (string, error) {
			if message, hint := judgeReference(ref, w); message != "" {
				faults = append(faults, p.at(path, message, hint))
			}
			return "", nil
		})
	}
	for _, name := range slices.Sorted(maps.Keys(w.Containers)) {
		c := w.Containers[name]
		at := []string{"containers", name}
		for _, v := range slices.Sorted(maps.Keys(c.Variables)) {
			look(append(slices.Clone(at), "variables", v), c.Variables[v])
		}
		for target, f := range c.Files {
			if f.Content != nil && (f.NoExpand == nil || !*f.NoExpand) {
				look(append(slices.Clone(at), "files", target, "content"), *f.Content)
			}
		}
		for target, v := range c.Volumes {
			look(append(slices.Clone(at), "volumes", target, "source"), v.Source)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Resources)) {
		look([]string{"resources", name, "params"}, map[string]any(w.Resources[name].Params))
	}
	return faults
}

// judgeReference says what is wrong with one ${…}; "" where nothing is. Which
// outputs a resource has is known only when it is there.
func judgeReference(ref string, w types.Workload) (message, hint string) {
	parts := framework.SplitRefParts(ref)
	if len(parts) < 2 || slices.Contains(parts, "") {
		return fmt.Sprintf("placeholder ${%s} is not of the form ${resources.NAME.OUTPUT} or ${metadata.KEY}", ref),
			"write $${…} for a literal ${…}"
	}
	switch parts[0] {
	case "resources":
		if _, ok := w.Resources[parts[1]]; ok {
			return "", ""
		}
		return undefined(ref, "resource", parts[1], slices.Sorted(maps.Keys(w.Resources)), "resources.")
	case "metadata":
		var here any = map[string]any(w.Metadata)
		for i, key := range parts[1:] {
			m, _ := here.(map[string]any)
			next, ok := m[key]
			if !ok {
				return undefined(ref, "metadata key", key, slices.Sorted(maps.Keys(m)), strings.Join(parts[:i+1], ".")+".")
			}
			here = next
		}
		return "", ""
	}
	if near := nearest(parts[0], []string{"resources", "metadata"}); near != "" {
		hint = fmt.Sprintf("did you mean ${%s.%s}?", near, strings.Join(parts[1:], "."))
	} else {
		hint = "write $${…} for a literal ${…}"
	}
	return fmt.Sprintf("placeholder ${%s} is undefined: it must begin with resources or metadata", ref), hint
}

func undefined(ref, what, name string, known []string, prefix string) (message, hint string) {
	message = fmt.Sprintf("placeholder ${%s} is undefined: there is no %s %q", ref, what, name)
	if near := nearest(name, known); near != "" {
		return message, fmt.Sprintf("did you mean ${%s%s…}?", prefix, near)
	}
	if len(known) == 0 {
		return message, "the workload declares none"
	}
	return message, "there are: " + strings.Join(known, ", ")
}

// Value is the text of one variable with its placeholders filled in. Secrets
// that it needs are named, not filled in: where it has some, Text holds
// {{secret:NAME}} in their places until Reveal.
type Value struct {
	Text    string
	Secrets []string
}

// Expand fills in the placeholders of a text. An output that the resource does
// not have is an error naming the nearest one.
func (w Workload) Expand(text string, outputs Outputs) (Value, error) {
	var v Value
	out, err := framework.SubstituteString(text, func(ref string) (string, error) {
		s, secret, err := w.lookup(ref, outputs)
		if secret != "" {
			v.Secrets = append(v.Secrets, secret)
			return secretMark(secret), nil
		}
		return s, err
	})
	v.Text = out
	return v, err
}

func secretMark(name string) string { return "\x00secret:" + name + "\x00" }

// Reveal is the text with the secrets' values in their places.
func (v Value) Reveal(values map[string]string) (string, error) {
	text := v.Text
	for _, name := range v.Secrets {
		value, ok := values[name]
		if !ok {
			return "", fmt.Errorf("secret %q could not be resolved", name)
		}
		text = strings.ReplaceAll(text, secretMark(name), value)
	}
	return text, nil
}

func (w Workload) lookup(ref string, outputs Outputs) (text, secret string, err error) {
	if message, hint := judgeReference(ref, w.Workload); message != "" {
		return "", "", fmt.Errorf("%s (%s)", message, hint)
	}
	parts := framework.SplitRefParts(ref)
	if parts[0] == "metadata" {
		var here any = map[string]any(w.Metadata)
		for _, key := range parts[1:] {
			here = here.(map[string]any)[key]
		}
		return fmt.Sprint(here), "", nil
	}
	name := parts[1]
	given, ok := outputs[name]
	if !ok {
		return "", "", fmt.Errorf("placeholder ${%s}: resource %q gave no outputs", ref, name)
	}
	if len(parts) == 2 {
		return name, "", nil
	}
	key := strings.Join(parts[2:], ".")
	value, ok := given[key]
	if !ok {
		hint := "it gives: " + strings.Join(slices.Sorted(maps.Keys(given)), ", ")
		if near := nearest(key, slices.Sorted(maps.Keys(given))); near != "" {
			hint = fmt.Sprintf("did you mean ${resources.%s.%s}?", name, near)
		}
		return "", "", fmt.Errorf("placeholder ${%s} is undefined: resource %q (%s) has no output %q (%s)",
			ref, name, w.Resources[name].Type, key, hint)
	}
	if m, ok := value.(map[string]any); ok {
		if s, ok := m["secretRef"].(string); ok {
			return "", s, nil
		}
	}
	switch value := value.(type) {
	case string:
		return value, "", nil
	case float64:
		// A port is 6379 and not 6.379e+03.
		return strings.TrimSuffix(fmt.Sprintf("%f", value), ".000000"), "", nil
	}
	return fmt.Sprint(value), "", nil
}

// Params are a resource's parameters with what is known of the workload filled
// in; references to other resources are left to whoever provisions them.
func (w Workload) Params(resource string) map[string]any {
	params := w.Resources[resource].Params
	if len(params) == 0 {
		return nil
	}
	out, err := framework.Substitute(map[string]any(params), func(ref string) (string, error) {
		if !strings.HasPrefix(ref, "metadata.") {
			return "${" + ref + "}", nil
		}
		text, _, err := w.lookup(ref, nil)
		return text, err
	})
	if err != nil {
		return params // Load has refused what cannot be looked up
	}
	return out.(map[string]any)
}
