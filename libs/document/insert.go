package document

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/strict"
)

// Insertion is a field that is put into the text of a source.
type Insertion struct {
	line, column int // of the source, from 1; columns count characters
	text         string
	breaks       bool // onto a line of its own
}

// Add puts a field before the one at a pointer; false where there is none.
// Nothing happens before Insert.
func (d Document) Add(pointer, name, value string) (Insertion, bool) {
	tokens := pointerTokens(pointer)
	if len(tokens) == 0 {
		return Insertion{}, false
	}
	parent := d.root
	for _, token := range tokens[:len(tokens)-1] {
		if _, parent = step(parent, token); parent == nil {
			return Insertion{}, false
		}
	}
	before, _ := step(parent, tokens[len(tokens)-1])
	if before == nil {
		return Insertion{}, false
	}
	n, _ := json.Marshal(name)
	v, _ := json.Marshal(value)
	at := Insertion{line: d.line(before.Line), column: before.Column, text: string(n) + ": " + string(v)}
	// A mapping in braces begins with one; in a block it begins with its first field.
	if at.breaks = !d.braces(parent); !at.breaks {
		at.text += ", "
	}
	return at, true
}

func (d Document) braces(n *strict.Node) bool {
	lines := strings.Split(string(d.Raw), "\n")
	if n.Line < 1 || n.Line > len(lines) {
		return false
	}
	l := []rune(lines[n.Line-1])
	return n.Column >= 1 && n.Column <= len(l) && l[n.Column-1] == '{'
}

// Insert carries insertions out. back turns a place in the new text into the
// one that a person wrote.
func Insert(text []byte, list []Insertion) (out []byte, back func(line, column int) (int, int)) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Insertion) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return a.column - b.column
	})
	lines := bytes.SplitAfter(text, []byte("\n"))
	for _, in := range slices.Backward(list) { // from the end: what comes before stays where it is
		if in.line < 1 || in.line > len(lines) {
			continue
		}
		l := []rune(string(lines[in.line-1]))
		at := min(in.column-1, len(l))
		piece := in.text
		if in.breaks {
			piece += "\n" + strings.Repeat(" ", at)
		}
		lines[in.line-1] = []byte(string(l[:at]) + piece + string(l[at:]))
	}
	return bytes.Join(lines, nil), func(line, column int) (int, int) {
		for _, in := range list {
			line, column = in.back(line, column)
		}
		return line, column
	}
}

func (in Insertion) back(line, column int) (int, int) {
	length := len([]rune(in.text))
	switch {
	case in.breaks && line == in.line && column > in.column:
		return line, in.column
	case in.breaks && line > in.line:
		return line - 1, column
	case in.breaks || line != in.line || column <= in.column:
		return line, column
	case column < in.column+length:
		return line, in.column
	}
	return line, column - length
}
