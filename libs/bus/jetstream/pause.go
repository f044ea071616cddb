package jetstream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// pause grows from try to try, so that a server that is away is not hammered.
type pause struct{ next time.Duration }

const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

func newPause() *pause { return &pause{next: firstPause} }

func (p *pause) reset() { p.next = firstPause }

// wait returns early with a new connection, and false when ctx ended.
func (p *pause) wait(ctx context.Context, status <-chan nats.Status) bool {
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	p.next = min(2*p.next, longestPause)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-status:
		p.reset()
	}
	return true
}
