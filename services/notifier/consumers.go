package notifier

import (
	"context"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus"
)

// Consumers are the notifier's ears: every public event from now on, one after
// another, so that deliveries are made in the order of the stream.
func (s *Service) Consumers() []bus.Consumer {
	return []bus.Consumer{
		bus.OnAll("notifier-deliver", []string{"evt.>", "ext.>"}, func(ctx context.Context, m bus.Message[events.Event]) error {
			a, ok := events.ParseSubject(m.Subject)
			return s.office.Take(ctx, m.Event, !ok || a.Route != events.Public, m.Cause)
		}, bus.Concurrency(1)),
	}
}
