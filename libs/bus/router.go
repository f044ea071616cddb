package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/bus/jetstream"
)

// middlewares of a listener's handler in Watermill's router, outermost first.
// Their order is decided here and nowhere else:
//
//  1. report: sees the outcome as the server will be told it, whatever made it.
//  2. park: decides which failures are dead letters. Inside report, so that a
//     parked message is reported as parked; outside all that follows, so that
//     it sees their failures too. A message delivered too often does not get
//     further than this: it may be what kills the process.
//  3. Recoverer: turns a panic into an error, so that park counts it like one.
//     Innermost, since only the handler's own panic is a message's fault.
//
// There is no Retry (the server delivers again, and counts), no Timeout (each
// consumer has its own, in the handler), no Deduplicator (it marks before the
// handler runs; the inbox mark in the handler's commit is the real one) and no
// PoisonQueue (it puts whole errors into headers).
func (b *Bus) middlewares(l listener) []message.HandlerMiddleware {
	return []message.HandlerMiddleware{b.report, b.park(l), middleware.Recoverer}
}

func (b *Bus) router() (*message.Router, error) {
	r, err := message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, watermillLog{b.log})
	if err != nil {
		return nil, fmt.Errorf("make the message router: %w", err)
	}
	return r, nil
}

// closeTimeout is longer than what a subscription gives its handlers.
const closeTimeout = 15 * time.Second

// report logs each failure once.
func (b *Bus) report(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		out, err := next(msg)
		if err == nil || msg.Context().Err() != nil {
			return out, err // done, or cut short by the end of the process
		}
		r, _ := jetstream.ReceivedFrom(msg.Context())
		delivery, _ := r.Delivery()
		b.log.Warn().Err(err).
			Str("consumer", message.HandlerNameFromCtx(msg.Context())).
			Str("subject", r.Subject()).
			Str("event", firstOf(r.Header(), "ce-id", "")).
			Int("delivery", delivery).
			Msg("event not handled, it comes again")
		return out, err
	}
}

// watermillLog passes the router's own words on: its outcomes are reported
// above, so these are details.
type watermillLog struct{ log zerolog.Logger }

var _ watermill.LoggerAdapter = watermillLog{}

func (l watermillLog) Error(msg string, err error, f watermill.LogFields) {
	l.log.Debug().Err(err).Fields(map[string]any(f)).Msg(msg)
}

func (l watermillLog) Info(msg string, f watermill.LogFields) {
	l.log.Debug().Fields(map[string]any(f)).Msg(msg)
}

func (l watermillLog) Debug(msg string, f watermill.LogFields) {
	l.log.Trace().Fields(map[string]any(f)).Msg(msg)
}

func (l watermillLog) Trace(msg string, f watermill.LogFields) {
	l.log.Trace().Fields(map[string]any(f)).Msg(msg)
}

func (l watermillLog) With(f watermill.LogFields) watermill.LoggerAdapter {
	return watermillLog{l.log.With().Fields(map[string]any(f)).Logger()}
}

// cutShort is whether a handler failed because the process ends.
func cutShort(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}
