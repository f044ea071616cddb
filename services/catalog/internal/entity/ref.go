// Package entity knows what an entity is: Backstage's descriptor format, its
// names, its references, its nine kinds and what each may say.
//
// Source of the rules: https://backstage.io/docs/features/software-catalog/descriptor-format
// and .../references.
package entity

import (
	"fmt"
	"regexp"
	"strings"
)

// DefaultNamespace is where an entity is that names none.
const DefaultNamespace = "default"

// Ref names an entity: "kind:namespace/name". Its parts are in lower case, as
// references are compared without regard to case.
type Ref struct{ Kind, Namespace, Name string }

// NewRef makes a reference, with the default namespace where none is given.
func NewRef(kind, namespace, name string) Ref {
	if namespace == "" {
		namespace = DefaultNamespace
	}
	return Ref{strings.ToLower(kind), strings.ToLower(namespace), strings.ToLower(name)}
}

// String is the full form, "component:default/orders".
func (r Ref) String() string { return r.Kind + ":" + r.Namespace + "/" + r.Name }

// IsZero tells whether it names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// ParseRef reads "[kind:][namespace/]name". Where it names no kind, the
// default is taken; where there is no default either, it is an error.
func ParseRef(text, defaultKind string) (Ref, error) {
	kind, rest, hasKind := strings.Cut(text, ":")
	if !hasKind {
		kind, rest = defaultKind, text
	}
	namespace, name, hasNamespace := strings.Cut(rest, "/")
	if !hasNamespace {
		namespace, name = DefaultNamespace, rest
	}
	switch {
	case kind == "" && !hasKind:
		return Ref{}, fmt.Errorf("%q names no kind; write it as kind:%s", text, text)
	case !kindPattern.MatchString(kind) || len(kind) > maxPart:
		return Ref{}, fmt.Errorf("%q is no reference: %q is no kind; write [kind:][namespace/]name", text, kind)
	case CheckNamespace(namespace) != nil:
		return Ref{}, fmt.Errorf("%q is no reference: %w", text, CheckNamespace(namespace))
	case CheckName(name) != nil:
		return Ref{}, fmt.Errorf("%q is no reference: %w", text, CheckName(name))
	}
	return NewRef(kind, namespace, name), nil
}

const maxPart = 63

var (
	kindPattern      = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*$`)
	namePattern      = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
	namespacePattern = regexp.MustCompile(`^[a-z0-9]+(-+[a-z0-9]+)*$`)
	tagPattern       = regexp.MustCompile(`^[a-z0-9:+#]+(-[a-z0-9:+#]+)*$`)
	prefixPattern    = regexp.MustCompile(`^[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*$`)
)

// CheckName says what is wrong with metadata.name, or nil.
func CheckName(name string) error {
	if len(name) > maxPart || !namePattern.MatchString(name) {
		return fmt.Errorf("%q is not a name: 1 to %d letters, digits, dashes, underscores and dots, with a letter or digit at both ends", name, maxPart)
	}
	return nil
}

// CheckNamespace says what is wrong with metadata.namespace, or nil. Case does
// not count.
func CheckNamespace(namespace string) error {
	if len(namespace) > maxPart || !namespacePattern.MatchString(strings.ToLower(namespace)) {
		return fmt.Errorf("%q is not a namespace: 1 to %d lower case letters and digits, in parts separated by dashes", namespace, maxPart)
	}
	return nil
}

// CheckTag says what is wrong with one of metadata.tags, or nil.
func CheckTag(tag string) error {
	if len(tag) > maxPart || !tagPattern.MatchString(tag) {
		return fmt.Errorf("%q is not a tag: 1 to %d of a-z, 0-9, ':', '+' and '#', in parts separated by dashes", tag, maxPart)
	}
	return nil
}

// CheckKey says what is wrong with the key of a label or an annotation, or nil.
func CheckKey(key string) error {
	prefix, name, hasPrefix := strings.Cut(key, "/")
	if !hasPrefix {
		name = key
	}
	if (hasPrefix && (len(prefix) > 253 || !prefixPattern.MatchString(prefix))) || CheckName(name) != nil {
		return fmt.Errorf("%q is not a key: write [prefix/]name, such as example.com/docs", key)
	}
	return nil
}

// CheckLabel says what is wrong with the value of a label, or nil.
func CheckLabel(value string) error {
	if value != "" && CheckName(value) != nil {
		return fmt.Errorf("%q is not a label's value: at most %d letters, digits, dashes, underscores and dots; longer text belongs in an annotation", value, maxPart)
	}
	return nil
}
