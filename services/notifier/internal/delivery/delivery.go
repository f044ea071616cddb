// Package delivery knows deliveries: one event told on one channel because of
// one route, tried until it is there or given up.
//
//	pending ── 2xx ──► delivered ── kept for a while ──► gone
//	   │  ▲
//	   │  └─ anything else: again, later and later
//	   └─── too often, or 410, or no channel any more ──► failed ── retried by a person ──► pending
//
// Of one channel and subject only the oldest pending delivery is sent, so that
// people are told in order. Of several channels none waits for another.
package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/notifier/internal/message"
	"github.com/slipway-idp/slipway/services/notifier/internal/route"
)

// Status of a delivery.
const (
	Pending   = "pending"
	Delivered = "delivered"
	Failed    = "failed" // given up
)

// Delivery is one event on its way to one channel.
type Delivery struct {
	Project   string          `json:"project"`
	Channel   string          `json:"channel"`
	Route     string          `json:"route"`
	Subject   string          `json:"subject"` // of the event: order is kept per channel and subject
	EventID   string          `json:"eventId"`
	EventType string          `json:"eventType"`
	Status    string          `json:"status"`
	Title     string          `json:"title"`
	Body      json.RawMessage `json:"body"` // what is posted
	Attempts  []Attempt       `json:"attempts,omitempty"`
	Round     int             `json:"round"`             // attempts since a person asked for more
	Waiting   string          `json:"waiting,omitempty"` // why it was not even tried
	Cause     events.Cause    `json:"cause"`
}

// Attempt is one try.
type Attempt struct {
	At         time.Time `json:"at"`
	Status     int       `json:"status,omitempty"` // HTTP status of the answer; 0: there was none
	Reason     string    `json:"reason,omitempty"` // why it was not enough
	DurationMs int64     `json:"durationMs"`
}

// keptAttempts bounds how many attempts a delivery remembers.
const keptAttempts = 50

// ID derives a delivery's id from route and event, or from what the event is
// the outcome of: what is decided twice is one delivery. What an outsider
// states stands for itself, and takes no fact's place.
func ID(r route.Route, e events.Event, outside bool) string {
	what := e.Source() + "\x00" + e.ID()
	if topic := message.Topic(e); topic != "" && !outside {
		what = topic
	}
	sum := sha256.Sum256([]byte(r.Project + "\x00" + r.Name + "\x00" + what))
	return "dlv-" + hex.EncodeToString(sum[:10])
}

// New makes the delivery of an event.
func New(r route.Route, e events.Event, outside bool) (Delivery, error) {
	m, err := message.Of(e, outside)
	if err != nil {
		return Delivery{}, err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return Delivery{}, err
	}
	return Delivery{
		Project: r.Project, Channel: r.Channel, Route: r.Name, Subject: e.Subject(), EventID: e.ID(), EventType: e.Type(),
		Status: Pending, Title: m.Title, Body: body,
		Cause: events.Cause{ID: e.ID(), CorrelationID: events.Extension(e, events.ExtCorrelation), TraceParent: events.Extension(e, events.ExtTraceParent)},
	}, nil
}

// lane names what is delivered in order.
func (d Delivery) lane() string {
	sum := sha256.Sum256([]byte(d.Project + "\x00" + d.Channel + "\x00" + d.Subject))
	return hex.EncodeToString(sum[:10])
}

// Repository keeps deliveries.
type Repository = aggregate.Repository[Delivery]

// Indexes that deliveries are found by.
const (
	IndexProject = "project"
	IndexChannel = "channel"
	IndexRoute   = "route"
	IndexStatus  = "status"
	indexLane    = "lane" // pending ones only
)

// NewRepository makes the repository over the service's store. lease is for
// how long a delivery is left to the process that took it up.
func NewRepository(s store.Store, service string, clock func() time.Time, lease time.Duration) *Repository {
	return aggregate.New(s, aggregate.Options[Delivery]{
		Service: service, Kind: "delivery", Clock: clock, Lease: lease,
		Indexes: func(d *Delivery) store.Indexes {
			i := store.Indexes{IndexProject: {d.Project}, IndexChannel: {d.Channel}, IndexRoute: {d.Route}, IndexStatus: {d.Status}}
			if d.Status == Pending {
				i[indexLane] = []string{d.lane()}
			}
			return i
		},
	})
}
