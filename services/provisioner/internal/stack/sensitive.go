package stack

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// secrets collects values that must not be seen.
type secrets struct{ values []string }

// all takes every string and number in a value. Booleans and null tell nothing.
func (s *secrets) all(v any) {
	switch v := v.(type) {
	case string:
		if v != "" {
			s.values = append(s.values, v)
		}
	case json.Number:
		s.values = append(s.values, v.String())
	case []any:
		for _, item := range v {
			s.all(item)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			s.all(v[k])
		}
	}
}

// at takes what is at the sensitive paths of attributes. A path that cannot be
// understood hides all that it may have meant.
func (s *secrets) at(paths json.RawMessage, attributes any) {
	if len(paths) == 0 {
		return
	}
	var each []json.RawMessage
	if json.Unmarshal(paths, &each) != nil {
		s.all(attributes)
		return
	}
	for _, path := range each {
		var steps []step
		if json.Unmarshal(path, &steps) != nil {
			s.all(attributes)
			continue
		}
		s.all(follow(attributes, steps))
	}
}

// step is one step of a path: {"type":"get_attr","value":"name"} or
// {"type":"index","value":{"value":"key","type":"string"}}.
type step struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// key is the name, or the number as text, that a step asks for.
func (p step) key() (string, bool) {
	v := decode(p.Value)
	if m, ok := v.(map[string]any); ok {
		v = m["value"]
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// follow goes down a path as far as it leads: an element of a set has no key,
// and then the whole set is meant.
func follow(v any, steps []step) any {
	for _, p := range steps {
		key, ok := p.key()
		if !ok {
			return v
		}
		switch at := v.(type) {
		case map[string]any:
			if v, ok = at[key]; !ok {
				return at
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) {
				return at
			}
			v = at[i]
		default:
			return v
		}
	}
	return v
}
