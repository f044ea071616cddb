// Package placeholder finds and replaces ${…} in the params and inputs of
// resources: ${resources.cache.host}, ${params.size}, ${context.environment}.
// "$${" stands for "${" itself.
package placeholder

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Secret is a value that is handed on by name only. In JSON it is
// {"secretRef": "<name>"}.
type Secret struct {
	Ref string `json:"secretRef"`
}

// SecretOf reads a Secret back from what JSON made of it.
func SecretOf(v any) (Secret, bool) {
	switch v := v.(type) {
	case Secret:
		return v, true
	case map[string]any:
		if ref, ok := v["secretRef"].(string); ok && len(v) == 1 {
			return Secret{Ref: ref}, true
		}
	}
	return Secret{}, false
}

// Lookup gives the value of a path such as ["resources", "cache", "host"].
type Lookup func(path []string) (any, error)

// errKeep is what a Lookup answers for a path that shall stay as it is.
var errKeep = errors.New("keep the placeholder")

// Keep tells Expand, or Resolve, to leave a placeholder for later.
func Keep() error { return errKeep }

// Resolve replaces every placeholder in a value of JSON's shapes. A text that
// is one placeholder takes its value with its type; within a text a value is
// written out. A secret can only be handed on whole. All errors are told.
func Resolve(v any, lookup Lookup) (any, error) {
	return resolver{lookup: lookup}.value(v)
}

// Expand replaces placeholders by values that may themselves hold some, and
// leaves those for which lookup answers Keep. The result is to be resolved.
func Expand(v any, lookup Lookup) (any, error) {
	return resolver{lookup: lookup, expand: true}.value(v)
}

type resolver struct {
	lookup Lookup
	expand bool // the result is a template again
}

func (r resolver) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case map[string]any:
		out := make(map[string]any, len(v))
		var errs []error
		for _, k := range slices.Sorted(maps.Keys(v)) {
			value, err := r.value(v[k])
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", k, err))
				continue
			}
			out[k] = value
		}
		return out, errors.Join(errs...)
	case []any:
		out := make([]any, len(v))
		var errs []error
		for i, one := range v {
			value, err := r.value(one)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			out[i] = value
		}
		return out, errors.Join(errs...)
	default:
		return v, nil
	}
}

// Paths are the paths of all placeholders in a value, in order.
func Paths(v any) ([][]string, error) {
	var out [][]string
	_, err := Expand(v, func(path []string) (any, error) {
		out = append(out, path)
		return nil, errKeep
	})
	return out, err
}

func (r resolver) text(text string) (any, error) {
	parts, err := parse(text)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 && parts[0].path != nil {
		v, err := r.lookup(parts[0].path)
		if errors.Is(err, errKeep) {
			return text, nil
		}
		return v, err
	}
	var b strings.Builder
	var errs []error
	for _, p := range parts {
		if p.path == nil {
			if r.expand {
				p.literal = strings.ReplaceAll(p.literal, "${", "$${")
			}
			b.WriteString(p.literal)
			continue
		}
		v, err := r.lookup(p.path)
		switch {
		case errors.Is(err, errKeep):
			b.WriteString("${" + strings.Join(p.path, ".") + "}")
		case err != nil:
			errs = append(errs, err)
		default:
			s, err := plain(p.path, v)
			errs = append(errs, err)
			b.WriteString(s)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b.String(), nil
}

func plain(path []string, v any) (string, error) {
	name := "${" + strings.Join(path, ".") + "}"
	if _, ok := SecretOf(v); ok {
		return "", fmt.Errorf("%s is secret: it can be handed on as a whole, not within a text", name)
	}
	switch v.(type) {
	case map[string]any, []any:
		return "", fmt.Errorf("%s is no text: it can be handed on as a whole, not within a text", name)
	}
	return fmt.Sprint(v), nil
}

type part struct {
	literal string
	path    []string // nil for a literal
}

func parse(text string) ([]part, error) {
	var parts []part
	literal := func(s string) {
		if s == "" {
			return
		}
		if n := len(parts); n > 0 && parts[n-1].path == nil {
			parts[n-1].literal += s
			return
		}
		parts = append(parts, part{literal: s})
	}
	for rest := text; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			literal(rest)
			return parts, nil
		}
		if i > 0 && rest[i-1] == '$' {
			literal(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		literal(rest[:i])
		rest = rest[i+2:]
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return nil, fmt.Errorf("%q has a placeholder without an end; write $${ for a plain ${", text)
		}
		path := strings.Split(strings.TrimSpace(rest[:end]), ".")
		if slices.Contains(path, "") {
			return nil, fmt.Errorf("${%s} is no placeholder: it is a path of names such as resources.cache.host", rest[:end])
		}
		parts = append(parts, part{path: path})
		rest = rest[end+1:]
	}
}
