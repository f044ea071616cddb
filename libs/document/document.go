// Package document reads the documents that people write and `slipway apply`
// sends: YAML or JSON, several in one file, each mistake with its line, its
// column and the nearest name that would have been right.
package document

import (
	"reflect"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/strict"
)

// Limits of what Split takes.
const (
	// MaxSize is the largest source, in bytes.
	MaxSize = 5 << 20
	// MaxDocuments is how many documents one source may hold.
	MaxDocuments = 5000
)

// Metadata is what every kind has in its `metadata`. A kind may have more.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Project     string            `json:"project,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Document is one document of a source with its place there.
type Document struct {
	// Source is what the text came from, a path or "-".
	Source string
	// Line of Source at which Raw begins, from 1.
	Line int
	// APIVersion and Kind as written. A Score file has no kind: it gets "Workload".
	APIVersion, Kind string
	Metadata         Metadata
	// Raw is the document's own text, as it was written.
	Raw []byte

	root *strict.Node
}

// KindWorkload is the kind that a Score file, which states none, is given.
const KindWorkload = "Workload"

// Ref is "Kind/name", as faults and results name a document.
func (d Document) Ref() string { return d.Kind + "/" + d.Metadata.Name }

// JSON is the whole document as JSON, fields in the order they were written.
func (d Document) JSON() []byte { return d.root.JSON() }

// Into reads the whole document into v, a pointer to a struct with json tags.
// If anything does not fit, v is untouched and every mistake is a fault.
func (d Document) Into(v any) []httpapi.Fault { return d.faults("", d.root.Into(v)) }

// envelope is the frame of our own documents.
type envelope struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       any      `json:"spec"`
}

// Spec reads a document of Slipway's own form: apiVersion, kind, metadata as
// in Metadata, and a spec that is read into v. Every mistake in any part is a
// fault, in the order of the document. A document without spec leaves v as it is.
func (d Document) Spec(v any) []httpapi.Fault {
	faults := d.faults("", strict.Check(d.root, reflect.TypeFor[envelope]()))
	spec := d.root.Get("spec")
	if spec == nil {
		return faults
	}
	return append(faults, d.faults("/spec", spec.Into(v))...)
}

// Fault makes a fault at the place of a JSON pointer in the document, or at
// the deepest part of it that exists, for mistakes that only its owner can see.
func (d Document) Fault(pointer, message, hint string) httpapi.Fault {
	n := d.root
	line, column := n.Line, n.Column
	for _, token := range pointerTokens(pointer) {
		f, next := step(n, token)
		if next == nil {
			break
		}
		n = next
		line, column = next.Line, next.Column
		if f != nil && next.Kind >= strict.List {
			line, column = f.Line, f.Column // for a block, the place of its name
		}
	}
	return httpapi.Fault{Document: d.Ref(), Pointer: pointer, Source: d.Source,
		Line: d.line(line), Column: column, Message: message, Hint: hint}
}

func (d Document) faults(prefix string, found []strict.Mismatch) []httpapi.Fault {
	var faults []httpapi.Fault
	for _, m := range found {
		faults = append(faults, httpapi.Fault{Document: d.Ref(), Pointer: prefix + m.Pointer, Source: d.Source,
			Line: d.line(m.Line), Column: m.Column, Message: m.Message, Hint: m.Hint})
	}
	return faults
}

// line turns a line of Raw into a line of Source.
func (d Document) line(n int) int { return d.Line + n - 1 }

// Nearest returns the known name that was most likely meant by word, "" if none is near.
func Nearest(word string, known []string) string { return strict.Nearest(word, known) }
