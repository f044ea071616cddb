// Package tell says things as people say them: states in a word, times as ages
// and spans, digests short.
package tell

import (
	"fmt"
	"strings"
	"time"
)

// State is one of the four that things are shown in; Quiet is none of them.
type State string

// The states. Each has a shape, a word and a colour on every page.
const (
	Quiet     State = "quiet"
	Running   State = "running"
	Succeeded State = "succeeded"
	Attention State = "attention"
	Failed    State = "failed"
)

// Mark is a state with its word in this place: "parked", "deployed".
type Mark struct {
	State State
	Word  string
}

// Ago is how long ago something was.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < -time.Second:
		return In(t, now)
	case d < 5*time.Second:
		return "just now"
	case d < 30*24*time.Hour:
		return coarse(d) + " ago"
	}
	return t.UTC().Format("2 Jan 2006")
}

// In is how long it is until something.
func In(t, now time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return "now"
	}
	return "in " + coarse(d)
}

// coarse is a span in one unit, or two where the second one matters.
func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 10*time.Hour:
		if m := int(d.Minutes()) % 60; m > 0 {
			return fmt.Sprintf("%d h %d min", int(d.Hours()), m)
		}
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Span is how long something took.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return coarse(d)
}

// Exact is a time as it is shown on hover.
func Exact(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Short is a digest, commit or id in as many characters as people compare.
func Short(digest string) string {
	_, after, found := strings.Cut(digest, "sha256:")
	if found {
		digest = after
	}
	return digest[:min(6, len(digest))]
}

// Release is what of an artifact matters to a person: "v2" of "orders:v2", the
// beginning of the digest where there is no version.
func Release(version, artifact string) string {
	if _, v, ok := strings.Cut(version, ":"); ok && v != "" {
		if len(v) >= 40 && strings.Trim(v, "0123456789abcdef") == "" {
			return v[:7] // a commit
		}
		return v
	}
	if version != "" {
		return version
	}
	return Short(artifact)
}

// Name is the last word of a reference: "ada" of "user:default/ada".
func Name(ref string) string {
	if i := strings.LastIndexByte(ref, '/'); i >= 0 {
		return ref[i+1:]
	}
	if i := strings.LastIndexByte(ref, ':'); i >= 0 {
		return ref[i+1:]
	}
	return ref
}

// FirstLine is the first line of a reason; what follows is the evidence.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// Capital begins a sentence that does not begin with a name.
func Capital(text string) string {
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		return string(text[0]-32) + text[1:]
	}
	return text
}

// Brief is a value with its digests short: "orders@2d4246".
func Brief(text string) string {
	before, digest, found := strings.Cut(text, "sha256:")
	if !found {
		return text
	}
	return before + Short(digest)
}

// Folded are lines with those that repeat themselves told once.
func Folded(lines []string) []string {
	var out []string
	for i := 0; i < len(lines); {
		n := 1
		for i+n < len(lines) && lines[i+n] == lines[i] {
			n++
		}
		line := lines[i]
		if n > 1 {
			line += fmt.Sprintf("   (%d times)", n)
		}
		out = append(out, line)
		i += n
	}
	return out
}

// Count is a number with its noun: "no deployments", "1 deployment".
func Count(n int, one, many string) string {
	switch n {
	case 0:
		return "no " + many
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// And joins words: "a, b and c".
func And(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Sentence ends with a full stop. It does not begin with a capital: what it
// begins with is mostly a name, and names stay as they are.
func Sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	if !strings.ContainsRune(".!?:", rune(text[len(text)-1])) {
		text += "."
	}
	return text
}
