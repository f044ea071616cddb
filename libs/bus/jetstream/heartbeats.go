package jetstream

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// heartbeats tells the server of every message under way that it is still at
// work, so that a long handler does not make it come again. It has no timer
// while there is nothing under way.
type heartbeats struct {
	every time.Duration

	mu      sync.Mutex
	under   map[jetstream.Msg]time.Time // since the last sign of life
	timer   *time.Timer
	stopped bool
}

func newHeartbeats(every time.Duration) *heartbeats {
	return &heartbeats{every: every, under: map[jetstream.Msg]time.Time{}}
}

func (h *heartbeats) add(m jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.under[m] = time.Now()
	h.arm()
}

func (h *heartbeats) remove(m jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.under, m)
}

// arm starts the timer unless it runs. Called with the lock held.
func (h *heartbeats) arm() {
	if h.timer == nil && len(h.under) > 0 && !h.stopped {
		h.timer = time.AfterFunc(h.every/2, h.beat)
	}
}

func (h *heartbeats) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for m, last := range h.under {
		if now.Sub(last) >= h.every/2 {
			_ = m.InProgress() // lost with the connection: then it comes again
			h.under[m] = now
		}
	}
	h.timer = nil
	h.arm()
}

func (h *heartbeats) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}
