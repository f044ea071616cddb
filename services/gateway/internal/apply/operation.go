package apply

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// The states of an operation.
const (
	StatusRunning = "running"
	StatusDone    = "done"
	StatusFailed  = "failed"
)

// Prefix begins the ids of apply's operations.
const Prefix = "apl-"

// Operation is the record of one apply: who, when, and what became of each
// document. It holds no document.
type Operation struct {
	ID            string           `json:"id"`
	Kind          string           `json:"kind"` // "apply"
	Status        string           `json:"status"`
	DryRun        bool             `json:"dryRun,omitempty"`
	Actor         string           `json:"actor,omitempty"`
	CorrelationID string           `json:"correlationId,omitempty"`
	Results       []docapi.Result  `json:"results"`
	Problem       *httpapi.Problem `json:"problem,omitempty"`
	CreatedAt     time.Time        `json:"createdAt,omitzero"`
	FinishedAt    time.Time        `json:"finishedAt,omitzero"`
}

// Operations are the records.
type Operations struct {
	repo  *aggregate.Repository[Operation]
	clock func() time.Time
}

const (
	// keepOperation is how long a record is kept.
	keepOperation = 90 * 24 * time.Hour
	// giveUp is after how long an apply that has not ended is known to have
	// been cut off: no request takes that long.
	giveUp = 15 * time.Minute
)

// NewOperations keeps records in a store.
func NewOperations(s store.Store, clock func() time.Time) *Operations {
	return &Operations{
		repo:  aggregate.New(s, aggregate.Options[Operation]{Service: "gateway", Kind: "operation", Clock: clock}),
		clock: clock,
	}
}

// Get returns one, or 404.
func (o *Operations) Get(ctx context.Context, id string) (Operation, error) {
	v, err := o.repo.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Operation{}, httpapi.NotFound("operation", id, "Operations of an apply are kept for 90 days.")
	}
	return v.State, err
}

// List returns records, the newest first.
func (o *Operations) List(ctx context.Context, limit int, cursor string) ([]Operation, string, error) {
	found, next, err := o.repo.List(ctx, aggregate.Filter{Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor})
	var out []Operation
	for _, v := range found {
		out = append(out, v.State)
	}
	return out, next, err
}

// Sweep forgets old records, and says of an apply that was cut off (the gateway
// was killed) that it was, until ctx ends.
func (o *Operations) Sweep(ctx context.Context) error {
	return o.repo.Sweep(ctx, func(ctx context.Context, v aggregate.Versioned[Operation]) error {
		_, err := o.repo.Update(ctx, v.ID, events.Cause{}, func(s *Operation, exists bool) (aggregate.Decision, error) {
			if !exists || s.Status != StatusRunning {
				return aggregate.Decision{Delete: true, Skip: !exists}, nil
			}
			s.Status, s.FinishedAt = StatusFailed, o.clock().UTC()
			s.Problem = httpapi.New(http.StatusInternalServerError, "interrupted", "It was cut off.",
				"Slipway stopped while this was being applied. Apply the same documents again: that is safe.")
			return aggregate.Decision{WakeAt: s.CreatedAt.Add(keepOperation)}, nil
		})
		return err
	})
}

// done finds an operation that was carried out under this id before.
func (o *Operations) done(ctx context.Context, id string) (Operation, bool) {
	v, err := o.repo.Get(ctx, id)
	return v.State, err == nil && v.State.Status == StatusDone
}

func (o *Operations) save(ctx context.Context, op Operation) error {
	_, err := o.repo.Update(ctx, op.ID, events.Cause{Actor: op.Actor}, func(s *Operation, _ bool) (aggregate.Decision, error) {
		*s = op
		wake := op.CreatedAt.Add(keepOperation)
		if op.Status == StatusRunning {
			wake = op.CreatedAt.Add(giveUp)
		}
		return aggregate.Decision{WakeAt: wake}, nil
	})
	return err
}
