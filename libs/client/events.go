package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
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

// Published is what became of published events.
type Published struct {
	IDs []string `json:"ids,omitempty"`
	ID  string   `json:"id,omitempty"`
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

// Timeline returns everything that carries a correlation id, in order.
func (c *Client) Timeline(ctx context.Context, correlationID string) (Object, error) {
	return c.Get(ctx, PathOf("api", "v1", "timelines", correlationID))
}
