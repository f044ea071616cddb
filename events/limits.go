package events

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSize is how large an event may be, attributes and data together, in
// bytes. What is larger stays with its owner and is linked by dataref.
const MaxSize = 256 << 10

const (
	maxType    = 255
	maxProject = 63
)

// CheckType says whether a type can be the tail of a NATS subject: no white
// space, no wildcard, no empty token. The error is an *InvalidError.
func CheckType(eventType string) error {
	bad := func(reason string) error { return &InvalidError{Attribute: "type", Reason: reason} }
	switch {
	case eventType == "":
		return bad("is missing")
	case len(eventType) > maxType:
		return bad(fmt.Sprintf("is longer than %d bytes", maxType))
	case !utf8.ValidString(eventType):
		return bad("is not UTF-8")
	case strings.ContainsAny(eventType, "*>"):
		return bad(fmt.Sprintf("%q has a NATS wildcard (* or >)", eventType))
	case strings.ContainsFunc(eventType, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return bad(fmt.Sprintf("%q has white space in it", eventType))
	case strings.HasPrefix(eventType, "."), strings.HasSuffix(eventType, "."), strings.Contains(eventType, ".."):
		return bad(fmt.Sprintf("%q has an empty part between dots", eventType))
	}
	return nil
}

// CheckProject says whether a project's name is one NATS-safe token: letters,
// digits, - and _, at most 63. The error is an *InvalidError.
func CheckProject(project string) error {
	if project == "" {
		return &InvalidError{Attribute: "project", Reason: "is missing"}
	}
	if len(project) > maxProject {
		return &InvalidError{Attribute: "project", Reason: fmt.Sprintf("is longer than %d characters", maxProject)}
	}
	for _, r := range project {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return &InvalidError{Attribute: "project", Reason: fmt.Sprintf("%q may only have letters, digits, - and _", project)}
		}
	}
	return nil
}
