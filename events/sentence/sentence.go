// Package sentence says in one sentence what an event means, for timelines,
// chat and terminals. It never fails: of a type that it does not know it says
// what the attributes tell.
package sentence

import (
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/events"
)

// Of returns one sentence about an event, without a full stop.
func Of(e events.Event) string {
	for _, s := range spoken {
		if s.matches(e.Type()) {
			if text, ok := s.say(e); ok {
				return oneLine(text)
			}
			break
		}
	}
	return plain(e)
}

// oneLine keeps what a reason says first: drivers add their log below it.
func oneLine(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(first)
}

// speaker knows the sentence of one type.
type speaker struct {
	matches func(eventType string) bool
	say     func(events.Event) (string, bool)
}

// definition is what events.Definition and those of events/cdevents have in
// common.
type definition[T any] interface {
	Matches(eventType string) bool
	Decode(events.Event) (T, error)
}

func on[T any](d definition[T], say func(e events.Event, data T) string) speaker {
	return speaker{matches: d.Matches, say: func(e events.Event) (string, bool) {
		data, err := d.Decode(e)
		if err != nil {
			return "", false
		}
		return say(e, data), true
	}}
}

// plain tells what the attributes of any event tell: "artifact signed:
// orders", "com.acme.built: orders".
func plain(e events.Event) string {
	what := e.Type()
	for _, prefix := range []string{"dev.cdevents.", "dev.slipway."} {
		if rest, ok := strings.CutPrefix(what, prefix); ok {
			what = strings.ReplaceAll(unversioned(rest), ".", " ")
		}
	}
	if e.Subject() == "" {
		return what
	}
	return what + ": " + e.Subject()
}

// unversioned takes ".v1" or ".0.3.0" off a type.
func unversioned(eventType string) string {
	parts := strings.Split(eventType, ".")
	for i, p := range parts {
		if i > 0 && p != "" && (p[0] >= '0' && p[0] <= '9' || len(p) > 1 && p[0] == 'v' && p[1] >= '0' && p[1] <= '9') {
			return strings.Join(parts[:i], ".")
		}
	}
	return eventType
}

// join puts parts that are there into a sentence: "because …" and the like.
func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

// with returns format applied to value, "" when the value is empty.
func with(format, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf(format, value)
}

func or(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// short makes what people read out of what machines compare: digests and
// commits keep their first twelve digits.
func short(ref string) string {
	if purl, ok := strings.CutPrefix(ref, "pkg:generic/"); ok {
		ref, _, _ = strings.Cut(purl, "?") // its qualifiers
	}
	if name, digest, ok := strings.Cut(ref, "@sha256:"); ok {
		return name + "@" + clip(digest)
	}
	if name, version, ok := strings.Cut(ref, ":"); ok && len(version) == 40 {
		return name + ":" + clip(version)
	}
	if name, version, ok := strings.Cut(ref, "@"); ok && len(version) == 40 {
		return name + "@" + clip(version)
	}
	if len(ref) == 40 {
		return clip(ref)
	}
	return ref
}

func clip(s string) string {
	if len(s) > 12 {
		return s[:12]
	}
	return s
}

// list is "a, b and c"; "nothing" when empty.
func list(items []string) string {
	switch len(items) {
	case 0:
		return "nothing"
	case 1:
		return items[0]
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}

// seconds writes milliseconds for people: "(2.1 s)"; "" when unknown.
func seconds(ms int64) string {
	if ms <= 0 {
		return ""
	}
	return fmt.Sprintf("(%.1f s)", float64(ms)/1000)
}

// undone lists what was really undone, of steps in the order of undoing.
func undone(steps []events.UndoneStep) []string {
	var out []string
	for _, s := range steps {
		if s.Result == "undone" {
			out = append(out, s.ID)
		}
	}
	return out
}
