package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// teller prints the story. Its time counts from the end of the building.
type teller struct {
	w     io.Writer
	began time.Time
	act   time.Time
	wrong []string
}

func newTeller(w io.Writer) *teller { return &teller{w: w} }

func (t *teller) begin() { t.began = time.Now() }

// title begins an act.
func (t *teller) title(format string, args ...any) {
	t.act = time.Now()
	fmt.Fprintf(t.w, "\n%s\n", fmt.Sprintf(format, args...))
}

// check prints something that was found to be so, and how.
func (t *teller) check(format string, args ...any) {
	fmt.Fprintf(t.w, "  ✓ %s\n", fmt.Sprintf(format, args...))
}

// fail prints something that was not so; the story goes on.
func (t *teller) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.wrong = append(t.wrong, text)
	fmt.Fprintf(t.w, "  ✗ %s\n", text)
}

// so is check or fail.
func (t *teller) so(is bool, good, bad string) {
	if is {
		t.check("%s", good)
	} else {
		t.fail("%s", bad)
	}
}

// note prints what nobody has to check.
func (t *teller) note(format string, args ...any) {
	fmt.Fprintf(t.w, "    %s\n", strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n    "))
}

func (t *teller) took() { t.note("(%.1f s)", time.Since(t.act).Seconds()) }
