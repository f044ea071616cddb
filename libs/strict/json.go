package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// SyntaxError says where a text stops being readable.
type SyntaxError struct {
	Line, Column int
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
}

// ParseJSON reads exactly one JSON value. Its error is a *SyntaxError.
func ParseJSON(data []byte) (*Node, error) {
	p := newJSONParser(data)
	n, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, p.fail(p.start(), "there is something after the end of the JSON value")
	}
	return n, nil
}

type jsonParser struct {
	data []byte
	dec  *json.Decoder
	// where the last position was, so that counting lines stays linear
	offset, line, lineStart int
}

func newJSONParser(data []byte) *jsonParser {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return &jsonParser{data: data, dec: dec, line: 1}
}

// start is the offset at which the next token begins.
func (p *jsonParser) start() int {
	i := int(p.dec.InputOffset())
	for i < len(p.data) && strings.IndexByte(" \t\r\n,:", p.data[i]) >= 0 {
		i++
	}
	return i
}

func (p *jsonParser) position(offset int) (line, column int) {
	if offset < p.offset {
		p.offset, p.line, p.lineStart = 0, 1, 0
	}
	for ; p.offset < offset && p.offset < len(p.data); p.offset++ {
		if p.data[p.offset] == '\n' {
			p.line++
			p.lineStart = p.offset + 1
		}
	}
	return p.line, offset - p.lineStart + 1
}

func (p *jsonParser) fail(offset int, message string) *SyntaxError {
	line, column := p.position(offset)
	return &SyntaxError{Line: line, Column: column, Message: message}
}

func (p *jsonParser) broken(err error) *SyntaxError {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return p.fail(max(p.start(), int(syntax.Offset)-1), strings.TrimPrefix(syntax.Error(), "json: "))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return p.fail(len(p.data), "the JSON ends too early")
	}
	return p.fail(p.start(), err.Error())
}

func (p *jsonParser) value(depth int) (*Node, error) {
	at := p.start()
	if depth > MaxDepth {
		return nil, p.fail(at, fmt.Sprintf("nested deeper than %d levels", MaxDepth))
	}
	token, err := p.dec.Token()
	if err != nil {
		return nil, p.broken(err)
	}
	n := &Node{}
	n.Line, n.Column = p.position(at)
	switch v := token.(type) {
	case nil:
		n.Kind = Null
	case bool:
		n.Kind, n.Value = Bool, v
	case json.Number:
		if _, err := v.Float64(); err != nil {
			return nil, p.fail(at, "the number is too large")
		}
		n.Kind, n.Value = Number, v
	case string:
		n.Kind, n.Value = String, v
	case json.Delim:
		if v == '[' {
			n.Kind = List
			return n, p.items(n, depth)
		}
		n.Kind = Object
		return n, p.fields(n, depth)
	}
	return n, nil
}

func (p *jsonParser) items(n *Node, depth int) error {
	for p.dec.More() {
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, item)
	}
	return p.closing()
}

func (p *jsonParser) fields(n *Node, depth int) error {
	seen := map[string]bool{}
	for p.dec.More() {
		at := p.start()
		token, err := p.dec.Token()
		if err != nil {
			return p.broken(err)
		}
		f := Field{Name: token.(string)} // the decoder allows nothing else here
		f.Line, f.Column = p.position(at)
		if seen[f.Name] {
			return p.fail(at, fmt.Sprintf("field %q is written twice", f.Name))
		}
		seen[f.Name] = true
		if f.Value, err = p.value(depth + 1); err != nil {
			return err
		}
		n.Fields = append(n.Fields, f)
	}
	return p.closing()
}

func (p *jsonParser) closing() error {
	if _, err := p.dec.Token(); err != nil {
		return p.broken(err)
	}
	return nil
}
