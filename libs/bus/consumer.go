package bus

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/events"
)

// Message is what a typed handler is called with.
type Message[T any] struct {
	Event    events.Event
	Data     T
	Cause    events.Cause // pass it on to what the handler commits
	Delivery int          // 1 for the first
	Subject  string       // the NATS subject it was published on
	Sequence uint64       // in its stream; of a redriven one, that of the redrive
}

// Definition is a type of event as a consumer sees it: events.Definition and
// the definitions of events/cdevents are such.
type Definition[T any] interface {
	Type() string
	Matches(eventType string) bool
	Decode(events.Event) (T, error)
	Describe() events.Description
}

// Consumer is a durable name with what it listens to and its handler. It is
// made by On or OnAll and given to Bus.Run.
type Consumer struct {
	// Durable is a constant of the service and is never renamed: it names the
	// JetStream consumer, the dead letters and the inbox mark. No dots.
	Durable string

	stream   string
	subjects []string // of a command exactly one
	owner    string   // of a command: the service that may consume it
	handle   func(context.Context, delivered) error
	settings settings
}

// delivered is a decoded event with where it came from.
type delivered struct {
	event    events.Event
	cause    events.Cause
	subject  string
	delivery int
	sequence uint64
}

// On consumes the events of a definition: public and internal facts with a
// durable of their own, commands through the one durable of their service, in
// which case durable is the handler's name.
//
// The handler returns nil (done), Permanent(err) (dead letter at once) or any
// other error (tried again with backoff, dead letter after MaxDeliveries). It
// may be called more than once for one event, also after it succeeded: commit
// with Message.Cause, which carries the inbox mark.
func On[T any](def Definition[T], durable string, h func(context.Context, Message[T]) error, opts ...Option) Consumer {
	c := Consumer{Durable: durable, settings: newSettings(opts)}
	d := def.Describe()
	switch d.Route {
	case events.Command:
		c.stream, c.owner = StreamCommands, d.Owner
		c.subjects = []string{d.SubjectFilter(events.Command)}
	case events.Internal:
		c.stream = StreamInternal
		c.subjects = []string{d.SubjectFilter(events.Internal)}
	default:
		c.stream = StreamEvents
		for _, origin := range c.settings.origins {
			c.subjects = append(c.subjects, d.SubjectFilter(origin))
		}
	}
	c.handle = func(ctx context.Context, d delivered) error {
		if !def.Matches(d.event.Type()) {
			return nil // the subject filter is wider than the type
		}
		data, err := def.Decode(d.event)
		if err != nil {
			return Permanent(err)
		}
		return h(ctx, Message[T]{Event: d.event, Data: data, Cause: d.cause, Delivery: d.delivery, Subject: d.subject, Sequence: d.sequence})
	}
	return c
}

// OnAll consumes every event of one stream whose NATS subject matches one of
// subjects, such as "evt.>" and "ext.>".
func OnAll(durable string, subjects []string, h func(context.Context, Message[events.Event]) error, opts ...Option) Consumer {
	c := Consumer{Durable: durable, subjects: subjects, settings: newSettings(opts)}
	if len(subjects) > 0 {
		c.stream = streamOf(subjects[0])
	}
	c.handle = func(ctx context.Context, d delivered) error {
		return h(ctx, Message[events.Event]{Event: d.event, Data: d.event, Cause: d.cause, Delivery: d.delivery, Subject: d.subject, Sequence: d.sequence})
	}
	return c
}

// streamOf is the stream that listens to a subject; "" when none of ours does.
func streamOf(subject string) string {
	head, _, _ := strings.Cut(subject, ".")
	switch head {
	case "evt", "ext":
		return StreamEvents
	case "int":
		return StreamInternal
	case "cmd":
		return StreamCommands
	case "dlq", "redrive":
		return StreamDeadLetters
	case "log":
		return StreamTelemetry
	}
	return ""
}

func (c Consumer) check(service string) error {
	switch {
	case c.handle == nil:
		return fmt.Errorf("consumer %q was not made by On or OnAll", c.Durable)
	case c.Durable == "" || strings.ContainsAny(c.Durable, ".*> \t\r\n/\\"):
		return fmt.Errorf("consumer name %q: use letters, digits, - and _", c.Durable)
	case len(c.subjects) == 0 || c.stream == "":
		return fmt.Errorf("consumer %s listens to nothing that a stream has: %v", c.Durable, c.subjects)
	case c.stream == StreamCommands && c.owner != service:
		return fmt.Errorf("consumer %s: %s may only be consumed by its owner, which is %q, not %s", c.Durable, c.subjects[0], c.owner, service)
	}
	for _, s := range c.subjects {
		if streamOf(s) != c.stream {
			return fmt.Errorf("consumer %s: %s is not in stream %s: make one consumer per stream", c.Durable, s, c.stream)
		}
	}
	return nil
}
