package github

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// payload reads a decoded payload by path. What is missing or of another kind
// is the zero value: GitHub's payloads differ between its versions and kinds.
type payload map[string]any

// decodeObject decodes one JSON object; numbers become int64 or float64, since
// ids are too long for a float64 alone.
func decodeObject(text []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends too early")
		}
		return nil, &provider.DecodeError{Reason: fmt.Sprintf("the payload is not JSON: %v (at byte %d)", err, dec.InputOffset())}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &provider.DecodeError{Reason: "the payload has something after its JSON object"}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, &provider.DecodeError{Reason: "the payload is JSON, but not an object"}
	}
	return plain(object).(map[string]any), nil
}

// plain replaces json.Number by int64 or float64, in place.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = plain(x)
		}
	case []any:
		for i, x := range v {
			v[i] = plain(x)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil { // out of range: keep what was written
			return v.String()
		}
		return f
	}
	return v
}

func (p payload) at(path ...string) any {
	var v any = map[string]any(p)
	for _, name := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

// str returns a string, or a whole number as its digits.
func (p payload) str(path ...string) string {
	switch v := p.at(path...).(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

func (p payload) is(path ...string) bool {
	v, _ := p.at(path...).(bool)
	return v
}

// names returns the field of each object in a list, e.g. the logins of assignees.
func (p payload) names(field string, path ...string) []string {
	list, _ := p.at(path...).([]any)
	var out []string
	for _, v := range list {
		if object, ok := v.(map[string]any); ok {
			if s, ok := object[field].(string); ok && s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// when reads a time: RFC 3339 text, or seconds since 1970.
func (p payload) when(path ...string) time.Time {
	switch v := p.at(path...).(type) {
	case string:
		for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05 MST"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC()
			}
		}
	case int64:
		if v > 0 && v < 1<<40 {
			return time.Unix(v, 0).UTC()
		}
	}
	return time.Time{}
}

// first returns the first non-empty of its arguments.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
