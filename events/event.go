// Package events is the contract between Slipway's services, and between
// Slipway and everyone else: which events there are, what is in them, and how
// one travels over NATS. It is a leaf: other programs may import it.
//
// An event in memory is the CloudEvents SDK's event. Its definitions stand in
// one folder per owner (events/provisioner, events/deployer, …), the CDEvents
// vocabulary in events/cdevents, and the list of all of them in
// events/catalogue.
package events

import (
	"encoding/json"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Event is a CloudEvent 1.0 as the CloudEvents SDK holds it.
type Event = event.Event

// Names of the extension attributes that every event of Slipway carries.
// CloudEvents allows lower case letters and digits only.
const (
	ExtCorrelation = "correlationid" // what started the story, the same from the first event to the last
	ExtCausation   = "causationid"   // id of the event that caused this one
	ExtProject     = "project"       // unit of tenancy, or Org
	ExtActor       = "actor"         // who asked: "user:default/ada", "service:deployer"
	ExtSequence    = "sequence"      // version of the aggregate, ten digits: order per subject
	ExtTraceParent = "traceparent"   // W3C trace context of where the story started
	ExtDataRef     = "dataref"       // where data that is too large for an event is to be had
)

// Org is the project of what belongs to no project: the catalog, people,
// policies of the whole organisation.
const Org = "org"

// Cause says what an event or a change came from. It travels with every
// handler call.
type Cause struct {
	ID            string // id of the causing event; "" for a request of a person
	Consumer      string // durable consumer that received it; with ID it makes the inbox mark; "" means no mark
	CorrelationID string
	Actor         string // "user:default/ada", "webhook:shop/github", "service:deployer"
	TraceParent   string
}

// CauseOf returns the cause that an event is to a handler of a consumer.
func CauseOf(e Event, consumer string) Cause {
	return Cause{
		ID:            e.ID(),
		Consumer:      consumer,
		CorrelationID: Extension(e, ExtCorrelation),
		Actor:         Extension(e, ExtActor),
		TraceParent:   Extension(e, ExtTraceParent),
	}
}

// Extension returns an extension attribute as a string, "" when it is absent
// or is not a string.
func Extension(e Event, name string) string {
	if e.Context == nil {
		return ""
	}
	s, _ := e.Extensions()[name].(string)
	return s
}

// Draft is an event decided but not committed: it has no id, source, time or
// sequence yet. Finish gives it those.
type Draft struct {
	Type       string // full CloudEvents type
	Route      Route
	Service    string // Internal: the publishing service; Command: the receiving one
	Project    string // Org where it belongs to no project
	Subject    string // CloudEvents subject: name of the thing, "dev/orders"
	Data       json.RawMessage
	DataSchema string // absolute URI that names the schema; nobody fetches it
	DataRef    string // URI of data too large for an event

	// What follows is for the gateway, which passes on what outsiders state.
	ContentType string            // of Data; application/json when empty
	Extensions  map[string]string // the sender's own; none of those named Ext…

	// These override what Finish derives from the commit; mostly empty.
	ID, CorrelationID, Source, Actor string
}

// External returns the draft as a statement of an outsider, to be published
// under ext, with its data as it was stated. The gateway alone may do so.
func (d Draft) External() Draft {
	d.Route = External
	return d
}
