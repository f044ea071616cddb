package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Stream is a response of server-sent events (HTML standard, section 9.2).
type Stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// WantsStream reports whether a request asks for server-sent events.
func WantsStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// NewStream begins a stream of server-sent events. It lifts the server's write
// deadline for this response.
func NewStream(w http.ResponseWriter) (*Stream, error) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // where it is not supported there is none
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if err := rc.Flush(); err != nil {
		return nil, fmt.Errorf("this connection cannot stream: %w", err)
	}
	return &Stream{w: w, rc: rc}, nil
}

// Send writes one event with data as JSON. id is what a client resumes by with
// Last-Event-ID; name is the event's type; both may be "".
func (s *Stream) Send(id, name string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var b strings.Builder
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	b.Write(body)
	b.WriteString("\n\n")
	return s.flush(b.String())
}

// Comment writes a line that clients ignore, to keep the connection alive.
func (s *Stream) Comment(text string) error { return s.flush(": " + text + "\n\n") }

func (s *Stream) flush(text string) error {
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
