package decision

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/policy"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

// Deadline is how long all policies together may take over one question.
const Deadline = 2 * time.Second

// Repository keeps decisions by id.
type Repository = aggregate.Repository[Decision]

// NewRepository makes the repository over the service's store.
func NewRepository(s store.Store, service string, clock func() time.Time) *Repository {
	return aggregate.New(s, aggregate.Options[Decision]{Service: service, Kind: "decision", Clock: clock,
		Indexes: func(d *Decision) store.Indexes {
			return store.Indexes{"project": {d.Project}, "kind": {d.Kind}, "subject": {d.Subject}, "result": {d.Result}}
		}})
}

// Editions gives the policies in force.
type Editions interface {
	Current(ctx context.Context) (*rulebook.Edition, error)
}

// Judge answers questions and keeps what it answered.
type Judge struct {
	Editions  Editions
	Decisions *Repository
	// Enrich adds what this service knows itself to a question's input.
	Enrich func(ctx context.Context, input map[string]any) error
	Clock  func() time.Time
}

// Decide answers a question. Asked again with the same input under the same
// policies it answers the decision that is kept, and nothing is published
// twice. *InvalidError says what is wrong with the question; any other error
// means that it is undecided.
func (j *Judge) Decide(ctx context.Context, q Question, cause events.Cause) (Decision, error) {
	p, err := Prepare(q, func(input map[string]any) error { return j.Enrich(ctx, input) })
	if err != nil {
		return Decision{}, err
	}
	edition, err := j.Editions.Current(ctx)
	if err != nil {
		return Decision{}, err
	}
	bundle := edition.Bundle(q.Kind, q.Project)
	kept, err := j.Decisions.Get(ctx, ID(p, bundle))
	if err == nil {
		return kept.State, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Decision{}, err
	}
	limited, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	made, err := Decide(limited, p, bundle, j.Clock())
	if err != nil {
		return Decision{}, err
	}
	draft, err := policy.DecisionMade.Draft(made.Project, made.Subject, Record(made))
	if err != nil {
		return Decision{}, err
	}
	v, err := j.Decisions.Update(ctx, made.ID, cause, func(state *Decision, exists bool) (aggregate.Decision, error) {
		if exists {
			return aggregate.Decision{Skip: true}, nil
		}
		*state = made
		return aggregate.Decision{Events: []events.Draft{draft}}, nil
	})
	return v.State, err
}

// Record is what is published of a decision: everything but its input.
func Record(d Decision) policy.DecisionMadeData {
	reasons := make([]policy.Reason, len(d.Reasons))
	for i, r := range d.Reasons {
		reasons[i] = policy.Reason{Policy: r.Policy, Rule: r.Rule, Line: r.Line, Message: r.Message, Resource: r.Resource}
	}
	return policy.DecisionMadeData{
		Decision: d.ID, Kind: d.Kind, Allowed: d.Allowed, Result: d.Result, Reasons: reasons,
		BundleDigest: d.BundleDigest, InputDigest: d.InputDigest, Subject: d.Subject, Project: d.Project,
	}
}
