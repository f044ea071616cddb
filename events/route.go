package events

import (
	"fmt"
	"strings"
)

// Route says which family of NATS subjects an event is published under, and
// with it who may publish it and what it promises.
type Route uint8

const (
	// Public facts of ours, evt.<project>.<type>: replayable, with a promise of compatibility.
	Public Route = iota
	// External facts are those that outsiders stated, ext.<project>.<type>, as the gateway verified them.
	External
	// Internal facts are between our services, int.<service>.<type>: no promise to outsiders.
	Internal
	// Command is a request to one owner, cmd.<service>.<command>: a work queue.
	Command
)

// String returns the first token of the route's subjects: evt, ext, int, cmd.
func (r Route) String() string {
	switch r {
	case Public:
		return "evt"
	case External:
		return "ext"
	case Internal:
		return "int"
	case Command:
		return "cmd"
	}
	return fmt.Sprintf("route(%d)", uint8(r))
}

// NATSSubject returns the subject that a draft is published under. The draft's
// type and project are taken as they are: Finish has checked them.
func NATSSubject(d Draft) string {
	switch d.Route {
	case Internal:
		return "int." + d.Service + "." + d.Type
	case Command:
		return "cmd." + d.Service + "." + commandName(d.Type, d.Service)
	default:
		return d.Route.String() + "." + d.Project + "." + d.Type
	}
}

// EventSubject returns the subject of a finished public or external event.
func EventSubject(e Event, r Route) string {
	return r.String() + "." + Extension(e, ExtProject) + "." + e.Type()
}

// Address is a NATS subject of ours, taken apart.
type Address struct {
	Route Route
	Owner string // the project of evt and ext, the service of int and cmd
	Name  string // the type; of a command its name
}

// ParseSubject takes a subject apart. ok is false when it is not of evt, ext,
// int or cmd.
func ParseSubject(subject string) (a Address, ok bool) {
	head, rest, found := strings.Cut(subject, ".")
	if !found {
		return Address{}, false
	}
	switch head {
	case "evt":
		a.Route = Public
	case "ext":
		a.Route = External
	case "int":
		a.Route = Internal
	case "cmd":
		a.Route = Command
	default:
		return Address{}, false
	}
	a.Owner, a.Name, found = strings.Cut(rest, ".")
	return a, found && a.Owner != "" && a.Name != ""
}

// commandName turns dev.slipway.provisioner.ensure-resources.v1 into
// ensure-resources.
func commandName(eventType, service string) string {
	name := strings.TrimPrefix(eventType, typePrefix+service+".")
	if base, _, ok := splitMajor(name); ok {
		return base
	}
	return name
}
