package timeline

import (
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/events/provisioner"
)

// Outcomes of a story, as far as it went.
const (
	OutcomeSucceeded = "succeeded" // something was deployed
	OutcomeFailed    = "failed"    // and undone
	OutcomeHeld      = "held"      // waits for something
	OutcomeParked    = "parked"    // needs a person
)

// Head is what a list shows of a timeline.
type Head struct {
	CorrelationID string    `json:"correlationId"`
	Title         string    `json:"title"`  // what it began with
	Latest        string    `json:"latest"` // what was said last
	Outcome       string    `json:"outcome,omitempty"`
	Projects      []string  `json:"projects"`
	StartedAt     time.Time `json:"startedAt"`
	UpdatedAt     time.Time `json:"updatedAt"`

	// Where title, latest and outcome are from, to tell which came first.
	First   Position `json:"first"`
	Last    Position `json:"last"`
	Decided Position `json:"decided"`
}

// HeadOf returns the head of entries.
func HeadOf(entries []Entry) Head {
	var h Head
	for _, e := range entries {
		h.add(e)
	}
	return h
}

// outcomeOf is how a story stands by an event of a type; "" if it says nothing
// about that.
func outcomeOf(eventType string) string {
	switch {
	case deployer.DeploymentSucceeded.Matches(eventType):
		return OutcomeSucceeded
	case deployer.DeploymentFailed.Matches(eventType), provisioner.EnvironmentRolledBack.Matches(eventType):
		return OutcomeFailed
	case deployer.DeploymentHeld.Matches(eventType):
		return OutcomeHeld
	case deployer.SagaParked.Matches(eventType), provisioner.SagaParked.Matches(eventType):
		return OutcomeParked
	}
	return ""
}

// add takes an entry into the head. Adding the same one again, or several in
// another order, comes to the same head.
func (h *Head) add(e Entry) {
	h.CorrelationID = e.CorrelationID
	if h.First == (Position{}) || e.Position.before(h.First) || e.Position == h.First {
		h.First, h.Title = e.Position, e.Summary
	}
	if h.Last.before(e.Position) || e.Position == h.Last {
		h.Last, h.Latest = e.Position, e.Summary
	}
	if o := outcomeOf(e.Type); o != "" && !e.Position.before(h.Decided) {
		h.Decided, h.Outcome = e.Position, o
	}
	if e.Project != "" && !slices.Contains(h.Projects, e.Project) {
		h.Projects = append(h.Projects, e.Project)
		slices.Sort(h.Projects)
	}
	if h.StartedAt.IsZero() || e.Time.Before(h.StartedAt) {
		h.StartedAt = e.Time
	}
	if e.Time.After(h.UpdatedAt) {
		h.UpdatedAt = e.Time
	}
}
