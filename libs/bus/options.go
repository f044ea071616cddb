package bus

import (
	"time"

	"github.com/slipway-idp/slipway/events"
)

// settings of one consumer. Their defaults are in newSettings.
type settings struct {
	origins       []events.Route // which statements of public types are accepted
	history       bool
	concurrency   int
	prefetch      int
	maxDeliveries int
	ackWait       time.Duration
	timeout       time.Duration
	backoff       func(delivery int) time.Duration
}

const (
	defaultConcurrency   = 8
	defaultMaxDeliveries = 10
	defaultAckWait       = 10 * time.Second
	historyPrefetch      = 64
	// maxAckPending bounds what waits for its next try on one consumer, which
	// occupies no place of those that are handled.
	maxAckPending = 1000
)

func newSettings(opts []Option) settings {
	s := settings{
		origins:       []events.Route{events.Public},
		maxDeliveries: defaultMaxDeliveries,
		ackWait:       defaultAckWait,
		backoff:       growing,
	}
	for _, o := range opts {
		o(&s)
	}
	if s.concurrency == 0 {
		s.concurrency = defaultConcurrency
		if s.history {
			s.concurrency = 1 // a projection is easiest to get right in order
		}
	}
	if s.prefetch == 0 && s.history {
		s.prefetch = historyPrefetch
	}
	return s
}

// growing is 100 ms, then four times as long each time, at most 30 s.
func growing(delivery int) time.Duration {
	d := 100 * time.Millisecond
	for range min(delivery-1, 5) {
		d *= 4
	}
	return min(d, 30*time.Second)
}

// Option changes how a consumer consumes.
type Option func(*settings)

// FromOutside consumes what outsiders stated (ext.) in place of our own facts
// (evt.). Nothing that grants or approves may use it.
func FromOutside() Option {
	return func(s *settings) { s.origins = []events.Route{events.External} }
}

// FromAnywhere consumes our own facts and outsiders' statements.
func FromAnywhere() Option {
	return func(s *settings) { s.origins = []events.Route{events.Public, events.External} }
}

// WithHistory begins at the start of the stream when the durable is new: for
// projections. It handles one message at a time unless Concurrency says
// otherwise. Without it a new durable sees only what is published from then
// on, so that an upgrade never acts on the past again.
func WithHistory() Option { return func(s *settings) { s.history = true } }

// Concurrency is how many messages are handled at a time: 8 unless set.
// Messages of one source and subject are handled one after another all the
// same, except for those tried again. 1 keeps the stream's order for all.
func Concurrency(n int) Option { return func(s *settings) { s.concurrency = n } }

// MaxDeliveries is how often a message is tried before it becomes a dead
// letter: 10 unless set.
func MaxDeliveries(n int) Option { return func(s *settings) { s.maxDeliveries = n } }

// Timeout bounds one call of the handler by its context; none unless set.
func Timeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// Backoff says how long to wait before the next try, by the number of
// deliveries so far (1 after the first failure). 100 ms, growing fourfold to
// 30 s, unless set.
func Backoff(f func(delivery int) time.Duration) Option {
	return func(s *settings) { s.backoff = f }
}

// AckWait is after how long a message whose handler's process died comes
// again: 10 s unless set. A handler that is at work may take longer.
func AckWait(d time.Duration) Option { return func(s *settings) { s.ackWait = d } }
