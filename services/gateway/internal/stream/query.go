// Package stream is the public stream of events as programs read it: which
// events they ask for, from where, and the cursor they go on from.
package stream

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Query is which events are asked for.
type Query struct {
	Project string
	Type    string // prefix of the type
	Filter  *Filter
	From    From
}

// From is where to begin; the zero value is the beginning.
type From struct {
	After uint64    // sequence; events after it
	Time  time.Time // events stored since then
	New   bool      // only what comes from now on
}

// Cursor is a place in the stream: epoch and sequence.
type Cursor struct {
	Epoch string
	Seq   uint64
}

func (c Cursor) String() string { return c.Epoch + "-" + strconv.FormatUint(c.Seq, 10) }

// ParseCursor reads "EPOCH-SEQUENCE".
func ParseCursor(text string) (Cursor, error) {
	i := strings.LastIndexByte(text, '-')
	if i <= 0 {
		return Cursor{}, fmt.Errorf("%q is not a cursor", short(text))
	}
	seq, err := strconv.ParseUint(text[i+1:], 10, 64)
	if err != nil {
		return Cursor{}, fmt.Errorf("%q is not a cursor", short(text))
	}
	return Cursor{Epoch: text[:i], Seq: seq}, nil
}

// Parse reads a query. resume is a Last-Event-ID; it goes before since and
// cursor. live is what "from nowhere in particular" means: new events only for
// a live stream, the beginning for a page. Errors are problems: 400, or 410
// for a cursor of another epoch.
func Parse(q url.Values, resume string, at Position, now time.Time, live bool) (Query, error) {
	out := Query{Project: q.Get("project"), Type: q.Get("type")}
	var faults []httpapi.Fault
	bad := func(name string, err error) {
		faults = append(faults, httpapi.Fault{Pointer: name, Message: err.Error()})
	}
	if out.Project != "" {
		if err := events.CheckProject(out.Project); err != nil {
			bad("project", plain(err))
		}
	}
	if out.Type != "" {
		if err := events.CheckType(strings.TrimSuffix(out.Type, ".")); err != nil {
			bad("type", plain(err))
		}
	}
	if text := q.Get("filter"); text != "" {
		var err error
		if out.Filter, err = ParseFilter(text); err != nil {
			bad("filter", err)
		}
	}
	place, name := resume, "Last-Event-ID"
	if place == "" {
		place, name = q.Get("cursor"), "cursor"
	}
	if place == "" {
		place, name = q.Get("since"), "since"
	}
	var gone *httpapi.Problem
	switch from, err := parseFrom(place, at, now, name == "since"); {
	case errors.As(err, &gone):
		return out, gone
	case err != nil:
		bad(name, err)
	default:
		out.From = from
		out.From.New = place == "" && live
	}
	if len(faults) > 0 {
		return out, httpapi.BadRequest("The query is not good.", faults...)
	}
	return out, nil
}

// parseFrom reads a cursor, or a bare sequence as one of the stream as it is
// now; where since is true also a time, a span of time before now, or -N for
// the newest N.
func parseFrom(text string, at Position, now time.Time, since bool) (From, error) {
	if text == "" {
		return From{}, nil
	}
	if since {
		if seq, err := strconv.ParseUint(text, 10, 64); err == nil {
			return From{After: seq}, nil
		}
		if n, err := strconv.ParseUint(strings.TrimPrefix(text, "-"), 10, 64); err == nil {
			return From{After: at.Last - min(n, at.Last)}, nil
		}
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return From{Time: t}, nil
		}
		if span, err := document.ParseDuration(text); err == nil {
			return From{Time: now.Add(-span.Std())}, nil
		}
	}
	c, err := ParseCursor(text)
	if seq, bare := strconv.ParseUint(text, 10, 64); bare == nil {
		c, err = Cursor{Epoch: at.Epoch, Seq: seq}, nil
	}
	if err != nil && since {
		return From{}, fmt.Errorf("%q is not a time (2026-01-02T15:04:05Z), a span (10m), a sequence, a cursor or -N for the newest N", short(text))
	}
	if err != nil {
		return From{}, err
	}
	if c.Epoch == at.Epoch && c.Seq+1 < at.First {
		return From{}, httpapi.New(http.StatusGone, "cursor-gone", "What follows this cursor is no longer kept.",
			"Some events after this cursor are past the time that the stream keeps them, so going on would leave a gap. Read again without it, or with since=.")
	}
	if c.Epoch != at.Epoch {
		return From{}, httpapi.New(http.StatusGone, "cursor-gone", "This cursor is of a stream that is no more.",
			"The event stream was made anew since the cursor was given, so what comes after it cannot be known. Read again without it, or with since=.")
	}
	return From{After: c.Seq}, nil
}

// Subjects are the NATS filters that hold everything the query asks for, and
// as little else as whole words of the type allow.
func (q Query) Subjects() []string {
	project := "*"
	if q.Project != "" {
		project = q.Project
	}
	tail := ">"
	if i := strings.LastIndexByte(q.Type, '.'); i > 0 {
		tail = q.Type[:i] + ".>"
	}
	return []string{"evt." + project + "." + tail, "ext." + project + "." + tail}
}

// Match tells whether an event is asked for.
func (q Query) Match(e events.Event) bool {
	return strings.HasPrefix(e.Type(), q.Type) &&
		(q.Project == "" || events.Extension(e, events.ExtProject) == q.Project) &&
		q.Filter.Match(e)
}

func plain(err error) error {
	var bad *events.InvalidError
	if errors.As(err, &bad) {
		return errors.New(bad.Reason)
	}
	return err
}

func short(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}
