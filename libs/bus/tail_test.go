package bus

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

// tail reads into a channel until the test ends; it returns once the position
// in the stream is fixed.
func (h *harness) tail(o TailOptions) <-chan Stored {
	h.t.Helper()
	got, started, done := make(chan Stored, 1000), make(chan struct{}), make(chan struct{})
	o.Started = func() { close(started) }
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	go func() {
		defer close(done)
		for s, err := range h.bus.Tail(ctx, o) {
			if err != nil {
				h.t.Errorf("tail: %v", err)
				return
			}
			got <- s
		}
	}()
	h.t.Cleanup(func() { cancel(); <-done })
	await(h.t, started, "the tail to begin")
	return got
}

func TestTail_FromTheStartASequenceOrNow_YieldsWhatFollows(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(event(t, pinged, 0), store.Message{ID: "no event", Subject: "evt.shop.nothing"}, event(t, pinged, 1))
	all, later, fresh := h.tail(TailOptions{}), h.tail(TailOptions{StartSeq: 3}), h.tail(TailOptions{New: true, Subjects: []string{"evt.>"}})
	h.publish(event(t, pinged, 2))
	number := func(s Stored) int {
		d, err := pinged.Decode(s.Event)
		require.NoError(t, err)
		return d.N
	}
	for want, seq := range []uint64{1, 3, 4} {
		s := await(t, all, "the next one")
		require.Equal(t, want, number(s))
		require.Equal(t, seq, s.Seq)
		require.Equal(t, "evt.shop."+pinged.Type(), s.Subject)
		require.False(t, s.Time.IsZero())
	}
	require.Equal(t, 1, number(await(t, later, "that sequence")))
	require.Equal(t, 2, number(await(t, later, "the next one")))
	require.Equal(t, 2, number(await(t, fresh, "what is new")))
}

func TestTail_ServerRestarts_NoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := h.tail(TailOptions{New: true})
	var seqs []uint64
	for n := range 3 {
		h.publish(event(t, pinged, n))
		if n != 1 { // once with something unread, and once idle
			seqs = append(seqs, await(t, got, "the event").Seq)
		}
		h.restart()
	}
	for len(seqs) < 3 {
		seqs = append(seqs, await(t, got, "the event").Seq)
	}
	require.Equal(t, []uint64{1, 2, 3}, seqs)
}

func TestPage_Filtered_BoundedWithNext(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for n := range 5 {
		h.publish(event(t, pinged, n), store.Message{ID: "x" + string(rune('a'+n)), Subject: "evt.shop.nothing"}, event(t, whispers, n))
	}
	var seqs []uint64
	after := uint64(0)
	for pages := 1; ; pages++ {
		items, next, err := h.bus.Page(t.Context(), PageOptions{Subjects: []string{"evt.shop.>"}, After: after, Limit: 2})
		require.NoError(t, err)
		for _, s := range items {
			seqs = append(seqs, s.Seq)
		}
		if next == 0 {
			require.Equal(t, 3, pages)
			break
		}
		require.Len(t, items, 2)
		after = next
	}
	require.Equal(t, []uint64{1, 3, 5, 7, 9}, seqs)
	items, next, err := h.bus.Page(t.Context(), PageOptions{After: 1000})
	require.NoError(t, err)
	require.Empty(t, items)
	require.Zero(t, next)
	p, err := h.bus.Position(t.Context(), StreamEvents)
	require.NoError(t, err)
	require.Equal(t, uint64(1), p.First)
	require.Equal(t, uint64(10), p.Last)
	require.NotEmpty(t, p.Epoch)
}
