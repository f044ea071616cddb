package github

import (
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// ticketID is "owner/name/issues/7".
func ticketID(p payload) string {
	number := p.str("issue", "number")
	if number == "" {
		return ""
	}
	return prefixed(p, "issues/"+number)
}

type ticketSubject interface {
	SetSubjectAssignees([]string)
	SetSubjectCreator(string)
	SetSubjectLabels([]string)
	SetSubjectMilestone(string)
	SetSubjectSummary(string)
	SetSubjectTicketType(string)
	SetSubjectUri(string)
}

func describeTicket(e ticketSubject, p payload) error {
	uri := p.str("issue", "html_url")
	if uri == "" {
		return lacks("the issue's address")
	}
	e.SetSubjectUri(uri)
	e.SetSubjectSummary(p.str("issue", "title"))
	e.SetSubjectCreator(p.str("issue", "user", "login"))
	e.SetSubjectAssignees(p.names("login", "issue", "assignees"))
	e.SetSubjectLabels(p.names("name", "issue", "labels"))
	e.SetSubjectMilestone(p.str("issue", "milestone", "title"))
	e.SetSubjectTicketType(p.str("issue", "type", "name"))
	return nil
}

func ticketCreated(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewTicketCreatedEvent()
	if err == nil {
		err = describeTicket(e, p)
	}
	if err == nil && p.str("issue", "user", "login") == "" {
		err = lacks("who opened the issue")
	}
	return fact(e, err, ticketID(p), t, p.when("issue", "created_at"))
}

func ticketUpdated(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewTicketUpdatedEvent()
	if err == nil {
		err = describeTicket(e, p)
		e.SetSubjectUpdatedBy(t.Sender)
	}
	return fact(e, err, ticketID(p), t, p.when("issue", "updated_at"))
}

func ticketClosed(p payload, t provider.Translation) (provider.Fact, error) {
	e, err := v05.NewTicketClosedEvent()
	if err == nil {
		err = describeTicket(e, p)
		e.SetSubjectUpdatedBy(t.Sender)
		e.SetSubjectResolution(resolution(p.str("issue", "state_reason")))
	}
	return fact(e, err, ticketID(p), t, p.when("issue", "closed_at"))
}

// resolution is CDEvents' word for GitHub's state_reason; older payloads have
// none, and their issues were simply closed.
func resolution(reason string) string {
	switch reason {
	case "not_planned":
		return "withdrawn"
	case "duplicate":
		return "duplicate"
	}
	return "completed"
}
