package bus

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
)

// memoryOutbox is an outbox without a store, which can lose marks.
type memoryOutbox struct {
	mu       sync.Mutex
	entries  []store.Entry
	pending  map[int64]bool
	loseMark bool // as a crash between publish and mark does
	empty    chan struct{}
	changed  chan struct{}
}

func newOutbox() *memoryOutbox {
	return &memoryOutbox{pending: map[int64]bool{}, changed: make(chan struct{}, 1), empty: make(chan struct{}, 1)}
}

func (o *memoryOutbox) add(aggregate string, messages ...store.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range messages {
		seq := int64(len(o.entries) + 1)
		o.entries = append(o.entries, store.Entry{Seq: seq, Key: store.Key{Kind: "ball", ID: aggregate}, Message: m})
		o.pending[seq] = true
	}
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *memoryOutbox) Pending(_ context.Context, limit int) ([]store.Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var some []store.Entry
	for _, e := range o.entries {
		if o.pending[e.Seq] && len(some) < limit {
			some = append(some, e)
		}
	}
	return some, nil
}

func (o *memoryOutbox) MarkPublished(_ context.Context, seqs []int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.loseMark {
		o.loseMark = false
		return fmt.Errorf("the process died here")
	}
	for _, s := range seqs {
		delete(o.pending, s)
	}
	if len(o.pending) == 0 {
		select {
		case o.empty <- struct{}{}:
		default:
		}
	}
	return nil
}

func (o *memoryOutbox) Archive(context.Context, int64, int) ([]store.Entry, error) { return nil, nil }
func (o *memoryOutbox) Changed() <-chan struct{}                                   { return o.changed }
func (o *memoryOutbox) Backlog(context.Context) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending), nil
}

func (h *harness) relay(o store.Outbox) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.bus.Relay(ctx, o) }()
	h.t.Cleanup(func() { cancel(); require.NoError(h.t, <-done) })
}

// stored returns the numbers of the events that a stream has, in its order.
func (h *harness) stored() []int {
	h.t.Helper()
	var all []int
	after := uint64(0)
	for {
		items, next, err := h.bus.Page(h.t.Context(), PageOptions{After: after, Limit: 500})
		require.NoError(h.t, err)
		for _, s := range items {
			d, err := pinged.Decode(s.Event)
			require.NoError(h.t, err)
			all = append(all, d.N)
		}
		if after = next; next == 0 {
			return all
		}
	}
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestRelay_ManyEntries_AllPublishedInOrderAndMarked(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := newOutbox()
	for n := range 350 {
		o.add("one", event(t, pinged, n))
	}
	h.relay(o)
	await(t, o.empty, "the outbox to be empty")
	require.Equal(t, upTo(350), h.stored())
}

func TestRelay_CommittedWhileRunning_PublishedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := newOutbox()
	h.relay(o)
	for n := range 3 {
		o.add("one", event(t, pinged, n))
		await(t, o.empty, "the entry to be published")
	}
	require.Equal(t, upTo(3), h.stored())
}

func TestRelay_CrashBeforeTheMark_NothingTwice(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := newOutbox()
	o.loseMark = true
	for n := range 40 {
		o.add("one", event(t, pinged, n))
	}
	h.relay(o)
	await(t, o.empty, "the outbox to be empty")
	require.Equal(t, upTo(40), h.stored())
}

func TestRelay_BatchWithOneAlreadyStored_RestIsPublishedInOrder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := newOutbox()
	var all []store.Message
	for n := range 30 {
		all = append(all, event(t, pinged, n))
	}
	h.publish(all[0], all[1])
	o.add("one", all...)
	h.relay(o)
	await(t, o.empty, "the outbox to be empty")
	require.Equal(t, upTo(30), h.stored())
}

func TestRelay_SeveralStreams_EachEntryInItsOwn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := newOutbox()
	got := make(chan string, 20)
	collect := func(_ context.Context, m Message[pingData]) error {
		got <- fmt.Sprintf("%s %d", m.Subject, m.Data.N)
		return nil
	}
	h.run(On(pinged, "tester-on-ping", collect), On(whispers, "tester-on-whisper", collect), On(throw, "tester-throw", collect))
	var want []string
	for n, def := range []events.Definition[pingData]{pinged, pinged, whispers, throw, pinged, throw} {
		m := event(t, def, n)
		o.add("one", m)
		want = append(want, fmt.Sprintf("%s %d", m.Subject, n))
	}
	h.relay(o)
	var have []string
	for range want {
		have = append(have, await(t, got, "the next one"))
	}
	require.ElementsMatch(t, want, have)
}

func TestRelay_EntryThatNoStreamTakes_HoldsBackItsAggregateAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := newOutbox()
	tooLarge := event(t, pinged, 100)
	tooLarge.Body = make([]byte, 2<<20)
	o.add("bad", tooLarge, event(t, pinged, 101))
	for n := range 5 {
		o.add("good", event(t, pinged, n))
	}
	published := make(chan int, 10)
	h.run(On(pinged, "tester-on-ping", func(_ context.Context, m Message[pingData]) error { published <- m.Data.N; return nil }, Concurrency(1)))
	h.relay(o)
	for n := range 5 {
		require.Equal(t, n, await(t, published, "the good ones"))
	}
	o.add("good", event(t, pinged, 5))
	require.Equal(t, 5, await(t, published, "a later good one"))
	left, err := o.Backlog(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, left, 2)
	require.NotContains(t, h.stored(), 101)
}

func TestRelay_ServerRestartsInTheMiddle_NothingIsLostOrTwice(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	o := newOutbox()
	h.relay(o)
	for n := range 300 {
		o.add(fmt.Sprint(n%7), event(t, pinged, n))
		if n%100 == 50 {
			h.restart()
		}
	}
	for {
		await(t, o.empty, "the outbox to be empty")
		if left, err := o.Backlog(t.Context()); err == nil && left == 0 {
			break
		}
	}
	have := h.stored()
	require.ElementsMatch(t, upTo(300), have)
	last := map[int]int{}
	for _, n := range have {
		require.Greater(t, n+1, last[n%7], "order within an aggregate")
		last[n%7] = n + 1
	}
}
