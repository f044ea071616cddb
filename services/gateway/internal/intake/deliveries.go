package intake

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// How long what came in is kept. A key outlives by far what a forge sends
// again and what the stream and its dead letters keep.
const (
	keepBody     = 30 * 24 * time.Hour
	keepDelivery = 400 * 24 * time.Hour
)

// Deliveries are what came in.
type Deliveries struct {
	repo   *aggregate.Repository[Delivery]
	bodies *aggregate.Repository[rawBody]
	clock  func() time.Time
	zip    compressor
}

// NewDeliveries keeps deliveries in a store.
func NewDeliveries(s store.Store, clock func() time.Time) *Deliveries {
	return &Deliveries{
		repo: aggregate.New(s, aggregate.Options[Delivery]{
			Service: "gateway", Kind: "delivery", Clock: clock,
			Indexes: func(d *Delivery) store.Indexes {
				return store.Indexes{"webhook": {d.Project + "/" + d.Webhook}, "correlation": {d.CorrelationID}}
			},
		}),
		bodies: aggregate.New(s, aggregate.Options[rawBody]{Service: "gateway", Kind: "delivery-body", Clock: clock}),
		clock:  clock,
	}
}

// Get returns one delivery of a webhook by its id in the store, or 404.
func (d *Deliveries) Get(ctx context.Context, project, webhook, id string) (aggregate.Versioned[Delivery], error) {
	v, err := d.repo.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (v.State.Project != project || v.State.Webhook != webhook) {
		return v, httpapi.NotFound("delivery", id, "")
	}
	return v, err
}

// List returns the deliveries of a webhook, the newest first.
func (d *Deliveries) List(ctx context.Context, project, webhook string, limit int, cursor string) ([]aggregate.Versioned[Delivery], string, error) {
	return d.repo.List(ctx, aggregate.Filter{
		Where: []store.Term{{Index: "webhook", Value: project + "/" + webhook}},
		Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor,
	})
}

// Body returns the raw body of a delivery, or 410 when it is no longer kept.
func (d *Deliveries) Body(ctx context.Context, v aggregate.Versioned[Delivery]) ([]byte, error) {
	packed := v.State.Body
	switch {
	case v.State.Dropped:
		return nil, httpapi.Gone("The body of a delivery is kept for 30 days.")
	case v.State.Apart:
		body, err := d.bodies.Get(ctx, v.ID)
		if err != nil {
			return nil, err
		}
		packed = body.State.Body
	}
	return decompress(packed)
}

// Sweep drops bodies and deliveries that are past their time, until ctx ends.
func (d *Deliveries) Sweep(ctx context.Context) error {
	return d.repo.Sweep(ctx, func(ctx context.Context, v aggregate.Versioned[Delivery]) error {
		if v.State.Apart && !v.State.Dropped {
			if _, err := d.bodies.Update(ctx, v.ID, events.Cause{}, func(_ *rawBody, exists bool) (aggregate.Decision, error) {
				return aggregate.Decision{Delete: true, Skip: !exists}, nil
			}); err != nil {
				return err
			}
		}
		_, err := d.repo.Update(ctx, v.ID, events.Cause{}, func(s *Delivery, exists bool) (aggregate.Decision, error) {
			end := s.ReceivedAt.Add(keepDelivery)
			if !exists || !d.clock().Before(end) {
				return aggregate.Decision{Delete: true, Skip: !exists}, nil
			}
			s.Body, s.Dropped = nil, true
			return aggregate.Decision{WakeAt: end}, nil
		})
		return err
	})
}
