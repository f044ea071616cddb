package plan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// MinHidden is the length from which a value is looked for in other texts.
// Shorter ones are in everything.
const MinHidden = 4

// minLine is the length from which one line of a value is looked for by itself:
// logs and pages show a key of many lines line by line, indented.
const minLine = 8

// Mask hides values wherever they are written. Its zero value hides nothing.
// It may be used by many at once.
type Mask struct{ replace *strings.Replacer }

// NewMask makes a mask of values: as they are, line by line, and in the forms
// that other texts hold them in (JSON, URL, base64).
func NewMask(values ...[]string) Mask {
	forms := map[string]bool{}
	for _, list := range values {
		for _, v := range list {
			if len(v) < MinHidden {
				continue
			}
			for _, f := range written(v) {
				forms[f] = true
			}
		}
	}
	if len(forms) == 0 {
		return Mask{}
	}
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range longestFirst(forms) {
		pairs = append(pairs, f, Secret)
	}
	return Mask{replace: strings.NewReplacer(pairs...)}
}

func longestFirst(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return out
}

// written are the forms in which a value is found in other texts.
func written(v string) []string {
	out := []string{v, url.QueryEscape(v), url.PathEscape(v)}
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(v) == nil {
			out = append(out, strings.Trim(strings.TrimSuffix(b.String(), "\n"), `"`))
		}
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding, base64.StdEncoding, base64.URLEncoding} {
		out = append(out, e.EncodeToString([]byte(v)))
	}
	if lines := strings.Split(v, "\n"); len(lines) > 1 {
		for _, l := range lines {
			if l = strings.TrimSpace(l); len(l) >= minLine {
				out = append(out, l)
			}
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < MinHidden })
}

// Text is a text without the values.
func (m Mask) Text(s string) string {
	if m.replace == nil {
		return s
	}
	return m.replace.Replace(s)
}

// Value is a JSON value without the values, as a copy. A number that is one of
// them as a whole is hidden too, and so are keys of objects.
func (m Mask) Value(v any) any {
	if m.replace == nil {
		return v
	}
	switch v := v.(type) {
	case string:
		return m.Text(v)
	case json.Number:
		if s := string(v); m.Text(s) != s {
			return Secret
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[m.Text(k)] = m.Value(one)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = m.Value(one)
		}
		return out
	}
	return v
}

// Address is a resource's address without the values. Its identifiers are the
// module's own words and what rules match; only the keys of instances come from
// values.
func (m Mask) Address(s string) string {
	if m.replace == nil || !strings.Contains(s, `["`) {
		return s
	}
	var b strings.Builder
	for {
		start := strings.Index(s, `["`)
		if start < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := strings.Index(s[start:], `"]`)
		if end < 0 {
			b.WriteString(m.Text(s))
			return b.String()
		}
		b.WriteString(s[:start])
		b.WriteString(m.Text(s[start : start+end+2]))
		s = s[start+end+2:]
	}
}

// marked is a value with everything hidden that marks (a tree of true, objects
// and lists, as the engine writes it) say is sensitive, and the mask's values
// too.
func (m Mask) marked(v, marks any) any {
	if v == nil {
		return nil
	}
	if marks == true {
		return Secret
	}
	switch v := v.(type) {
	case map[string]any:
		under, ok := marks.(map[string]any)
		if !ok && anyTrue(marks) {
			return Secret
		}
		out := make(map[string]any, len(v))
		for k, one := range v {
			out[m.Text(k)] = m.marked(one, under[k])
		}
		return out
	case []any:
		under, ok := marks.([]any)
		if anyTrue(marks) && (!ok || len(under) != len(v)) {
			return Secret // which of them it means cannot be told
		}
		out := make([]any, len(v))
		for i, one := range v {
			var mark any
			if i < len(under) {
				mark = under[i]
			}
			out[i] = m.marked(one, mark)
		}
		return out
	}
	if anyTrue(marks) {
		return Secret
	}
	return m.Value(v)
}

func anyTrue(marks any) bool {
	switch marks := marks.(type) {
	case bool:
		return marks
	case map[string]any:
		for _, one := range marks {
			if anyTrue(one) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(marks, anyTrue)
	}
	return false
}
