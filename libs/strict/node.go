// Package strict reads documents the way Slipway promises to: every unknown
// field, every wrong type and every repeated key is reported, with its place
// and with the nearest name that would have been right.
//
// It works on a small tree with positions, which JSON (ParseJSON) and YAML
// (libs/document) are both read into, so that the two say the same of the same
// mistake.
package strict

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// MaxDepth bounds how deep a document may nest.
const MaxDepth = 100

// Kind is what a node holds.
type Kind uint8

// The kinds of JSON.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Object
)

// String names the kind as one would say it in a sentence.
func (k Kind) String() string {
	switch k {
	case Null:
		return "nothing"
	case Bool:
		return "true or false"
	case Number:
		return "a number"
	case String:
		return "a string"
	case List:
		return "a list"
	case Object:
		return "a mapping"
	}
	return fmt.Sprintf("kind %d", k)
}

// Node is one value with its place. Line and Column count from 1; Column counts bytes.
type Node struct {
	Kind         Kind
	Line, Column int
	// Value is a bool, a json.Number or a string; nil for the other kinds.
	Value any
	// Fields of an Object, in the order they were written, each name once.
	Fields []Field
	// Items of a List.
	Items []*Node
}

// Field is one entry of an Object, with the place of its name.
type Field struct {
	Name         string
	Line, Column int
	Value        *Node
}

// Get returns the value at a path of field names, nil where there is none.
func (n *Node) Get(path ...string) *Node {
	for _, name := range path {
		if n == nil || n.Kind != Object {
			return nil
		}
		var next *Node
		for _, f := range n.Fields {
			if f.Name == name {
				next = f.Value
				break
			}
		}
		n = next
	}
	return n
}

// Text returns the string at a path, "" where there is none or it is no string.
func (n *Node) Text(path ...string) string {
	if v := n.Get(path...); v != nil && v.Kind == String {
		return v.Value.(string)
	}
	return ""
}

// JSON writes the node as compact JSON, fields in their order.
func (n *Node) JSON() json.RawMessage {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

func (n *Node) write(b *bytes.Buffer) {
	switch n.Kind {
	case Null:
		b.WriteString("null")
	case Bool:
		fmt.Fprint(b, n.Value.(bool))
	case Number:
		b.WriteString(n.Value.(json.Number).String())
	case String:
		writeString(b, n.Value.(string))
	case List:
		b.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case Object:
		b.WriteByte('{')
		for i, f := range n.Fields {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, f.Name)
			b.WriteByte(':')
			f.Value.write(b)
		}
		b.WriteByte('}')
	}
}

func writeString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	b.Truncate(b.Len() - 1)
}
