package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	tfjson "github.com/hashicorp/terraform-json"
)

// Bounds of what is told of one resource.
const (
	maxFields = 200
	maxText   = 512 // characters of one value
	maxDepth  = 64
)

// fields are the values that differ, in the order of their paths.
func fields(c *tfjson.Change, m Mask) (out []Field, cut int) {
	d := differ{mask: m, replaces: c.ReplacePaths}
	d.walk(nil, side{c.Before, c.BeforeSensitive}, side{c.After, c.AfterSensitive}, c.AfterUnknown)
	return d.out, d.cut
}

// side is a value with its marks.
type side struct{ v, marks any }

func (s side) key(k string) side { return side{object(s.v)[k], below(s.marks, k)} }

func (s side) index(i int) side { return side{at(s.v, i), belowAt(s.marks, i)} }

// below is the mark of what is under a key: of a mark for the whole, the whole.
func below(marks any, k string) any {
	if marks == true {
		return true
	}
	return object(marks)[k]
}

func belowAt(marks any, i int) any {
	if marks == true {
		return true
	}
	return at(marks, i)
}

func at(v any, i int) any {
	if list, _ := v.([]any); i < len(list) {
		return list[i]
	}
	return nil
}

type differ struct {
	mask     Mask
	replaces []any // paths, each a list of keys and indexes
	out      []Field
	cut      int
}

func (d *differ) walk(path []any, before, after side, unknown any) {
	sensitive := before.marks == true || after.marks == true
	if !sensitive && unknown != true && len(path) < maxDepth {
		switch {
		case isObject(before.v, after.v, unknown):
			keys := map[string]bool{}
			for _, m := range []any{before.v, after.v, unknown} {
				for k := range object(m) {
					keys[k] = true
				}
			}
			if len(keys) > 0 {
				for _, k := range slices.Sorted(maps.Keys(keys)) {
					d.walk(append(slices.Clip(path), k), before.key(k), after.key(k), object(unknown)[k])
				}
				return
			}
		case isList(before.v, after.v, unknown):
			n := max(length(before.v), length(after.v), length(unknown))
			// A mark whose place is not the value's says nothing of one element.
			if n > 0 && !astray(before) && !astray(after) {
				for i := range n {
					d.walk(append(slices.Clip(path), i), before.index(i), after.index(i), at(unknown, i))
				}
				return
			}
		}
	}
	d.leaf(path, before, after, unknown)
}

func (d *differ) leaf(path []any, before, after side, unknown any) {
	f := Field{Path: d.mask.Text(pathText(path)), Before: before.v, After: after.v}
	f.Sensitive = anyTrue(before.marks) || anyTrue(after.marks)
	f.Unknown = anyTrue(unknown)
	// Of a list or an object that cannot be told apart the whole is unknown.
	if !f.Unknown && same(before, after) {
		return
	}
	if len(d.out) >= maxFields {
		d.cut++
		return
	}
	if f.Sensitive {
		f.Before, f.After = secretOf(f.Before), secretOf(f.After)
	}
	if f.Unknown {
		f.After = Unknown
	}
	f.Replaces = slices.ContainsFunc(d.replaces, func(p any) bool { return covers(p, path) })
	d.out = append(d.out, d.mask.shown(f))
}

// same tells whether nothing differs, marks included where there is a value.
func same(a, b side) bool {
	if !reflect.DeepEqual(a.v, b.v) {
		return false
	}
	return a.v == nil || anyTrue(a.marks) == anyTrue(b.marks)
}

// shown is a field without secrets, short enough to be read. What is cut is cut
// last: half a secret would not be found.
func (m Mask) shown(f Field) Field {
	for _, v := range []*any{&f.Before, &f.After} {
		masked := m.Value(*v)
		if !f.Sensitive && !reflect.DeepEqual(masked, *v) {
			f.Sensitive = true
		}
		*v = short(masked, 0)
	}
	return f
}

func short(v any, depth int) any {
	switch v := v.(type) {
	case string:
		if n := utf8.RuneCountInString(v); n > maxText {
			return string([]rune(v)[:maxText]) + fmt.Sprintf("… (%d more characters)", n-maxText)
		}
	case map[string]any, []any:
		text, err := json.Marshal(v)
		if depth == 0 && err == nil && len(text) > 4*maxText {
			return short(string(text), 1)
		}
	}
	return v
}

func secretOf(v any) any {
	if v == nil {
		return nil
	}
	return Secret
}

func isObject(values ...any) bool { return all[map[string]any](values) }
func isList(values ...any) bool   { return all[[]any](values) }

// all tells whether each value is a T or not there, and one at least is there.
// The third, what is unknown, may be false too.
func all[T any](values []any) bool {
	there := false
	for i, v := range values {
		switch v.(type) {
		case T:
			there = there || i < 2 || anyTrue(v)
		case nil:
		case bool:
			if i < 2 {
				return false
			}
		default:
			return false
		}
	}
	return there
}

func length(v any) int {
	list, _ := v.([]any)
	return len(list)
}

func astray(s side) bool {
	list, isList := s.marks.([]any)
	return anyTrue(s.marks) && (!isList || len(list) != length(s.v))
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

func pathText(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(step) + "]")
		case string:
			switch {
			case !plainKey.MatchString(step):
				b.WriteString("[" + strconv.Quote(step) + "]")
			case b.Len() > 0:
				b.WriteString("." + step)
			default:
				b.WriteString(step)
			}
		}
	}
	return b.String()
}

// covers tells whether the engine's path is the field's, or one above or below.
func covers(engine any, path []any) bool {
	steps, _ := engine.([]any)
	for i := range min(len(steps), len(path)) {
		if fmt.Sprint(steps[i]) != fmt.Sprint(path[i]) {
			return false
		}
	}
	return len(steps) > 0
}

func containsAny(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

func sortedNames(set map[string]bool) []string {
	out := slices.Sorted(maps.Keys(set))
	if out == nil {
		out = []string{}
	}
	return out
}
