// Package contract puts the owners' OpenAPI documents together into the one
// that describes the public API.
package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Part is one service's document.
type Part struct {
	Owner string
	Text  []byte
}

// Merge returns base with the paths, components and tags of the parts. A
// component whose name is taken by another of different content gets its
// owner's name in front, and what refers to it in that part follows. A path
// that is there already stays as it was first. away are named in the
// description, since a document without them is not whole.
func Merge(base []byte, parts []Part, away []string) ([]byte, error) {
	doc, err := parse(base)
	if err != nil {
		return nil, fmt.Errorf("the gateway's own document: %w", err)
	}
	for _, part := range parts {
		more, err := parse(part.Text)
		if err != nil {
			return nil, fmt.Errorf("the document of %s: %w", part.Owner, err)
		}
		if err := merge(doc, more, part.Owner); err != nil {
			return nil, fmt.Errorf("the document of %s: %w", part.Owner, err)
		}
	}
	if len(away) > 0 {
		info, _ := doc["info"].(map[string]any)
		if info == nil {
			info = map[string]any{}
			doc["info"] = info
		}
		text, _ := info["description"].(string)
		info["description"] = strings.TrimSpace(text + "\n\nNot included, because they did not answer: " + strings.Join(away, ", ") + ".")
	}
	return yaml.Marshal(doc)
}

func parse(text []byte) (map[string]any, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, fmt.Errorf("it is empty")
	}
	return doc, nil
}

func merge(doc, more map[string]any, owner string) error {
	renamed := map[string]string{} // "#/components/schemas/X" → its new name
	into := object(doc, "components")
	from := object(more, "components")
	// Until nothing is added: what reads the same is another thing still if it
	// refers to one that is.
	for before := -1; before < len(renamed); {
		before = len(renamed)
		for _, section := range slices.Sorted(maps.Keys(from)) {
			theirs, _ := from[section].(map[string]any)
			ours := object(into, section)
			for _, name := range slices.Sorted(maps.Keys(theirs)) {
				if _, taken := ours[name]; taken && (!same(ours[name], theirs[name]) || refers(theirs[name], renamed)) {
					renamed["#/components/"+section+"/"+name] = title(owner) + name
				}
			}
		}
	}
	rewrite(more, renamed)
	for section, v := range from {
		theirs, _ := v.(map[string]any)
		ours := object(into, section)
		for name, component := range theirs {
			if to, ok := renamed["#/components/"+section+"/"+name]; ok {
				name = to
			}
			ours[name] = component
		}
	}
	paths := object(doc, "paths")
	for path, item := range object(more, "paths") {
		theirs, _ := item.(map[string]any)
		ours := object(paths, path)
		for method, operation := range theirs {
			if _, taken := ours[method]; !taken {
				ours[method] = operation
			}
		}
	}
	if tags, ok := more["tags"].([]any); ok {
		have, _ := doc["tags"].([]any)
		doc["tags"] = append(have, tags...)
	}
	return nil
}

// object returns a field that is an object, made where it is missing.
func object(m map[string]any, name string) map[string]any {
	v, ok := m[name].(map[string]any)
	if !ok {
		v = map[string]any{}
		m[name] = v
	}
	return v
}

func same(a, b any) bool {
	x, err1 := yaml.Marshal(a)
	y, err2 := yaml.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// refers reports whether something in v is a reference to what is renamed.
func refers(v any, renamed map[string]string) bool {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && renamed[ref] != "" {
			return true
		}
		for _, x := range v {
			if refers(x, renamed) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return refers(x, renamed) })
	}
	return false
}

// rewrite follows renamed components in $ref, in place.
func rewrite(v any, renamed map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if to, ok := renamed[ref]; ok {
				v["$ref"] = ref[:strings.LastIndexByte(ref, '/')+1] + to
			}
		}
		for _, x := range v {
			rewrite(x, renamed)
		}
	case []any:
		for _, x := range v {
			rewrite(x, renamed)
		}
	}
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
