package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
)

func TestConsume_PublicInternalAndCommand_EachReachesItsHandlerWithCause(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := make(chan Message[pingData], 10)
	collect := func(_ context.Context, m Message[pingData]) error { got <- m; return nil }
	h.run(
		On(pinged, "tester-on-ping", collect),
		On(whispers, "tester-on-whisper", collect),
		On(throw, "tester-throw", collect),
		On(catch, "tester-catch", collect),
	)
	for i, def := range []events.Definition[pingData]{pinged, whispers, throw, catch} {
		h.publish(event(t, def, i))
		m := await(t, got, def.Type())
		require.Equal(t, def.Type(), m.Event.Type())
		require.Equal(t, i, m.Data.N)
		require.Equal(t, m.Event.ID(), m.Cause.ID)
		require.NotEmpty(t, m.Cause.CorrelationID)
		require.Equal(t, 1, m.Delivery)
		want := []string{"tester-on-ping", "tester-on-whisper", "tester-throw", "tester-catch"}[i]
		require.Equal(t, want, m.Cause.Consumer)
	}
}

func TestConsume_ExternalStatement_ReachesOnlyWhoAcceptsIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ours, outside, both := make(chan int, 10), make(chan int, 10), make(chan int, 10)
	to := func(ch chan int) func(context.Context, Message[pingData]) error {
		return func(_ context.Context, m Message[pingData]) error { ch <- m.Data.N; return nil }
	}
	h.run(
		On(pinged, "tester-ours", to(ours)),
		On(pinged, "tester-outside", to(outside), FromOutside()),
		On(pinged, "tester-both", to(both), FromAnywhere(), Concurrency(1)),
	)
	d, err := pinged.Draft("shop", "ball", pingData{N: 1})
	require.NoError(t, err)
	h.publish(entryOf(t, d.External(), 1), event(t, pinged, 2))
	require.Equal(t, 2, await(t, ours, "our own fact"))
	require.Equal(t, 1, await(t, outside, "the statement"))
	require.Equal(t, []int{1, 2}, []int{await(t, both, "one"), await(t, both, "two")})
	require.Empty(t, drained(ours))
	require.Empty(t, drained(outside))
}

func TestConsume_NewDurable_SeesThePastOnlyWithHistory(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.publish(event(t, pinged, 1))
	reactor, projection := make(chan int, 10), make(chan int, 10)
	h.run(
		On(pinged, "tester-reactor", func(_ context.Context, m Message[pingData]) error { reactor <- m.Data.N; return nil }, Concurrency(1)),
		OnAll("tester-projection", []string{"evt.>", "ext.>"}, func(_ context.Context, m Message[events.Event]) error {
			d, err := pinged.Decode(m.Event)
			projection <- d.N
			return err
		}, WithHistory()),
	)
	h.publish(event(t, pinged, 2))
	require.Equal(t, 2, await(t, reactor, "what is new"))
	require.Equal(t, []int{1, 2}, []int{await(t, projection, "the past"), await(t, projection, "what is new")})
}

func TestConsume_HandlerFails_TriedAgainUntilItSucceeds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	deliveries := make(chan int, 10)
	h.run(On(pinged, "tester-flaky", func(_ context.Context, m Message[pingData]) error {
		deliveries <- m.Delivery
		if m.Delivery < 3 {
			return errors.New("not yet")
		}
		return nil
	}, Backoff(fast)))
	h.publish(event(t, pinged, 1))
	for want := 1; want <= 3; want++ {
		require.Equal(t, want, await(t, deliveries, "the next try"))
	}
	letters, _, err := h.bus.DeadLetters(t.Context(), "", 0, 0)
	require.NoError(t, err)
	require.Empty(t, letters)
}

func TestConsume_HandlerOutlivesAckWait_IsNotCalledTwice(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	calls, release := make(chan int, 10), make(chan struct{})
	const wait = 300 * time.Millisecond
	h.run(On(pinged, "tester-slow", func(_ context.Context, m Message[pingData]) error {
		calls <- m.Delivery
		<-release
		return nil
	}, AckWait(wait), Concurrency(2)))
	h.publish(event(t, pinged, 1))
	require.Equal(t, 1, await(t, calls, "the call"))
	select {
	case <-calls:
		require.Fail(t, "delivered again while it was at work")
	case <-time.After(4 * wait):
	}
	close(release)
	// One after it on the same lane shows that the first was acked.
	h.publish(event(t, pinged, 6))
	require.Equal(t, 1, await(t, calls, "the next message"))
}

func TestConsume_SameSubject_HandledOneAfterAnother(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := make(chan int, 100)
	h.run(On(pinged, "tester-ordered", func(_ context.Context, m Message[pingData]) error {
		if m.Event.Subject() == "ball-0" {
			got <- m.Data.N
		}
		return nil
	}))
	for n := range 50 {
		h.publish(event(t, pinged, n))
	}
	for n := 0; n < 50; n += 5 {
		require.Equal(t, n, await(t, got, "the next one"))
	}
}

func TestConsume_RunEnds_HandlerAtWorkFinishesAndIsAcked(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	entered, release := make(chan struct{}, 1), make(chan struct{})
	finished := make(chan error, 1)
	c := On(pinged, "tester-drain", func(ctx context.Context, m Message[pingData]) error {
		entered <- struct{}{}
		<-release
		finished <- ctx.Err()
		return nil
	})
	stop := h.run(c)
	h.publish(event(t, pinged, 1))
	await(t, entered, "the handler")
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	select {
	case <-ended:
		require.Fail(t, "did not wait for the handler")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	await(t, ended, "the end of Run")
	require.NoError(t, await(t, finished, "the handler"), "its context must live while it is drained")

	again := make(chan int, 1)
	h.run(On(pinged, "tester-drain", func(_ context.Context, m Message[pingData]) error { again <- m.Data.N; return nil }))
	h.publish(event(t, pinged, 2))
	require.Equal(t, 2, await(t, again, "only the next one, the first was acked"))
}

func TestRun_BadConsumers_AllNamedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	nop := func(context.Context, Message[pingData]) error { return nil }
	err := h.bus.Run(t.Context(), "tester", []Consumer{
		On(pinged, "with.dot", nop),
		On(pinged, "twice", nop),
		On(whispers, "twice", nop),
		On(throw, "a-throw", nop),
		On(throw, "b-throw", nop),
		On(events.DefineCommand[pingData]("other.throw", 1), "not-mine", nop),
		{Durable: "by-hand"},
		OnAll("mixed", []string{"evt.>", "int.>"}, func(context.Context, Message[events.Event]) error { return nil }),
	})
	require.Error(t, err)
	for _, part := range []string{"with.dot", "twice", "a-throw and b-throw", "not-mine", "by-hand", "mixed"} {
		require.ErrorContains(t, err, part)
	}
}

func TestPrepare_ConsumerChangedSinceLastStart_ListensToTheNewAndKeepsItsPlace(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	collect := func(ch chan string) func(context.Context, Message[events.Event]) error {
		return func(_ context.Context, m Message[events.Event]) error { ch <- m.Event.Type(); return nil }
	}
	first := make(chan string, 10)
	stop := h.run(OnAll("tester-all", []string{"evt.*." + pinged.Type()}, collect(first)))
	h.publish(event(t, pinged, 1))
	await(t, first, "the first")
	stop()
	h.publish(event(t, pinged, 2))
	second := make(chan string, 10)
	h.run(OnAll("tester-all", []string{"evt.>", "ext.>"}, collect(second), WithHistory()))
	d, err := events.Define[pingData]("tester.other.happened", 1).Draft("shop", "x", pingData{})
	require.NoError(t, err)
	h.publish(entryOf(t, d, 3))
	require.ElementsMatch(t, []string{pinged.Type(), d.Type}, []string{await(t, second, "what came meanwhile"), await(t, second, "the new type")})
	require.Empty(t, drained(second))
}

func TestConsume_ServerRestarts_NothingIsLost(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	got := make(chan int, 1000)
	h.run(On(pinged, "tester-reconnect", func(_ context.Context, m Message[pingData]) error { got <- m.Data.N; return nil }, AckWait(time.Second)))
	seen := map[int]bool{}
	for round := range 3 {
		h.publish(event(t, pinged, round))
		h.restart()
		for !seen[round] {
			seen[await(t, got, "the event of before the restart")] = true
		}
		require.Eventually(t, func() bool { return h.bus.nc.Status() == nats.CONNECTED }, patience, 10*time.Millisecond)
	}
}

func TestPrepareAndStreams_SecondStart_WritesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	c := On(pinged, "tester-twice", func(context.Context, Message[pingData]) error { return nil })
	two := OnAll("tester-two", []string{"evt.>", "ext.>"}, func(context.Context, Message[events.Event]) error { return nil })
	require.NoError(t, h.bus.Prepare(t.Context(), "tester", []Consumer{c, two}))
	asked, err := h.bus.nc.SubscribeSync("$JS.API.>")
	require.NoError(t, err)
	require.NoError(t, h.bus.EnsureStreams(t.Context(), StreamOptions{}))
	require.NoError(t, h.bus.Prepare(t.Context(), "tester", []Consumer{c, two}))
	require.NoError(t, h.bus.nc.Publish("$JS.API.END", nil))
	for {
		m, err := asked.NextMsg(patience)
		require.NoError(t, err)
		if m.Subject == "$JS.API.END" {
			return
		}
		require.NotRegexp(t, "CREATE|UPDATE", m.Subject)
	}
}
