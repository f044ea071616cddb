package bus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Access is what one service does on the bus, from which its NATS user is made.
type Access struct {
	Service string
	// Publishes are the subjects of the facts that it owns and of the commands
	// that it sends: "evt.*.dev.slipway.catalog.>", "cmd.policy.decide".
	Publishes []string
	// Consumers are those it gives to Run.
	Consumers []Consumer
	// Serves and Asks are rpc subjects.
	Serves, Asks []string
	// Reads are the streams that it pages or tails beside its consumers.
	Reads []string
	// Letters: it lists and redrives the dead letters of all.
	Letters bool
}

// Permissions are what a NATS user may do. Nothing else is allowed.
type Permissions struct {
	Service        string
	Publish        []string
	PublishDeny    []string
	Subscribe      []string
	AllowResponses bool // may answer the requests that it receives
	// InboxPrefix goes into Config: where replies arrive, and nobody else's.
	InboxPrefix string
}

// PermissionsOf are those of each service, in the same order. All of them are
// given at once, because a reader of a stream is kept away from the durables of
// the others by name.
func PermissionsOf(all []Access) ([]Permissions, error) {
	var (
		made     []Permissions
		durables = map[string][]listener{} // by service
		problems []error
	)
	for _, a := range all {
		l, err := listeners(a.Service, a.Consumers)
		if err != nil {
			problems = append(problems, fmt.Errorf("consumers of %s: %w", a.Service, err))
		}
		if _, twice := durables[a.Service]; twice || a.Service == "" || strings.ContainsAny(a.Service, ".*> ") {
			problems = append(problems, fmt.Errorf("service %q has no name of its own", a.Service))
		}
		durables[a.Service] = l
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for _, a := range all {
		p := a.permissions(durables[a.Service])
		if len(a.Reads) > 0 || a.Letters {
			for _, service := range all {
				if service.Service != a.Service {
					p.PublishDeny = append(p.PublishDeny, keptFrom(durables[service.Service])...)
				}
			}
		}
		for _, list := range []*[]string{&p.Publish, &p.PublishDeny, &p.Subscribe} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
		made = append(made, p)
	}
	return made, nil
}

const api = "$JS.API."

func (a Access) permissions(durables []listener) Permissions {
	p := Permissions{Service: a.Service, InboxPrefix: "_INBOX_" + a.Service, AllowResponses: len(a.Serves) > 0}
	p.Subscribe = append([]string{p.InboxPrefix + ".>"}, a.Serves...)
	p.Publish = append(slices.Clone(a.Publishes), a.Asks...)
	for _, s := range []string{StreamEvents, StreamInternal, StreamCommands, StreamDeadLetters, StreamTelemetry} {
		p.Publish = append(p.Publish, api+"STREAM.INFO."+s) // every service looks whether they are there
	}
	for _, l := range durables {
		at := l.stream + "." + l.durable
		create := api + "CONSUMER.CREATE." + at
		if len(l.subjects) == 1 {
			create += "." + l.subjects[0] // the client names a single filter in the subject
		}
		p.Publish = append(p.Publish, create, api+"CONSUMER.INFO."+at, api+"CONSUMER.MSG.NEXT."+at, "$JS.ACK."+at+".>", "dlq."+l.durable)
	}
	for _, c := range a.Consumers {
		p.Publish = append(p.Publish, "dlq."+c.Durable)
	}
	reads := slices.Clone(a.Reads)
	if a.Letters {
		p.Publish = append(p.Publish, "redrive.*", api+"STREAM.MSG.GET."+StreamDeadLetters, api+"STREAM.MSG.DELETE."+StreamDeadLetters)
		reads = append(reads, StreamDeadLetters)
	}
	for _, s := range reads {
		// Consumers of the moment have random names, so all names are allowed here
		// and those of the others' durables taken away again.
		p.Publish = append(p.Publish, api+"CONSUMER.CREATE."+s+".>", api+"CONSUMER.INFO."+s+".*", api+"CONSUMER.MSG.NEXT."+s+".*",
			api+"CONSUMER.DELETE."+s+".*", "$JS.ACK."+s+".>", api+"DIRECT.GET."+s, api+"DIRECT.GET."+s+".>")
	}
	return p
}

// keptFrom are the subjects by which somebody could take, change or delete
// another's durable.
func keptFrom(durables []listener) (deny []string) {
	for _, l := range durables {
		at := l.stream + "." + l.durable
		deny = append(deny, api+"CONSUMER.CREATE."+at, api+"CONSUMER.CREATE."+at+".>", api+"CONSUMER.DELETE."+at,
			api+"CONSUMER.MSG.NEXT."+at, "$JS.ACK."+at+".>")
	}
	return deny
}

// Authorization is the part of a nats-server's configuration that has these
// users, each with its password from the variable that variable names, and one
// user "admin" who may do everything, such as making the streams.
func Authorization(all []Permissions, variable func(user string) string) ([]byte, error) {
	type list struct {
		Allow []string `json:"allow,omitempty"`
		Deny  []string `json:"deny,omitempty"`
	}
	type permissions struct {
		Publish        list `json:"publish"`
		Subscribe      list `json:"subscribe"`
		AllowResponses bool `json:"allow_responses,omitempty"`
	}
	var b strings.Builder
	b.WriteString("# Made from what each service declares; do not edit.\nauthorization {\n  users = [\n")
	fmt.Fprintf(&b, "    {user: admin, password: $%s}\n", variable("admin"))
	for _, p := range all {
		// A server's configuration takes JSON, but for escapes of what needs none.
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		e.SetIndent("     ", "  ")
		if err := e.Encode(permissions{
			Publish: list{Allow: p.Publish, Deny: p.PublishDeny}, Subscribe: list{Allow: p.Subscribe}, AllowResponses: p.AllowResponses,
		}); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "    {user: %s, password: $%s, permissions: %s}\n", p.Service, variable(p.Service), bytes.TrimSpace(text.Bytes()))
	}
	b.WriteString("  ]\n}\n")
	return []byte(b.String()), nil
}
