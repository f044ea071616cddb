package cli

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// style adds colour for people. Each mark has a shape of its own, so that
// colour is never the only sign.
type style struct{ colour bool }

const (
	markDone   = "✓"
	markFailed = "✗"
	markUndone = "↺"
	markWait   = "…"
)

func (s style) mark(m string) string {
	if !s.colour {
		return m
	}
	code := map[string]string{markDone: "32", markFailed: "31", markUndone: "33", markWait: "2"}[m]
	return "\x1b[" + code + "m" + m + "\x1b[0m"
}

// took writes a duration as feel wants it: 12 ms, 3.1 s, 2 m 5 s.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d m %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d m", int(d.Hours()), int(d.Minutes())%60)
}

// age writes how long ago a time was, or in how long it comes.
func (a *app) age(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	d := a.Clock().Sub(at)
	if d < 0 {
		return "in " + coarse(-d)
	}
	return coarse(d) + " ago"
}

func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// ageOf is age of a time in RFC 3339; what is none is returned as it is.
func (a *app) ageOf(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return a.age(at)
}

var digest = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// cellWidth is how much of a value a table shows.
const cellWidth = 76

// short is a value for a table: digests cut to what recognises them, one line,
// not too long.
func short(s string) string {
	s = digest.ReplaceAllStringFunc(firstLine(s), func(d string) string { return d[:12] })
	if r := []rune(s); len(r) > cellWidth {
		return string(r[:cellWidth-1]) + "…"
	}
	return s
}

// pad fills to a width in characters, not bytes.
func pad(s string, width int) string {
	if n := len([]rune(s)); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return s
}
