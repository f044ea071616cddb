package bus

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/store"
)

type pingData struct {
	N int `json:"n"`
}

var (
	pinged   = events.Define[pingData]("tester.ball.pinged", 1)
	whispers = events.DefineInternal[pingData]("tester.ball.whispered", 1)
	throw    = events.DefineCommand[pingData]("tester.throw", 1)
	catch    = events.DefineCommand[pingData]("tester.catch", 1)
)

const patience = 20 * time.Second

// harness is a server that can be restarted and a bus connected to it.
type harness struct {
	t      *testing.T
	config embedded.Config
	bus    *Bus

	mu     sync.Mutex
	server *embedded.Server
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, config: embedded.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Log: zerolog.Nop(),
		Users: []embedded.User{{Name: "test", Password: "test", Publish: []string{">"}, Subscribe: []string{">"}}},
	}}
	s, err := embedded.Start(t.Context(), h.config)
	require.NoError(t, err)
	h.server = s
	h.config.Listen = strings.TrimPrefix(s.ClientURL(), "nats://")
	t.Cleanup(func() { h.server.Close() })
	h.bus = h.connect()
	require.NoError(t, h.bus.EnsureStreams(t.Context(), StreamOptions{}))
	return h
}

func (h *harness) connect() *Bus {
	h.t.Helper()
	b, err := Connect(h.t.Context(), Config{URL: "nats://" + h.config.Listen, Name: "tester", User: "test", Password: "test", Log: zerolog.Nop()})
	require.NoError(h.t, err)
	h.t.Cleanup(b.Close)
	return b
}

func (h *harness) restart() {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.server.Close()
	s, err := embedded.Start(context.WithoutCancel(h.t.Context()), h.config)
	require.NoError(h.t, err)
	h.server = s
}

// run consumes until the test ends, or until the returned function is called.
func (h *harness) run(consumers ...Consumer) (stop func()) {
	h.t.Helper()
	require.NoError(h.t, h.bus.Prepare(h.t.Context(), "tester", consumers))
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.bus.Run(ctx, "tester", consumers) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(h.t, <-done)
		})
	}
	h.t.Cleanup(stop)
	return stop
}

// event makes the n-th event of a definition, as an outbox entry's message.
func event(t *testing.T, def events.Definition[pingData], n int) store.Message {
	t.Helper()
	d, err := def.Draft("shop", fmt.Sprintf("ball-%d", n%5), pingData{N: n})
	require.NoError(t, err)
	return entryOf(t, d, n)
}

func entryOf(t *testing.T, d events.Draft, n int) store.Message {
	t.Helper()
	e, err := events.Finish(d, events.Origin{Service: "tester", Kind: "ball", ID: fmt.Sprintf("%s-%d", t.Name(), n), Version: 1}, time.Now())
	require.NoError(t, err)
	header, body, err := events.EncodeNATS(e)
	require.NoError(t, err)
	return store.Message{ID: e.ID(), Subject: events.NATSSubject(d), Header: header, Body: body}
}

func (h *harness) publish(messages ...store.Message) {
	h.t.Helper()
	for _, m := range messages {
		require.NoError(h.t, h.bus.publishOne(h.t.Context(), m))
	}
}

func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited too long for "+what)
		panic("unreachable")
	}
}

// drained is what is in the channel now.
func drained[T any](ch <-chan T) []T {
	var all []T
	for {
		select {
		case v := <-ch:
			all = append(all, v)
		default:
			return all
		}
	}
}

func fast(int) time.Duration { return time.Millisecond }
