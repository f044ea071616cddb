package intake

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound how much one webhook may bring. Verified deliveries and wrong
// signatures are counted apart, so that a stranger cannot use up what the
// forge is granted.
type Limits struct {
	perSecond float64
	burst     int

	mu       sync.Mutex
	verified map[string]*rate.Limiter
	failed   map[string]*rate.Limiter
}

// NewLimits allows perSecond deliveries a second to each webhook, and burst at once.
func NewLimits(perSecond float64, burst int) *Limits {
	return &Limits{perSecond: perSecond, burst: burst, verified: map[string]*rate.Limiter{}, failed: map[string]*rate.Limiter{}}
}

// take returns 0, or how long to wait.
func (l *Limits) take(webhook string, now time.Time) time.Duration {
	return l.from(l.verified, webhook, rate.Limit(l.perSecond), l.burst, now)
}

// takeFailure allows one look at the newest secret a second.
func (l *Limits) takeFailure(webhook string, now time.Time) time.Duration {
	return l.from(l.failed, webhook, 1, 5, now)
}

func (l *Limits) from(all map[string]*rate.Limiter, webhook string, perSecond rate.Limit, burst int, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := all[webhook]
	if !ok {
		limiter = rate.NewLimiter(perSecond, burst)
		all[webhook] = limiter
	}
	r := limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}
