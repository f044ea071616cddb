// Package route knows notification routes: which events are told on which
// channel.
package route

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
)

// Route is a NotificationRoute document.
type Route struct {
	Project      string   `json:"project"`
	Name         string   `json:"name"`
	Channel      string   `json:"channel"`                // of the same project
	Events       []string `json:"events"`                 // beginnings of types
	Environments []string `json:"environments,omitempty"` // none: all, and what belongs to none
}

// Matches says whether an event is told by the route.
func (r Route) Matches(e events.Event) bool {
	if !slices.ContainsFunc(r.Events, func(prefix string) bool { return strings.HasPrefix(e.Type(), prefix) }) {
		return false
	}
	return len(r.Environments) == 0 || slices.Contains(r.Environments, EnvironmentOf(e))
}

// EnvironmentOf returns the environment that an event is about, "" where it
// names none.
func EnvironmentOf(e events.Event) string {
	var d struct {
		Environment json.RawMessage `json:"environment"`
		CustomData  struct {
			Slipway struct {
				Environment string `json:"environment"`
			} `json:"slipway"`
		} `json:"customData"`
		Subject struct {
			ID      string `json:"id"`
			Content struct {
				Environment struct {
					ID string `json:"id"`
				} `json:"environment"`
			} `json:"content"`
		} `json:"subject"`
	}
	_ = json.Unmarshal(e.Data(), &d) // another sender's data may be of any shape
	var own string
	_ = json.Unmarshal(d.Environment, &own)
	for _, name := range []string{own, d.CustomData.Slipway.Environment, d.Subject.Content.Environment.ID} {
		if name != "" {
			return name
		}
	}
	if strings.HasPrefix(e.Type(), "dev.cdevents.environment.") {
		return d.Subject.ID
	}
	return ""
}

// spec of a NotificationRoute document.
type spec struct {
	Channel      string   `json:"channel" description:"A Channel of the same project."`
	Events       []string `json:"events" description:"Beginnings of event types."`
	Environments []string `json:"environments" description:"None: all, and what belongs to none."`
}

// Read returns the route of a document, or what is wrong with it, except that
// its channel may not exist.
func Read(d document.Document, project string) (Route, []httpapi.Fault) {
	var s spec
	faults := d.Spec(&s)
	unread := len(faults) > 0 // then s is empty, and says nothing
	add := func(pointer, message, hint string) { faults = append(faults, d.Fault(pointer, message, hint)) }
	if project == "" {
		add("/metadata", "a route belongs to a project", "set metadata.project, or give --project")
	}
	if err := channel.CheckName(d.Metadata.Name); err != nil {
		add("/metadata/name", err.Error(), "")
	}
	if unread {
		return Route{}, faults
	}
	if s.Channel == "" {
		add("/spec/channel", "the route has no channel", "name a Channel of the project")
	}
	if len(s.Events) == 0 {
		add("/spec/events", "the route names no events", "list beginnings of types, such as dev.slipway.deployer.deployment.")
	}
	for i, prefix := range s.Events {
		if problem, hint := checkPrefix(prefix); problem != "" {
			add(fmt.Sprintf("/spec/events/%d", i), problem, hint)
		}
	}
	return Route{Project: project, Name: d.Metadata.Name, Channel: s.Channel, Events: s.Events, Environments: s.Environments}, faults
}

// checkPrefix finds beginnings of types that no event will ever have.
func checkPrefix(prefix string) (problem, hint string) {
	if err := events.CheckType(strings.TrimSuffix(prefix, ".")); err != nil {
		return fmt.Sprintf("%q is not the beginning of an event type", prefix), "write it without * and >: dev.cdevents.service."
	}
	ours := strings.HasPrefix(prefix, "dev.slipway.") || strings.HasPrefix(prefix, "dev.cdevents.")
	var named string
	for _, d := range append(catalogue.All(), catalogue.CDEvents()...) {
		if d.Route != events.Public {
			continue
		}
		unversioned := strings.TrimRight(d.Filter, "*>")
		if strings.HasPrefix(d.Type, prefix) || strings.HasPrefix(prefix, unversioned) {
			return "", ""
		}
		if named == "" && strings.HasPrefix(d.Name, strings.TrimSuffix(prefix, ".")) {
			named = strings.TrimSuffix(d.Type, d.Type[strings.Index(d.Type, d.Name):]) + prefix
		}
	}
	switch {
	case named != "":
		return fmt.Sprintf("no event type begins with %q", prefix), fmt.Sprintf("did you mean %q?", named)
	case ours:
		return fmt.Sprintf("no event type begins with %q", prefix), "the types are listed at /events/types"
	}
	return "", "" // an outsider's own type
}
