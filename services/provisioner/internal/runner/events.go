package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// Event is one line of what an engine says with -json: machine-readable UI,
// the same in OpenTofu and Terraform.
type Event struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`   // "info", "warn", "error"
	Type    string    `json:"type"`    // one of the Event… constants, or another
	Message string    `json:"message"` // a sentence
	Address string    `json:"address,omitempty"`
	Action  string    `json:"action,omitempty"` // of a resource: "create", "update", "replace", "delete", "read", "noop"
	// What identifies the resource, where the engine says so: after a completed
	// create, before an update or a delete.
	IDKey   string `json:"idKey,omitempty"`
	IDValue string `json:"idValue,omitempty"`

	Diagnostic *Diagnostic `json:"diagnostic,omitempty"`
	Summary    *Summary    `json:"summary,omitempty"`
}

// Summary is what was planned or done, by number.
type Summary struct {
	Operation string `json:"operation"` // "plan", "apply", "destroy"
	Add       int    `json:"add"`
	Change    int    `json:"change"`
	Import    int    `json:"import"`
	Remove    int    `json:"remove"`
}

// Types of events that something depends on.
const (
	EventStart      = "apply_start"
	EventComplete   = "apply_complete"
	EventErrored    = "apply_errored"
	EventSummary    = "change_summary"
	EventDiagnostic = "diagnostic"
)

// longestLine is more than any line is that an engine means: a diagnostic with
// a snippet. Longer ones are skipped.
const longestLine = 1 << 20

// wire is an event as the engine writes it.
type wire struct {
	Level      string          `json:"@level"`
	Message    string          `json:"@message"`
	Timestamp  time.Time       `json:"@timestamp"`
	Type       string          `json:"type"`
	Hook       *wireHook       `json:"hook"`
	Diagnostic *wireDiagnostic `json:"diagnostic"`
	Changes    *Summary        `json:"changes"`
}

type wireHook struct {
	Resource struct {
		Addr string `json:"addr"`
	} `json:"resource"`
	Action  string `json:"action"`
	IDKey   string `json:"id_key"`
	IDValue string `json:"id_value"`
}

type wireDiagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Address  string `json:"address"`
	Range    *struct {
		Filename string `json:"filename"`
		Start    struct {
			Line int `json:"line"`
		} `json:"start"`
	} `json:"range"`
}

func (w *wireDiagnostic) diagnostic() Diagnostic {
	d := Diagnostic{Severity: w.Severity, Summary: w.Summary, Detail: w.Detail, Address: w.Address}
	if w.Range != nil {
		d.File, d.Line = w.Range.Filename, w.Range.Start.Line
	}
	return d
}

// parseEvent reads one line; ok is false for what is none (a provider or a
// panic printed it).
func parseEvent(line []byte) (Event, bool) {
	var w wire
	if json.Unmarshal(line, &w) != nil || w.Level == "" && w.Type == "" {
		return Event{}, false
	}
	e := Event{Time: w.Timestamp, Level: w.Level, Type: w.Type, Message: w.Message, Summary: w.Changes}
	if w.Hook != nil {
		e.Address, e.Action, e.IDKey, e.IDValue = w.Hook.Resource.Addr, w.Hook.Action, w.Hook.IDKey, w.Hook.IDValue
	}
	if w.Diagnostic != nil {
		d := w.Diagnostic.diagnostic()
		e.Diagnostic = &d
	}
	return e, true
}

// EachEvent reads what an engine said. A last line that was cut off, and lines
// that are no events, are left out.
func EachEvent(r io.Reader, each func(Event)) error {
	return lines(r, func(line []byte) {
		if e, ok := parseEvent(line); ok {
			each(e)
		}
	})
}

// lines calls each with every whole line that is not too long, without its end.
func lines(r io.Reader, each func([]byte)) error {
	b := bufio.NewReaderSize(r, 64<<10)
	var c cutter
	for {
		part, err := b.ReadSlice('\n')
		c.add(part, each)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// cutter makes lines of what comes in pieces.
type cutter struct {
	line    []byte
	tooLong bool
}

func (c *cutter) add(piece []byte, each func([]byte)) {
	for len(piece) > 0 {
		part, rest, ended := bytes.Cut(piece, []byte{'\n'})
		if c.tooLong = c.tooLong || len(c.line)+len(part) > longestLine; !c.tooLong {
			c.line = append(c.line, part...)
		}
		if !ended {
			return
		}
		if !c.tooLong {
			each(c.line)
		}
		c.line, c.tooLong, piece = c.line[:0], false, rest
	}
}

// Human is the line, or lines, that people see of one line of an engine's
// output; "" when it says nothing to them. Each ends with a line feed.
func Human(line []byte) string {
	e, ok := parseEvent(line)
	if !ok {
		if text := strings.TrimSpace(string(line)); text != "" {
			return text + "\n"
		}
		return ""
	}
	switch {
	case e.Type == "version" || e.Type == "outputs" || e.Type == "init_output" && e.Message == "":
		return ""
	case e.Diagnostic != nil:
		return e.Diagnostic.String() + "\n"
	case e.Message == "":
		return ""
	}
	return strings.TrimRight(e.Message, "\n") + "\n"
}

// HumanLines writes what people see of what an engine said.
func HumanLines(r io.Reader, w io.Writer) error {
	var failed error
	err := lines(r, func(line []byte) {
		if failed == nil {
			_, failed = io.WriteString(w, Human(line))
		}
	})
	return errors.Join(err, failed)
}

// String is a diagnostic on one line: "main.tf:12: error: Invalid reference
// (terraform_data.bucket): A reference to …".
func (d Diagnostic) String() string { return d.say(d.Severity + ": ") }

func (d Diagnostic) say(severity string) string {
	var b strings.Builder
	if p := d.Place(); p != "" {
		b.WriteString(p + ": ")
	}
	b.WriteString(severity + d.Summary)
	if d.Address != "" {
		b.WriteString(" (" + d.Address + ")")
	}
	if d.Detail != "" {
		b.WriteString(": " + d.Detail)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Place is where in the module it is: "main.tf:12"; "" when that is not known.
func (d Diagnostic) Place() string {
	switch {
	case d.File == "":
		return ""
	case d.Line == 0:
		return d.File
	}
	return d.File + ":" + strconv.Itoa(d.Line)
}
