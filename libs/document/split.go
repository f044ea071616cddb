package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/strict"
)

// Split reads a source of YAML documents, or of JSON objects one after another
// or in one list, into its documents. Documents without content are left out.
// source names the text in faults. It returns every document that can be read,
// and a fault for each that cannot.
func Split(source string, r io.Reader) ([]Document, []httpapi.Fault) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, []httpapi.Fault{{Source: source, Message: err.Error()}}
	}
	if len(text) > MaxSize {
		return nil, []httpapi.Fault{{Source: source, Message: fmt.Sprintf("this is over %d MiB", MaxSize>>20), Hint: "split it into several files"}}
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	parts, ok := splitJSON(text)
	if !ok {
		parts = splitYAML(text)
	}
	if len(parts) > MaxDocuments {
		return nil, []httpapi.Fault{{Source: source, Message: fmt.Sprintf("these are %d documents, at most %d are taken at once", len(parts), MaxDocuments)}}
	}
	var (
		docs   []Document
		faults []httpapi.Fault
	)
	for _, part := range parts {
		d, found := parse(source, part.line, part.text)
		faults = append(faults, found...)
		if len(found) == 0 && d.root != nil {
			docs = append(docs, d)
		}
	}
	return docs, faults
}

// Parse reads one document from its raw text, which begins at the given line
// of its source, as Split cut it out.
func Parse(source string, line int, raw []byte) (Document, []httpapi.Fault) {
	d, faults := parse(source, line, raw)
	if len(faults) == 0 && d.root == nil {
		faults = []httpapi.Fault{{Source: source, Line: line, Message: "the document is empty"}}
	}
	return d, faults
}

type part struct {
	line int
	text []byte
}

// splitYAML cuts at the lines that begin with "---" or "...": in YAML these
// end a document wherever they stand, even within a block of text.
func splitYAML(text []byte) []part {
	var parts []part
	begin, beginLine, line := 0, 1, 0
	cut := func(end int) {
		if chunk := text[begin:end]; hasContent(chunk) {
			parts = append(parts, part{line: beginLine, text: chunk})
		}
	}
	for at := 0; at < len(text); {
		line++
		next := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		switch l := text[at:next]; {
		case isMarker(l, "---"):
			cut(at)
			begin, beginLine = at, line
		case isMarker(l, "..."):
			cut(at)
			begin, beginLine = next, line+1
		}
		at = next
	}
	cut(len(text))
	return parts
}

func isMarker(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// hasContent reports whether there is more than comments, directives and markers.
func hasContent(chunk []byte) bool {
	for i, l := range bytes.Split(chunk, []byte("\n")) {
		if i == 0 {
			l = bytes.TrimPrefix(l, []byte("---"))
		}
		if l = bytes.TrimSpace(l); len(l) > 0 && l[0] != '#' && l[0] != '%' {
			return true
		}
	}
	return false
}

// splitJSON cuts a text that is JSON throughout. Each part is indented to the
// column it stood at, so that places in it stay right.
func splitJSON(text []byte) ([]part, bool) {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	if len(trimmed) == 0 || (trimmed[0] != '{' && trimmed[0] != '[') {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var parts []part
	add := func(end int, raw []byte) {
		begin := end - len(raw)
		line := bytes.Count(text[:begin], []byte("\n"))
		column := begin - (bytes.LastIndexByte(text[:begin], '\n') + 1)
		parts = append(parts, part{line: line + 1, text: append(bytes.Repeat([]byte(" "), column), raw...)})
	}
	if trimmed[0] == '[' {
		if _, err := dec.Token(); err != nil {
			return nil, false
		}
	}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, false
		}
		add(int(dec.InputOffset()), raw)
	}
	if trimmed[0] == '[' {
		if _, err := dec.Token(); err != nil {
			return nil, false
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return parts, true
}

// parse reads one document and what every kind has. root is nil if it is empty.
func parse(source string, line int, raw []byte) (Document, []httpapi.Fault) {
	d := Document{Source: source, Line: line, Raw: raw}
	root, err := parseNode(raw)
	var syntax *strict.SyntaxError
	if errors.As(err, &syntax) {
		return d, []httpapi.Fault{{Source: source, Line: d.line(syntax.Line), Column: syntax.Column, Message: syntax.Message}}
	}
	if root == nil || root.Kind == strict.Null {
		return d, nil
	}
	fault := func(n *strict.Node, pointer, message, hint string) (Document, []httpapi.Fault) {
		return d, []httpapi.Fault{{Source: source, Pointer: pointer, Line: d.line(n.Line), Column: n.Column, Message: message, Hint: hint}}
	}
	if root.Kind != strict.Object {
		return fault(root, "", fmt.Sprintf("a document is a mapping with apiVersion, kind and metadata; this is %s", root.Kind), "")
	}
	d.APIVersion, d.Kind = root.Text("apiVersion"), root.Text("kind")
	if d.Kind == "" && strings.HasPrefix(d.APIVersion, "score.dev/") {
		d.Kind = KindWorkload
	}
	d.Metadata = metadataOf(root.Get("metadata"))
	switch {
	case d.APIVersion == "":
		return fault(root, "/apiVersion", "apiVersion is missing", nearField(root, "apiVersion", "such as slipway.dev/v1alpha1"))
	case d.Kind == "":
		return fault(root, "/kind", "kind is missing", nearField(root, "kind", ""))
	case d.Metadata.Name == "":
		return fault(root, "/metadata/name", "metadata.name is missing", nearField(root, "metadata", ""))
	}
	d.root = root
	return d, nil
}

// nearField says which field was probably meant to be the missing one.
func nearField(root *strict.Node, missing, otherwise string) string {
	for _, f := range root.Fields {
		if f.Name != missing && strict.Nearest(f.Name, []string{missing}) != "" {
			return fmt.Sprintf("%q is probably meant to be %q", f.Name, missing)
		}
	}
	return otherwise
}

// metadataOf reads what it can: a kind's own check says what does not fit.
func metadataOf(n *strict.Node) Metadata {
	m := Metadata{
		Name: n.Text("name"), Namespace: n.Text("namespace"), Project: n.Text("project"),
		Title: n.Text("title"), Description: n.Text("description"),
	}
	m.Labels, m.Annotations = texts(n.Get("labels")), texts(n.Get("annotations"))
	return m
}

func texts(n *strict.Node) map[string]string {
	if n == nil || n.Kind != strict.Object {
		return nil
	}
	m := map[string]string{}
	for _, f := range n.Fields {
		if s, ok := f.Value.Value.(string); ok {
			m[f.Name] = s
		}
	}
	return m
}
