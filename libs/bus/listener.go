package bus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/libs/bus/jetstream"
)

// listener is one durable at the server with the consumers that it dispatches
// to: a consumer of its own, the commands of a service, or its redrives.
type listener struct {
	durable  string
	stream   string
	subjects []string
	history  bool
	settings settings
	// find is the consumer that a message is for, by the subject it has here and
	// the one it was published on first. Of one that is for nobody it is a
	// consumer without a handler, under whose name it is parked.
	find func(subject, first string) Consumer
}

func commandsDurable(service string) string { return service + "-commands" }
func redriveDurable(service string) string  { return service + "-redrive" }

// listeners arranges the consumers of a service, or says all that is wrong.
func listeners(service string, consumers []Consumer) ([]listener, error) {
	var (
		all      []listener
		commands = map[string]Consumer{} // by subject
		byName   = map[string]Consumer{}
		problems []error
	)
	for _, c := range consumers {
		if err := c.check(service); err != nil {
			problems = append(problems, err)
			continue
		}
		if _, twice := byName[c.Durable]; twice || c.Durable == commandsDurable(service) || c.Durable == redriveDurable(service) {
			problems = append(problems, fmt.Errorf("consumer name %s is taken twice", c.Durable))
			continue
		}
		byName[c.Durable] = c
		if c.stream != StreamCommands {
			all = append(all, own(c))
			continue
		}
		if other, twice := commands[c.subjects[0]]; twice {
			problems = append(problems, fmt.Errorf("%s is consumed by both %s and %s: a command has one handler", c.subjects[0], other.Durable, c.Durable))
		}
		commands[c.subjects[0]] = c
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	var unknown func(subject, first string) Consumer
	if len(commands) > 0 {
		l := commandsOf(service, commands)
		unknown = l.find
		all = append(all, l)
	}
	if len(byName) > 0 {
		all = append(all, redrivesOf(service, byName, unknown))
	}
	return all, nil
}

func own(c Consumer) listener {
	return listener{
		durable: c.Durable, stream: c.stream, subjects: c.subjects, history: c.settings.history, settings: c.settings,
		find: func(string, string) Consumer { return c },
	}
}

// commandsOf takes all commands of the service, so that one which nobody
// handles becomes a dead letter and does not wait for ever unseen.
func commandsOf(service string, commands map[string]Consumer) listener {
	name := commandsDurable(service)
	s := newSettings(nil)
	for _, c := range commands {
		s.concurrency = max(s.concurrency, c.settings.concurrency)
	}
	return listener{
		durable: name, stream: StreamCommands, subjects: []string{"cmd." + service + ".>"}, history: true, settings: s,
		find: func(_, first string) Consumer {
			if c, ok := commands[first]; ok {
				return c
			}
			return Consumer{Durable: name, settings: s}
		},
	}
}

// redrivesOf gives redriven messages to the consumer that their subject names.
// A command that nobody handled was parked under the commands' durable: it goes
// to who handles it now.
func redrivesOf(service string, byName map[string]Consumer, command func(subject, first string) Consumer) listener {
	l := listener{durable: redriveDurable(service), stream: StreamDeadLetters, history: true, settings: newSettings(nil)}
	for name := range byName {
		l.subjects = append(l.subjects, "redrive."+name)
	}
	if command != nil {
		l.subjects = append(l.subjects, "redrive."+commandsDurable(service))
	}
	slices.Sort(l.subjects)
	l.find = func(subject, first string) Consumer {
		if c, ok := byName[strings.TrimPrefix(subject, "redrive.")]; ok {
			return c
		}
		return command(subject, first)
	}
	return l
}

// consumerOf is the consumer that a received message is for.
func (l listener) consumerOf(r jetstream.Received) Consumer {
	return l.find(r.Subject(), l.first(r))
}

// first is the subject on which a message was published first.
func (l listener) first(r jetstream.Received) string {
	if l.stream == StreamDeadLetters {
		return firstOf(r.Header(), headerSubject, r.Subject())
	}
	return r.Subject()
}

// config is the durable as it should be at the server.
func (l listener) config() natsjs.ConsumerConfig {
	c := natsjs.ConsumerConfig{
		Durable:        l.durable,
		FilterSubjects: l.subjects,
		DeliverPolicy:  natsjs.DeliverNewPolicy,
		AckPolicy:      natsjs.AckExplicitPolicy,
		AckWait:        l.settings.ackWait,
		MaxDeliver:     -1, // giving up is ours, before the handler is called
		MaxAckPending:  maxAckPending,
	}
	if len(l.subjects) == 1 {
		// So named in the request's subject, where permissions can see it.
		c.FilterSubject, c.FilterSubjects = l.subjects[0], nil
	}
	if l.history {
		c.DeliverPolicy = natsjs.DeliverAllPolicy
	}
	return c
}
