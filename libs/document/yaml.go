package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/libs/strict"
	"go.yaml.in/yaml/v3"
)

// maxNodes bounds a document after its aliases are written out.
const maxNodes = 200_000

// parseNode reads one document; its error is a *strict.SyntaxError, its node
// nil where there is nothing. JSON is read as JSON, so that its mistakes are
// told in JSON's words.
func parseNode(raw []byte) (*strict.Node, error) {
	if json.Valid(raw) {
		return strict.ParseJSON(raw)
	}
	var doc yaml.Node
	if err := decodeYAML(raw, &doc); err != nil {
		return nil, yamlError(err)
	}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return nil, nil
	}
	r := &reader{}
	return r.read(doc.Content[0], 0)
}

// decodeYAML keeps a panic of the YAML library, which old versions had on
// odd input, from taking the service with it.
func decodeYAML(raw []byte, doc *yaml.Node) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("this YAML cannot be read: %v", cause)
		}
	}()
	return yaml.NewDecoder(bytes.NewReader(raw)).Decode(doc)
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func yamlError(err error) error {
	e := &strict.SyntaxError{Line: 1, Column: 1, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	if err.Error() == "EOF" {
		return nil
	}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Message = strings.TrimPrefix(err.Error(), m[0])
	}
	return e
}

// reader turns YAML's nodes into ours: aliases written out, merge keys merged.
type reader struct{ nodes int }

func (r *reader) fail(n *yaml.Node, format string, args ...any) error {
	return &strict.SyntaxError{Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)}
}

func (r *reader) read(n *yaml.Node, depth int) (*strict.Node, error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, r.fail(n, "the document is too large once its aliases are written out")
	}
	if depth > strict.MaxDepth {
		return nil, r.fail(n, "nested deeper than %d levels", strict.MaxDepth)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.read(n.Alias, depth+1)
	case yaml.MappingNode:
		return r.mapping(n, depth)
	case yaml.SequenceNode:
		out := &strict.Node{Kind: strict.List, Line: n.Line, Column: n.Column}
		for _, item := range n.Content {
			v, err := r.read(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, v)
		}
		return out, nil
	}
	return r.scalar(n)
}

func (r *reader) mapping(n *yaml.Node, depth int) (*strict.Node, error) {
	out := &strict.Node{Kind: strict.Object, Line: n.Line, Column: n.Column}
	seen := map[string]bool{}
	var merged []*strict.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, r.fail(key, "a field's name is a word, not a list or a mapping")
		}
		v, err := r.read(value, depth+1)
		if err != nil {
			return nil, err
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, v)
			continue
		}
		if seen[key.Value] {
			return nil, r.fail(key, "field %q is written twice", key.Value)
		}
		seen[key.Value] = true
		out.Fields = append(out.Fields, strict.Field{Name: key.Value, Line: key.Line, Column: key.Column, Value: v})
	}
	for _, m := range merged {
		from := []*strict.Node{m}
		if m.Kind == strict.List {
			from = m.Items
		}
		for _, o := range from {
			if o.Kind != strict.Object {
				return nil, r.fail(n, "<< merges mappings only")
			}
			for _, f := range o.Fields {
				if !seen[f.Name] {
					seen[f.Name] = true
					out.Fields = append(out.Fields, f)
				}
			}
		}
	}
	return out, nil
}

func (r *reader) scalar(n *yaml.Node) (*strict.Node, error) {
	out := &strict.Node{Line: n.Line, Column: n.Column}
	switch n.ShortTag() {
	case "!!null":
		out.Kind = strict.Null
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return nil, r.fail(n, "%q is neither true nor false", n.Value)
		}
		out.Kind, out.Value = strict.Bool, b
	case "!!int":
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, r.fail(n, "%q is not a whole number", n.Value)
		}
		switch v.(type) {
		case int, int64, uint64:
			out.Kind, out.Value = strict.Number, json.Number(fmt.Sprint(v))
		default:
			return nil, r.fail(n, "%q is not a whole number of 64 bits", n.Value)
		}
	case "!!float":
		var v float64
		if err := n.Decode(&v); err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, r.fail(n, "%q is not a finite number", n.Value)
		}
		out.Kind, out.Value = strict.Number, json.Number(strconv.FormatFloat(v, 'g', -1, 64))
	case "!!str", "!!timestamp":
		out.Kind, out.Value = strict.String, n.Value
	default:
		return nil, r.fail(n, "the tag %s means nothing here", n.Tag)
	}
	return out, nil
}
