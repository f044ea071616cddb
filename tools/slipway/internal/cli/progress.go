package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/slipway-idp/slipway/libs/client"
)

// titleWidth and noteWidth are where the columns of a step's line begin.
const (
	titleWidth = 12
	noteWidth  = 56
)

// verbs say in one word what an operation did.
type verbs struct{ done, failed string }

// follow tells an operation as it happens, one line per step, and returns how
// it ended as an exit code. With -o json or yaml only the end is written.
func (a *app) follow(ctx context.Context, c *client.Client, op client.Operation, v verbs) error {
	if a.output != "table" {
		last, err := c.Wait(ctx, op.ID)
		if err != nil {
			return err
		}
		if err := a.show(last, nil); err != nil {
			return err
		}
		return outcome(last)
	}
	t := &teller{app: a, out: a.Out}
	if a.ErrIsTerminal && a.OutIsTerminal {
		t.transient = a.Err
	}
	t.header(op)
	for u, err := range c.Follow(ctx, op.ID) {
		t.clear()
		turned := op.Failure == nil && u.Operation.Failure != nil
		if err != nil {
			fmt.Fprintf(a.Err, "It goes on without being watched: slipway saga show %s\n", op.ID)
			return err
		}
		op = u.Operation
		if turned {
			t.failure(op)
		}
		if u.Step == nil {
			continue
		}
		t.step(*u.Step)
		if needsApproval(*u.Step) {
			fmt.Fprintf(a.Out, "Waiting for an approval.   slipway saga show %s\n", op.ID)
			return &ended{exitWaiting}
		}
		if runNeedsApproval(*u.Step) {
			t.line(markWait, name(*u.Step), u.Step.Reason, "")
			fmt.Fprintf(a.Out, "Waiting for an approval.   slipway saga show %s -f\n", op.ID)
			return &ended{exitWaiting}
		}
	}
	t.end(op, v)
	return outcome(op)
}

// outcome is how an operation ended, as an exit code.
func outcome(op client.Operation) error {
	switch {
	case op.Status == client.StatusDone:
		return nil
	case denied(op):
		return &ended{exitDenied}
	case op.Details["outcome"] == "needs-approval":
		return &ended{exitWaiting}
	}
	return &ended{exitFailed}
}

// denied reports whether a policy said no: then the step that decides failed.
func denied(op client.Operation) bool {
	if outcome := op.Details["outcome"]; outcome != "" || op.Failure == nil {
		return outcome == "denied"
	}
	st := op.Step(op.Failure.Step)
	return st != nil && st.Kind == "decide" || planDenied(op)
}

// planDenied reports whether a policy said no to what an engine would have
// done: other steps may have been taken by then, and were undone.
func planDenied(op client.Operation) bool {
	return op.Failure != nil && strings.Contains(op.Failure.Reason, "the plan is denied by ")
}

func needsApproval(st client.Step) bool { return st.Kind == "approval" && st.Status == "waiting" }

// runNeedsApproval reports whether a step waits for a run that waits for a
// person.
func runNeedsApproval(st client.Step) bool {
	return st.Status == "waiting" && strings.Contains(st.Reason, "waits for an approval: slipway run approve")
}

// teller writes an operation's lines.
type teller struct {
	*app
	out io.Writer
	// transient is where the step at work is shown until its line is written;
	// nil where nobody looks.
	transient io.Writer
	shown     bool
	undone    []string
	failed    map[string]bool
}

// header says what is being done: orders → dev    set 9c41f2 (was 77ab03)    correlation 01JD…
func (t *teller) header(op client.Operation) {
	parts := []string{op.Subject}
	if w, e := op.Details["workload"], op.Details["environment"]; w != "" && e != "" {
		parts[0] = w + " → " + e
	}
	if set := op.Details["set"]; set != "" {
		text := "set " + set
		if was := op.Details["previousSet"]; was != "" {
			text += " (was " + was + ")"
		}
		parts = append(parts, text)
	}
	if op.CorrelationID != "" {
		parts = append(parts, "correlation "+op.CorrelationID)
	}
	fmt.Fprintln(t.out, strings.Join(parts, "    "))
}

func (t *teller) step(st client.Step) {
	switch st.Status {
	case "done", "adopted", "skipped":
		if st.Direction == "undo" {
			return // taken on by a person while going back; end tells it
		}
		note := st.Note
		if st.Status != "done" {
			note = strings.TrimSpace(st.Status + " by a person  " + note)
		}
		t.line(markDone, name(st), note, duration(st))
	case "failed":
		if !t.failed[st.ID] {
			t.line(markFailed, name(st), st.Reason, "")
		}
	case "undone":
		if st.UndoNote != "" {
			t.undone = append(t.undone, st.UndoNote)
		}
	case "undo-failed":
		t.line(markFailed, "undo "+name(st), st.Reason, "")
	case "doing", "waiting", "retrying", "undoing":
		t.working(st)
	}
}

// working shows the step at work on a terminal, without moving anything.
func (t *teller) working(st client.Step) {
	if t.transient == nil {
		return
	}
	text := st.Reason
	if text == "" {
		text = st.Note
	}
	line := fmt.Sprintf("  %s %s %s", markWait, pad(name(st), titleWidth), firstLine(text))
	fmt.Fprint(t.transient, strings.TrimRight(line, " "))
	t.shown = true
}

func (t *teller) clear() {
	if t.shown {
		fmt.Fprint(t.transient, "\r\x1b[K")
		t.shown = false
	}
}

// line writes one step: mark, name, note and how long it took. What of the note
// does not fit on its first line follows below, indented.
func (t *teller) line(mark, name, note, took string) {
	first, rest, _ := strings.Cut(note, "\n")
	text := pad(name, titleWidth) + " " + pad(first, noteWidth)
	if took != "" {
		text += "  " + took
	}
	fmt.Fprintf(t.out, "  %s %s\n", t.style.mark(mark), strings.TrimRight(text, " "))
	for l := range strings.Lines(rest) {
		fmt.Fprintf(t.out, "  %s%s\n", strings.Repeat(" ", titleWidth+3), strings.TrimRight(l, "\n"))
	}
}

func (t *teller) end(op client.Operation, v verbs) {
	if len(t.undone) > 0 {
		t.line(markUndone, "undo", strings.Join(t.undone, " · "), "")
	}
	lasted := took(t.Clock().Sub(op.CreatedAt))
	if op.FinishedAt != nil {
		lasted = took(op.FinishedAt.Sub(op.CreatedAt))
	}
	var parts []string
	more := "slipway saga show " + op.ID
	switch op.Status {
	case client.StatusDone:
		parts = append(parts, fmt.Sprintf("%s in %s.", v.done, lasted))
		if u := op.Details["url"]; u != "" {
			parts = append(parts, u)
		}
		if op.CorrelationID != "" {
			more = "slipway timeline " + op.CorrelationID
		}
	case client.StatusParked:
		parts = append(parts, fmt.Sprintf("Parked after %s: it can go neither way without a person, who can retry, skip or adopt what is stuck.", lasted))
	default:
		if op.Failure != nil && op.Failure.Step == "" {
			parts = append(parts, "Aborted: "+strings.TrimSuffix(op.Failure.Reason, ".")+".")
		}
		switch {
		case planDenied(op):
			parts = append(parts, fmt.Sprintf("Denied by policy, and undone in %s. Nothing was left behind.", lasted))
		case denied(op):
			parts = append(parts, fmt.Sprintf("Denied by policy in %s; nothing was changed.", lasted))
		case op.Details["outcome"] == "needs-approval":
			parts = append(parts, fmt.Sprintf("It needs an approval; nothing was changed (%s).", lasted))
		default:
			parts = append(parts, fmt.Sprintf("%s and undone in %s. Nothing was left behind.", v.failed, lasted))
		}
	}
	fmt.Fprintln(t.out, strings.Join(append(parts, more), "   "))
}

// failure tells why an operation turns back, with what the workload said last.
func (t *teller) failure(op client.Operation) {
	st := op.Step(op.Failure.Step)
	if st == nil {
		return // a person aborted it; end says so
	}
	t.failed = map[string]bool{st.ID: true}
	words := op.Failure.Reason
	if !strings.Contains(strings.TrimSpace(words), "\n") { // else it has them already
		words += "\n" + op.Details["logTail"]
	}
	lines := lastWords(words)
	t.line(markFailed, name(*st), strings.Join(lines, "\n"), "")
}

// wordsShown is how many of the last lines of a workload are shown.
const wordsShown = 5

// lastWords is a reason and the last log lines that follow it, each once: what
// is written again and again differs in its time at most.
func lastWords(text string) []string {
	var lines []string
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		same := strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return '0'
			}
			return r
		}, line)
		if line != "" && !seen[same] {
			seen[same] = true
			lines = append(lines, line)
		}
	}
	if len(lines) > wordsShown+1 {
		lines = append(lines[:1], lines[len(lines)-wordsShown:]...)
	}
	return lines
}

// name is what a step is called in its column: its title, or its id where the
// title is a sentence.
func name(st client.Step) string {
	if n := len([]rune(st.Title)); n > 0 && (n <= titleWidth || len(st.ID) > titleWidth) {
		return st.Title
	}
	return st.ID
}

func duration(st client.Step) string {
	if st.StartedAt == nil || st.FinishedAt == nil {
		return ""
	}
	return took(st.FinishedAt.Sub(*st.StartedAt).Round(time.Millisecond))
}

func firstLine(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return first
}
