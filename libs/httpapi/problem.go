// Package httpapi is what every HTTP surface of Slipway shares: problem
// details, pages, strict decoding, the signed identity that the gateway passes
// inwards, correlation ids, and the few middlewares around a service's mux.
package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// TypePrefix begins every problem type. What follows it is stable.
const TypePrefix = "https://slipway.dev/problems/"

// ProblemContentType is the media type of problem details (RFC 9457).
const ProblemContentType = "application/problem+json"

// Problem is an RFC 9457 problem: what was wrong and what to do. It is an
// error, so a use case may return one through any number of layers.
type Problem struct {
	// Type is TypePrefix and a slug that never changes its meaning.
	Type string `json:"type"`
	// Title is the same sentence for every problem of the type.
	Title string `json:"title"`
	// Status repeats the HTTP status.
	Status int `json:"status"`
	// Detail says what was wrong this time and what to do about it.
	Detail string `json:"detail,omitempty"`
	// Instance is the path of the request.
	Instance string `json:"instance,omitempty"`
	// Errors lists every fault of the input, not only the first.
	Errors []Fault `json:"errors,omitempty"`
	// RequestID finds the request in the service's log. Only on failures of ours.
	RequestID string `json:"requestId,omitempty"`

	retryAfter time.Duration
}

// Fault is one mistake in what was sent, with its place.
type Fault struct {
	// Document names the document it is in, as "Kind/name", where several were sent.
	Document string `json:"document,omitempty"`
	// Pointer is a JSON pointer (RFC 6901) into the document or the body.
	Pointer string `json:"pointer,omitempty"`
	// Source, Line and Column are the place in the file the document came
	// from. Lines and columns count from 1; 0 means unknown.
	Source  string `json:"source,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	// Hint is what to do, such as `did you mean "containers"?`.
	Hint string `json:"hint,omitempty"`
}

// String is the fault as one line: place: message (hint).
func (f Fault) String() string {
	var b strings.Builder
	switch {
	case f.Line > 0 && f.Source != "":
		fmt.Fprintf(&b, "%s:%d:%d: ", f.Source, f.Line, f.Column)
	case f.Source != "":
		b.WriteString(f.Source + ": ")
	case f.Line > 0:
		fmt.Fprintf(&b, "%d:%d: ", f.Line, f.Column)
	case f.Document != "":
		b.WriteString(f.Document + ": ")
	case f.Pointer != "":
		b.WriteString(f.Pointer + ": ")
	}
	b.WriteString(f.Message)
	if f.Hint != "" {
		b.WriteString(" (" + f.Hint + ")")
	}
	return b.String()
}

// Error is title, detail and faults in one sentence.
func (p *Problem) Error() string {
	text := p.Title
	if p.Detail != "" {
		text = p.Detail
	}
	for i, f := range p.Errors {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		text = strings.TrimSuffix(text, ".") + sep + f.String()
	}
	return text
}

// RetryAfter says after how long the request may be tried again; 0 says nothing.
func (p *Problem) RetryAfter() time.Duration { return p.retryAfter }

// New makes a problem of a type of its own. slug is lower case with dashes.
func New(status int, slug, title, detail string, faults ...Fault) *Problem {
	return &Problem{Type: TypePrefix + slug, Title: title, Status: status, Detail: detail, Errors: faults}
}

// BadRequest is 400: the request cannot be read.
func BadRequest(detail string, faults ...Fault) *Problem {
	return New(http.StatusBadRequest, "bad-request", "The request cannot be read.", detail, faults...)
}

// Unauthorized is 401: nobody known asks.
func Unauthorized(detail string) *Problem {
	return New(http.StatusUnauthorized, "unauthorized", "Sign in first.", detail)
}

// Forbidden is 403: somebody known asks for what they may not have.
func Forbidden(detail string) *Problem {
	return New(http.StatusForbidden, "forbidden", "This is not allowed.", detail)
}

// NotFound is 404. hint says where to look; it may be "".
func NotFound(kind, name, hint string) *Problem {
	detail := fmt.Sprintf("There is no %s %q.", kind, name)
	if hint != "" {
		detail += " " + hint
	}
	return New(http.StatusNotFound, "not-found", "There is no such thing.", detail)
}

// Conflict is 409: it contradicts what is there.
func Conflict(detail string) *Problem {
	return New(http.StatusConflict, "conflict", "This contradicts what is there.", detail)
}

// PreconditionFailed is 412: the version named by If-Match is not the present one.
func PreconditionFailed(detail string) *Problem {
	return New(http.StatusPreconditionFailed, "version-mismatch", "It was changed meanwhile.", detail)
}

// TooLarge is 413. limit is in bytes.
func TooLarge(limit int64) *Problem {
	return New(http.StatusRequestEntityTooLarge, "too-large", "The body is too large.",
		fmt.Sprintf("A body may have at most %s here.", bytesText(limit)))
}

// UnsupportedMedia is 415. It names what was sent and what is taken.
func UnsupportedMedia(got string, want ...string) *Problem {
	if got == "" {
		got = "none"
	}
	return New(http.StatusUnsupportedMediaType, "unsupported-media-type", "This content type is not taken.",
		fmt.Sprintf("The content type is %s; send %s.", got, strings.Join(want, " or ")))
}

// Unprocessable is 422: it can be read, and is wrong. It lists all faults.
func Unprocessable(faults ...Fault) *Problem {
	detail := fmt.Sprintf("%d things are wrong in what was sent; nothing was changed", len(faults))
	if len(faults) == 1 {
		detail = "One thing is wrong in what was sent; nothing was changed"
	}
	return New(http.StatusUnprocessableEntity, "invalid", "What was sent is not valid.", detail, faults...)
}

// TooMany is 429 with Retry-After.
func TooMany(retryAfter time.Duration, detail string) *Problem {
	p := New(http.StatusTooManyRequests, "too-many-requests", "Too many requests.", detail)
	p.retryAfter = retryAfter
	return p
}

// Unavailable is 503 with Retry-After: it would work later.
func Unavailable(retryAfter time.Duration, detail string) *Problem {
	p := New(http.StatusServiceUnavailable, "unavailable", "This does not work just now.", detail)
	p.retryAfter = retryAfter
	return p
}

// Full is 507: there is no room to store anything.
func Full(detail string) *Problem {
	return New(http.StatusInsufficientStorage, "storage-full", "There is no room left on the disk.", detail)
}

// Gone is 410: what the request continues from is no longer there.
func Gone(detail string) *Problem {
	return New(http.StatusGone, "gone", "It is no longer there.", detail)
}

// Internal is 500: a failure of ours. The cause is in the log under the request id.
func Internal(requestID string) *Problem {
	p := New(http.StatusInternalServerError, "internal", "Slipway failed.",
		"This is a failure of Slipway, not of the request. The service's log has the cause under this request id.")
	p.RequestID = requestID
	return p
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
