package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an answer that says what was wrong and what to do (RFC 9457).
type Problem struct {
	// Type is stable; Slug is its last part.
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
	// Errors are all faults of the input.
	Errors    []Fault `json:"errors,omitempty"`
	RequestID string  `json:"requestId,omitempty"`
	// RetryAfter is how long to wait before trying again; 0 is not said.
	RetryAfter time.Duration `json:"-"`
}

// Fault is one mistake with its place. Line and Column count from 1; 0 is unknown.
type Fault struct {
	Document string `json:"document,omitempty"`
	Pointer  string `json:"pointer,omitempty"`
	Source   string `json:"source,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// String is the fault as one line: place: message (hint).
func (f Fault) String() string {
	place := ""
	switch {
	case f.Line > 0:
		place = fmt.Sprintf("%d:%d: ", f.Line, f.Column)
		if f.Source != "" {
			place = f.Source + ":" + place
		}
	case f.Source != "":
		place = f.Source + ": "
	case f.Document != "":
		place = f.Document + ": "
	case f.Pointer != "":
		place = f.Pointer + ": "
	}
	if f.Hint != "" {
		return place + f.Message + " (" + f.Hint + ")"
	}
	return place + f.Message
}

// Error is the problem in a sentence, with its faults.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if len(p.Errors) == 0 {
		return text
	}
	lines := make([]string, 0, len(p.Errors))
	for _, f := range p.Errors {
		lines = append(lines, f.String())
	}
	return strings.TrimSuffix(text, ".") + ": " + strings.Join(lines, "; ")
}

// Slug is the stable name of the problem's type, such as "not-found".
func (p *Problem) Slug() string { return p.Type[strings.LastIndexByte(p.Type, '/')+1:] }

// IsNotFound reports whether an error says that there is no such thing.
func IsNotFound(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// IsUnreachable reports whether an error says that nobody answered.
func IsUnreachable(err error) bool {
	var u *UnreachableError
	return errors.As(err, &u)
}

func problemOf(res *http.Response) *Problem {
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Title == "" {
		// Not one of ours: a proxy, or something else that listens there.
		p = &Problem{Title: http.StatusText(res.StatusCode), Detail: fmt.Sprintf("%s %s answered %s", res.Request.Method, res.Request.URL.Path, res.Status)}
	}
	p.Status = res.StatusCode
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
