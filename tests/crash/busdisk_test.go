//go:build mount

package crash

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
)

var filled = events.Define[struct {
	Padding string `json:"padding"`
}]("tester.disk.filled", 1)

// fixture is an embedded server on a small disk, with a consumer that runs.
type fixture struct {
	t    *testing.T
	disk string
	js   jetstream.JetStream
	got  chan string // ids of the events that were handled
	n    int
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, disk: smallDisk(t, 64), got: make(chan string, 10_000)}
	server, err := embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(f.disk, "bus"), SyncAlways: true, Log: zerolog.Nop()})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	user, password := server.Credentials()
	nc, err := nats.Connect("", nats.InProcessServer(server), nats.UserInfo(user, password))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	f.js, err = jetstream.New(nc)
	require.NoError(t, err)
	b, err := bus.Connect(t.Context(), bus.Config{InProcess: server, User: user, Password: password, Log: zerolog.Nop()})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	require.NoError(t, b.EnsureStreams(t.Context(), bus.StreamOptions{}))
	consumers := []bus.Consumer{bus.OnAll("tester-all", []string{"evt.>"}, func(_ context.Context, m bus.Message[events.Event]) error {
		f.got <- m.Event.ID()
		return nil
	})}
	require.NoError(t, b.Prepare(t.Context(), "tester", consumers))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, "tester", consumers) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return f
}

// publish stores one event of 64 KiB and returns its id.
func (f *fixture) publish() (string, error) {
	f.n++
	data := struct {
		Padding string `json:"padding"`
	}{strings.Repeat("x", 64<<10)}
	d, err := filled.Draft("shop", "disk", data)
	require.NoError(f.t, err)
	e, err := events.Finish(d, events.Origin{Service: "tester", Kind: "disk", ID: fmt.Sprint(f.n), Version: 1}, time.Now())
	require.NoError(f.t, err)
	header, body, err := events.EncodeNATS(e)
	require.NoError(f.t, err)
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Second)
	defer cancel()
	_, err = f.js.PublishMsg(ctx, &nats.Msg{Subject: events.NATSSubject(d), Header: header, Data: body}, jetstream.WithMsgID(e.ID()))
	return e.ID(), err
}

func TestBus_DiskFullWhilePublishing_GoesOnByItselfWithAllThatWasAcknowledged(t *testing.T) {
	f := newFixture(t)
	var acknowledged []string
	try := func() error {
		id, err := f.publish()
		if err == nil {
			acknowledged = append(acknowledged, id)
		}
		return err
	}
	for range 20 {
		require.NoError(t, try())
	}
	free := fill(t, f.disk)
	for try() == nil { // what was allocated before may still take some
	}
	free()
	deadline := time.Now().Add(30 * time.Second)
	for try() != nil {
		require.True(t, time.Now().Before(deadline), "JetStream does not come back")
	}
	require.NoError(t, try())

	missing := map[string]bool{}
	for _, id := range acknowledged {
		missing[id] = true
	}
	patience := time.After(30 * time.Second)
	for len(missing) > 0 {
		select {
		case id := <-f.got:
			delete(missing, id)
		case <-patience:
			require.FailNow(t, "lost, or not consumed any more", "%d of %d", len(missing), len(acknowledged))
		}
	}
}
