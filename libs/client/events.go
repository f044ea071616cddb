package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Event is a CloudEvent. Position is its place in the stream, to go on from.
type Event struct {
	ID            string          `json:"id"`
	Source        string          `json:"source"`
	Type          string          `json:"type"`
	Subject       string          `json:"subject,omitempty"`
	Time          time.Time       `json:"time,omitzero"`
	CorrelationID string          `json:"correlationid,omitempty"`
	CausationID   string          `json:"causationid,omitempty"`
	Project       string          `json:"project,omitempty"`
	Actor         string          `json:"actor,omitempty"`
	Data          json.RawMessage `json:"data,omitempty"`

	// Raw is the whole event as it came, with every attribute.
	Raw      json.RawMessage `json:"-"`
	Position string          `json:"-"`
}

// UnmarshalJSON keeps the whole in Raw.
func (e *Event) UnmarshalJSON(data []byte) error {
	type plain Event
	if err := json.Unmarshal(data, (*plain)(e)); err != nil {
		return err
	}
	e.Raw = append(json.RawMessage(nil), data...)
	return nil
}

// MarshalJSON writes the event as it came.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.Raw != nil {
		return e.Raw, nil
	}
	type plain Event
	return json.Marshal(plain(e))
}

// EventFilter selects events. Type is a prefix, Filter an expression in CESQL,
// Since a time or a sequence.
type EventFilter struct {
	Project, Type, Filter, Since string
	Limit                        int
	Cursor                       string
}

func (f EventFilter) query() url.Values {
	q := paging(f.Limit, f.Cursor)
	set(q, "project", f.Project)
	set(q, "type", f.Type)
	set(q, "filter", f.Filter)
	set(q, "since", f.Since)
	return q
}

// Events returns a page of the stream, the oldest first.
func (c *Client) Events(ctx context.Context, f EventFilter) (Page[Event], error) {
	var page Page[Event]
	return page, c.Do(ctx, Request{Path: "/events", Query: f.query()}, &page)
}

// TailEvents tells events as they happen, from Since on where it is given. It
// survives a restart of Slipway without a gap. After an error nothing comes.
func (c *Client) TailEvents(ctx context.Context, f EventFilter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		stopped := false
		err := c.stream(ctx, Request{Path: "/events", Query: f.query()}, func(m message) (bool, error) {
			var e Event
			if m.name == "problem" { // the stream ends with it
				p := &Problem{}
				if err := json.Unmarshal(m.data, p); err != nil {
					return true, c.broken(err)
				}
				return p.Status < http.StatusInternalServerError, p
			}
			if err := json.Unmarshal(m.data, &e); err != nil {
				return true, c.broken(err)
			}
			e.Position = m.id
			stopped = !yield(e, nil)
			return stopped, nil
		})
		if err != nil && !stopped && ctx.Err() == nil {
			yield(Event{}, err)
		}
	}
}

// PublishEvents sends CloudEvents in structured form, or a batch of them where
// batch says so. They are stated by an outsider: type must not be dev.slipway.*.
func (c *Client) PublishEvents(ctx context.Context, project string, events io.Reader, batch bool) (json.RawMessage, error) {
	media := "application/cloudevents+json"
	if batch {
		media = "application/cloudevents-batch+json"
	}
	q := url.Values{}
	set(q, "project", project)
	var raw json.RawMessage
	return raw, c.Do(ctx, Request{
		Method: http.MethodPost, Path: "/events", Query: q,
		Header: http.Header{"Content-Type": {media}}, Body: events,
	}, &raw)
}

// EventTypes lists the event types that there are.
func (c *Client) EventTypes(ctx context.Context) ([]Object, error) {
	return c.List(ctx, "/events/types", nil)
}

// EventSchema returns the JSON Schema of an event type's data.
func (c *Client) EventSchema(ctx context.Context, eventType string) (json.RawMessage, error) {
	var raw json.RawMessage
	return raw, c.Do(ctx, Request{Path: PathOf("events", "types", eventType, "schema")}, &raw)
}

// Timeline is everything that carries one correlation id, told by time and
// never an effect before its cause.
type Timeline struct {
	CorrelationID string `json:"correlationId"`
	Title         string `json:"title"`
	Latest        string `json:"latest"`
	// Outcome is succeeded, failed, held or parked; "" while nothing is decided.
	Outcome   string          `json:"outcome,omitempty"`
	Projects  []string        `json:"projects,omitempty"`
	StartedAt time.Time       `json:"startedAt,omitzero"`
	UpdatedAt time.Time       `json:"updatedAt,omitzero"`
	Events    []TimelineEntry `json:"events"`
	Truncated bool            `json:"truncated,omitempty"`
}

// TimelineEntry is one event of a timeline.
type TimelineEntry struct {
	Sequence    int64     `json:"sequence"`
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	Source      string    `json:"source"`
	Origin      string    `json:"origin"`
	Subject     string    `json:"subject,omitempty"`
	Project     string    `json:"project,omitempty"`
	Actor       string    `json:"actor,omitempty"`
	Time        time.Time `json:"time"`
	Summary     string    `json:"summary"`
	CausationID string    `json:"causationId,omitempty"`
}

// Timeline returns the timeline of a correlation id.
func (c *Client) Timeline(ctx context.Context, correlationID string) (Timeline, error) {
	var t Timeline
	return t, c.Do(ctx, Request{Path: PathOf("api", "v1", "timelines", correlationID)}, &t)
}

// DeadLetter is a message that a consumer could not handle.
type DeadLetter struct {
	Seq        uint64          `json:"seq"`
	Consumer   string          `json:"consumer"`
	Project    string          `json:"project,omitempty"`
	Reason     string          `json:"reason"`
	Deliveries int             `json:"deliveries"`
	Subject    string          `json:"subject"`
	At         time.Time       `json:"at"`
	Event      json.RawMessage `json:"event,omitempty"`
}

// DeadLetters returns a page of dead letters; consumer "" is all of them.
func (c *Client) DeadLetters(ctx context.Context, consumer string, limit int, cursor string) (Page[DeadLetter], error) {
	q := paging(limit, cursor)
	set(q, "consumer", consumer)
	var page Page[DeadLetter]
	return page, c.Do(ctx, Request{Path: "/api/v1/dead-letters", Query: q}, &page)
}

// Redrive hands a dead letter to its consumer once more.
func (c *Client) Redrive(ctx context.Context, consumer string, seq uint64) error {
	path := PathOf("api", "v1", "dead-letters", consumer, strconv.FormatUint(seq, 10), "redrive")
	return c.Do(ctx, Request{Method: http.MethodPost, Path: path}, nil)
}
