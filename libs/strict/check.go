package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Mismatch is one difference between a document and the Go type it is read into.
type Mismatch struct {
	// Pointer is a JSON pointer (RFC 6901) to the value or the unknown field.
	Pointer      string
	Line, Column int
	Message      string
	// Hint is what to do, "" where there is nothing to say.
	Hint string
}

// Into checks the node against the type of target, a pointer, and if nothing
// differs decodes it there by the rules of encoding/json. If something
// differs, target is not touched.
func (n *Node) Into(target any) []Mismatch {
	found := Check(n, reflect.TypeOf(target).Elem())
	if len(found) > 0 {
		return found
	}
	if err := json.Unmarshal(n.JSON(), target); err != nil {
		return []Mismatch{{Line: n.Line, Column: n.Column, Message: err.Error()}}
	}
	return nil
}

// Check compares a node with a Go type by its json tags and returns every
// difference, in the order of the document. Fields are matched by their exact name.
func Check(n *Node, t reflect.Type) []Mismatch {
	c := &checker{}
	c.check(n, t, "")
	return c.found
}

type checker struct{ found []Mismatch }

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (c *checker) add(n *Node, pointer, message, hint string) {
	c.found = append(c.found, Mismatch{Pointer: pointer, Line: n.Line, Column: n.Column, Message: message, Hint: hint})
}

func (c *checker) check(n *Node, t reflect.Type, pointer string) {
	if n.Kind == Null {
		return // as in encoding/json: null leaves the zero value
	}
	if reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
		c.custom(n, t, pointer)
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		c.check(n, t.Elem(), pointer)
	case reflect.Interface:
	case reflect.Struct:
		if c.want(n, Object, pointer) {
			c.object(n, t, pointer)
		}
	case reflect.Map:
		if c.want(n, Object, pointer) {
			for _, f := range n.Fields {
				c.check(f.Value, t.Elem(), pointer+"/"+escape(f.Name))
			}
		}
	case reflect.Slice, reflect.Array:
		c.list(n, t, pointer)
	default:
		c.scalar(n, t, pointer)
	}
}

// custom asks the type's own decoder, so that its error gets a place.
func (c *checker) custom(n *Node, t reflect.Type, pointer string) {
	if err := json.Unmarshal(n.JSON(), reflect.New(t).Interface()); err != nil {
		c.add(n, pointer, strings.TrimPrefix(err.Error(), "json: "), "")
	}
}

func (c *checker) list(n *Node, t reflect.Type, pointer string) {
	if t.Elem().Kind() == reflect.Uint8 {
		c.want(n, String, pointer) // bytes are base64 in JSON
		return
	}
	if !c.want(n, List, pointer) {
		return
	}
	for i, item := range n.Items {
		c.check(item, t.Elem(), pointer+"/"+strconv.Itoa(i))
	}
}

func (c *checker) scalar(n *Node, t reflect.Type, pointer string) {
	switch t.Kind() {
	case reflect.String:
		c.want(n, String, pointer)
	case reflect.Bool:
		c.want(n, Bool, pointer)
	case reflect.Float32, reflect.Float64:
		c.want(n, Number, pointer)
	default:
		if !c.want(n, Number, pointer) {
			return
		}
		if err := json.Unmarshal([]byte(n.Value.(json.Number)), reflect.New(t).Interface()); err != nil {
			c.add(n, pointer, fmt.Sprintf("%s does not fit: a whole number%s is wanted here", n.Value, bounds(t)), "")
		}
	}
}

func bounds(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if t.Bits() < 64 {
			return fmt.Sprintf(" from 0 to %d", uint64(math.Pow(2, float64(t.Bits())))-1)
		}
		return " from 0"
	}
	return ""
}

func (c *checker) want(n *Node, kind Kind, pointer string) bool {
	if n.Kind == kind {
		return true
	}
	hint := ""
	switch {
	case kind == String && (n.Kind == Number || n.Kind == Bool):
		hint = fmt.Sprintf("write it in quotes: \"%v\"", n.Value)
	case kind == List && (n.Kind == String || n.Kind == Object):
		hint = "begin each entry with \"- \""
	}
	c.add(n, pointer, fmt.Sprintf("%s is wanted here, this is %s", kind, n.Kind), hint)
	return false
}

func (c *checker) object(n *Node, t reflect.Type, pointer string) {
	fields := fieldsOf(t)
	for _, f := range n.Fields {
		at := pointer + "/" + escape(f.Name)
		ft, ok := fields[f.Name]
		if !ok {
			c.found = append(c.found, UnknownField(f, at, fields.names()))
			continue
		}
		c.check(f.Value, ft, at)
	}
}

// UnknownField is the mismatch of a field that is none of the known ones.
func UnknownField(f Field, pointer string, known []string) Mismatch {
	m := Mismatch{Pointer: pointer, Line: f.Line, Column: f.Column, Message: fmt.Sprintf("unknown field %q", f.Name)}
	if near := Nearest(f.Name, known); near != "" {
		m.Hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(known) > 0 && len(known) <= 12 {
		m.Hint = "known here: " + strings.Join(known, ", ")
	}
	return m
}

func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// fieldTypes maps the JSON name of a struct's fields to their types.
type fieldTypes map[string]reflect.Type

func (f fieldTypes) names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func fieldsOf(t reflect.Type) fieldTypes {
	fields := fieldTypes{}
	for _, f := range slices.Backward(reflect.VisibleFields(t)) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || (!f.IsExported() && !f.Anonymous) {
			continue
		}
		if f.Anonymous && name == "" {
			continue // its fields are visible themselves
		}
		fields[jsonName(f)] = f.Type
	}
	return fields
}

// jsonName is what a field is called in JSON.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}
