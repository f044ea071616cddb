package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
)

// letters awaits n dead letters.
func (h *harness) letters(n int) []DeadLetter {
	h.t.Helper()
	parked := make(chan struct{}, 100)
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	sub, err := h.bus.nc.Subscribe("dlq.>", func(*nats.Msg) { parked <- struct{}{} })
	require.NoError(h.t, err)
	defer func() { _ = sub.Unsubscribe() }()
	require.NoError(h.t, h.bus.nc.FlushWithContext(ctx))
	for {
		all, _, err := h.bus.DeadLetters(ctx, "", 0, 0)
		require.NoError(h.t, err)
		if len(all) >= n {
			require.Len(h.t, all, n)
			return all
		}
		select {
		case <-parked:
		case <-ctx.Done():
			require.FailNow(h.t, "waited too long for dead letters", "have %d, want %d", len(all), n)
		}
	}
}

func TestDeadLetter_PermanentError_ParkedAtOnceWithReasonAndHeaders(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.run(On(pinged, "tester-strict", func(context.Context, Message[pingData]) error {
		return Permanent(errors.New("no such\nthing " + strings.Repeat("x", 5000)))
	}))
	m := event(t, pinged, 7)
	h.publish(m)
	l := h.letters(1)[0]
	require.Equal(t, "tester-strict", l.Consumer)
	require.Equal(t, 1, l.Deliveries)
	require.Equal(t, m.Subject, l.Subject)
	require.True(t, strings.HasPrefix(l.Reason, "no such thing xxx"), l.Reason)
	require.LessOrEqual(t, len(l.Reason), maxReason)
	require.Equal(t, m.Body, l.Body)
	for k, v := range m.Header {
		require.Equal(t, v, l.Header[k], k)
	}
	require.NotNil(t, l.Event)
	require.Equal(t, m.ID, l.Event.ID())
}

func TestDeadLetter_FailsEveryTime_ParkedAfterMaxDeliveries(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	calls := make(chan int, 100)
	h.run(On(pinged, "tester-hopeless", func(_ context.Context, m Message[pingData]) error {
		calls <- m.Delivery
		panic("a bug")
	}, MaxDeliveries(3), Backoff(fast)))
	h.publish(event(t, pinged, 1))
	l := h.letters(1)[0]
	require.Equal(t, 3, l.Deliveries)
	require.Contains(t, l.Reason, "a bug")
	require.Equal(t, []int{1, 2, 3}, drained(calls))
}

func TestDeadLetter_HandlerKillsTheProcessEachTime_ParkedBeforeItIsCalledAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	// A process that dies takes the message and never answers.
	c := On(pinged, "tester-crash", func(context.Context, Message[pingData]) error {
		require.Fail(t, "the handler was called once too often")
		return nil
	}, MaxDeliveries(2), AckWait(50_000_000))
	require.NoError(t, h.bus.Prepare(t.Context(), "tester", []Consumer{c}))
	h.publish(event(t, pinged, 1))
	consumer, err := h.bus.js.Consumer(t.Context(), StreamEvents, "tester-crash")
	require.NoError(t, err)
	for range 2 {
		m, err := consumer.Next()
		require.NoError(t, err)
		require.NotNil(t, m)
	}
	h.run(c)
	l := h.letters(1)[0]
	require.Equal(t, 3, l.Deliveries)
	require.Equal(t, errExhausted.Error(), l.Reason)
}

func TestDeadLetter_Undecodable_ParkedAndTheNextIsHandled(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := make(chan int, 10)
	h.run(
		On(pinged, "tester-decode", func(_ context.Context, m Message[pingData]) error { got <- m.Data.N; return nil }),
		On(throw, "tester-throw", func(context.Context, Message[pingData]) error { return nil }),
	)
	good := event(t, pinged, 2)
	noEvent := good
	noEvent.ID, noEvent.Header = "a", map[string][]string{"X-Kept": {"one", "two"}}
	wrongData := event(t, pinged, 3)
	wrongData.Body = []byte(`{"n":"three"}`)
	future := event(t, events.Define[pingData]("tester.ball.pinged", 9), 4)
	unknown := event(t, events.DefineCommand[pingData]("tester.juggle", 1), 5)
	h.publish(noEvent, wrongData, future, unknown, good)
	require.Equal(t, 2, await(t, got, "the good one"))
	all := h.letters(4)
	by := map[string]DeadLetter{}
	for _, l := range all {
		by[l.Subject+l.Reason] = l
		require.Equal(t, 1, l.Deliveries)
	}
	require.Len(t, by, 4)
	var reasons []string
	for _, l := range all {
		reasons = append(reasons, l.Consumer+": "+l.Reason)
		if l.Event == nil {
			require.Equal(t, []string{"one", "two"}, l.Header["X-Kept"])
		}
	}
	text := strings.Join(reasons, "\n")
	for _, part := range []string{"specversion", "cannot unmarshal string", "only major version 1 is known", "tester-commands: nobody handles cmd.tester.juggle"} {
		require.Contains(t, text, part)
	}
}

func TestDeadLetter_PublishedInABatch_ParkedWithoutTheServersHeaders(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.run(On(pinged, "tester-batch", func(context.Context, Message[pingData]) error { return Permanent(errors.New("no")) }))
	o := newOutbox()
	for n := range 20 {
		o.add("one", event(t, pinged, n))
	}
	h.relay(o)
	for _, l := range h.letters(20) {
		for k := range l.Header {
			require.False(t, strings.HasPrefix(k, "Nats-"), k)
		}
	}
}

func TestRedrive_OneOfTwoConsumers_ReachesThatOneAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	broken := make(chan bool, 1)
	broken <- true
	healed, other, command := make(chan Message[pingData], 10), make(chan int, 10), make(chan int, 10)
	h.run(
		On(pinged, "tester-heals", func(_ context.Context, m Message[pingData]) error {
			select {
			case <-broken:
				return Permanent(errors.New("not today"))
			default:
				healed <- m
				return nil
			}
		}),
		On(pinged, "tester-other", func(_ context.Context, m Message[pingData]) error { other <- m.Data.N; return nil }),
		On(throw, "tester-throw", func(_ context.Context, m Message[pingData]) error {
			if m.Delivery == 1 && m.Subject == "cmd.tester.throw" && m.Sequence == 1 && len(command) == 0 {
				command <- m.Data.N
				return Permanent(errors.New("dropped it"))
			}
			command <- m.Data.N
			return nil
		}),
	)
	m := event(t, pinged, 1)
	h.publish(m)
	l := h.letters(1)[0]
	require.Equal(t, 1, await(t, other, "the other consumer"))

	require.ErrorIs(t, h.bus.Redrive(t.Context(), "tester-other", l.Seq), ErrNoDeadLetter, "it is not a letter of that consumer")
	require.NoError(t, h.bus.Redrive(t.Context(), "tester-heals", l.Seq))
	got := await(t, healed, "the redriven event")
	require.Equal(t, m.ID, got.Event.ID())
	require.Equal(t, m.ID, got.Cause.ID, "its inbox mark is that of the first delivery")
	require.Equal(t, "tester-heals", got.Cause.Consumer)
	require.Equal(t, m.Subject, got.Subject)
	require.ErrorIs(t, h.bus.Redrive(t.Context(), "tester-heals", l.Seq), ErrNoDeadLetter, "it is off the list")
	require.Empty(t, drained(other))

	h.publish(event(t, throw, 4))
	l = h.letters(1)[0]
	require.Equal(t, "tester-throw", l.Consumer)
	require.NoError(t, h.bus.Redrive(t.Context(), l.Consumer, l.Seq))
	require.Equal(t, []int{4, 4}, []int{await(t, command, "the command"), await(t, command, "it again")})
	h.letters(0)
}

func TestRedrive_CommandThatNobodyHandled_ReachesWhoHandlesItNow(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	nop := func(context.Context, Message[pingData]) error { return nil }
	stop := h.run(On(throw, "tester-throw", nop))
	h.publish(event(t, catch, 7))
	l := h.letters(1)[0]
	require.Equal(t, "tester-commands", l.Consumer)
	require.Equal(t, 1, l.Deliveries)
	stop()

	caught, tries := make(chan Message[pingData], 10), make(chan int, 10)
	h.run(On(throw, "tester-throw", nop), On(catch, "tester-catch", func(_ context.Context, m Message[pingData]) error {
		tries <- m.Delivery
		if m.Delivery == 1 {
			return errors.New("once more, please")
		}
		caught <- m
		return nil
	}, Backoff(fast)))
	require.NoError(t, h.bus.Redrive(t.Context(), l.Consumer, l.Seq))
	got := await(t, caught, "the command")
	require.Equal(t, 7, got.Data.N)
	require.Equal(t, "tester-catch", got.Cause.Consumer)
	require.Equal(t, []int{1, 2}, drained(tries), "a redriven one is tried again, too")
	h.letters(0)
}

func TestConsume_CommandWithItsOwnBackoff_IsTriedAgainByThat(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	asked, done := make(chan int, 10), make(chan struct{}, 1)
	h.run(On(throw, "tester-throw", func(_ context.Context, m Message[pingData]) error {
		if m.Delivery < 3 {
			return errors.New("not yet")
		}
		done <- struct{}{}
		return nil
	}, Backoff(func(delivery int) time.Duration { asked <- delivery; return time.Millisecond })))
	h.publish(event(t, throw, 1))
	await(t, done, "the third try")
	require.Equal(t, []int{1, 2}, drained(asked))
}

func TestDeadLetters_MoreThanAPage_PagedInOrder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.run(On(pinged, "tester-none", func(context.Context, Message[pingData]) error { return Permanent(errors.New("no")) }, Concurrency(1)))
	for n := range 5 {
		h.publish(event(t, pinged, n))
	}
	h.letters(5)
	var seqs []uint64
	after, pages := uint64(0), 0
	for {
		items, next, err := h.bus.DeadLetters(t.Context(), "tester-none", after, 2)
		require.NoError(t, err)
		for _, l := range items {
			seqs = append(seqs, l.Seq)
		}
		pages++
		if after = next; next == 0 {
			break
		}
	}
	require.Equal(t, []uint64{1, 2, 3, 4, 5}, seqs)
	require.Equal(t, 3, pages)
	none, next, err := h.bus.DeadLetters(t.Context(), "nobody", 0, 2)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Zero(t, next)
}
