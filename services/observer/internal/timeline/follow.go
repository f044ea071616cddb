package timeline

import "sync"

// Bell tells those who follow a timeline that there is something new. It says
// nothing about what: they look themselves. It is safe for concurrent use.
type Bell struct {
	mu        sync.Mutex
	followers map[string]map[chan struct{}]bool
}

// NewBell makes a bell.
func NewBell() *Bell { return &Bell{followers: map[string]map[chan struct{}]bool{}} }

// Follow returns a channel that is signalled after each ring for the timeline;
// rings coalesce. stop ends it.
func (b *Bell) Follow(correlationID string) (rung <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.followers[correlationID] == nil {
		b.followers[correlationID] = map[chan struct{}]bool{}
	}
	b.followers[correlationID][ch] = true
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.followers[correlationID], ch)
		if len(b.followers[correlationID]) == 0 {
			delete(b.followers, correlationID)
		}
	}
}

// Ring wakes the followers of a timeline.
func (b *Bell) Ring(correlationID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.followers[correlationID] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
