package policy

import (
	"context"

	"github.com/slipway-idp/slipway/events/catalog"
	"github.com/slipway-idp/slipway/libs/bus"
)

// Consumers are what the service listens to. Both are projections: they begin
// at the first event there is.
func (s *Service) Consumers() []bus.Consumer {
	return []bus.Consumer{
		bus.On(catalog.EntityChanged, "policy-know-component", func(ctx context.Context, m bus.Message[catalog.EntityChangedData]) error {
			return s.owners.OnChanged(ctx, m.Data, m.Cause)
		}, bus.WithHistory()),
		bus.On(catalog.EntityRemoved, "policy-forget-component", func(ctx context.Context, m bus.Message[catalog.EntityRemovedData]) error {
			return s.owners.OnRemoved(ctx, m.Data, m.Cause)
		}, bus.WithHistory()),
	}
}
