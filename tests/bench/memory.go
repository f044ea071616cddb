package main

import (
	"context"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
)

// outbox is one in memory, so that the relay is measured and not the store.
type outbox struct {
	mu      sync.Mutex
	entries []store.Entry
	marked  map[int64]bool
	changed chan struct{}
	empty   chan struct{} // closed when all are published
}

func newOutbox(messages []store.Message) *outbox {
	o := &outbox{marked: map[int64]bool{}, changed: make(chan struct{}, 1), empty: make(chan struct{})}
	for i, m := range messages {
		o.entries = append(o.entries, store.Entry{Seq: int64(i + 1), Key: store.Key{Kind: "thing", ID: m.Header["ce-subject"][0]}, Message: m})
	}
	o.changed <- struct{}{}
	return o
}

func (o *outbox) Pending(_ context.Context, limit int) ([]store.Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.entries[:min(limit, len(o.entries))], nil
}

func (o *outbox) MarkPublished(_ context.Context, seqs []int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, seq := range seqs {
		o.marked[seq] = true
	}
	for len(o.entries) > 0 && o.marked[o.entries[0].Seq] {
		o.entries = o.entries[1:]
		if len(o.entries) == 0 {
			close(o.empty)
		}
	}
	return nil
}

func (o *outbox) Archive(context.Context, int64, int) ([]store.Entry, error) { return nil, nil }
func (o *outbox) Changed() <-chan struct{}                                   { return o.changed }
func (o *outbox) Backlog(context.Context) (int, error)                       { return len(o.entries), nil }

// meter takes the time from the first message to the last.
type meter struct {
	mu          sync.Mutex
	first, last time.Time
	left        int
	done        chan struct{}
}

func newMeter(n int) *meter { return &meter{left: n, done: make(chan struct{})} }

func (m *meter) count() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first.IsZero() {
		m.first = time.Now()
	}
	if m.left--; m.left == 0 {
		m.last = time.Now()
		close(m.done)
	}
}

func (m *meter) took() time.Duration { return m.last.Sub(m.first) }
