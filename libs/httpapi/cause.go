package httpapi

import (
	"context"

	"github.com/slipway-idp/slipway/events"
)

// CauseOf says who asks, for what a request commits.
func CauseOf(ctx context.Context) events.Cause {
	return events.Cause{CorrelationID: CorrelationFrom(ctx), Actor: ActorFrom(ctx).Name}
}
