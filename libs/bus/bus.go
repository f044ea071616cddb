// Package bus carries CloudEvents between services over NATS JetStream: typed
// consumers, the relay of the outbox, dead letters, request and reply, and
// reading the stream. It is the only package that imports Watermill and
// nats.go.
package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// The streams of the platform. Their subjects are in Streams.
const (
	StreamEvents      = "EVENTS"      // evt.>, ext.>: public facts, replayable
	StreamInternal    = "INTERNAL"    // int.>: facts between our services
	StreamCommands    = "COMMANDS"    // cmd.>: work queue, one owner each
	StreamDeadLetters = "DEADLETTERS" // dlq.>, redrive.>
	StreamTelemetry   = "TELEMETRY"   // log.>: allowed to lose a tail
)

// InProcess is a NATS server in the same process, as embedded.Server is.
type InProcess = nats.InProcessConnProvider

// Config says which server to speak to and as whom.
type Config struct {
	URL       string    // nats://host:port, several separated by commas; not needed with InProcess
	InProcess InProcess // when set, connections stay in memory and URL is ignored
	Name      string    // connection name, as `nats server list` shows it; the service's name
	User      string
	Password  string
	CredsFile string
	// InboxPrefix is where replies arrive: "_INBOX" when empty. A user whose
	// permissions name a private prefix sets it here.
	InboxPrefix string
	Log         zerolog.Logger
	Clock       func() time.Time // time.Now when nil
}

// Bus is one connection to NATS and what is built on it. It is safe for
// concurrent use. It reconnects for ever; what is asked of it meanwhile waits
// until its context ends.
type Bus struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	log   zerolog.Logger
	clock func() time.Time
	name  string

	preparing atomic.Int64 // calls of Run whose durables are not there yet

	closed    chan struct{}
	closeOnce sync.Once
}

// Connect connects and waits for the first connection until ctx ends.
func Connect(ctx context.Context, c Config) (*Bus, error) {
	b := &Bus{log: c.Log, clock: c.Clock, name: c.Name, closed: make(chan struct{})}
	if b.clock == nil {
		b.clock = time.Now
	}
	if c.URL == "" && c.InProcess == nil {
		return nil, errors.New("bus: neither a NATS URL nor an in-process server is given")
	}
	opts := []nats.Option{
		nats.Name(c.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn().Err(err).Msg("bus disconnected")
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info().Msg("bus reconnected") }),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			e := b.log.Warn().Err(err)
			if s != nil {
				e = e.Str("subject", s.Subject)
			}
			e.Msg("bus")
		}),
	}
	if c.InProcess != nil {
		opts = append(opts, nats.InProcessServer(c.InProcess))
	}
	if c.User != "" {
		opts = append(opts, nats.UserInfo(c.User, c.Password))
	}
	if c.CredsFile != "" {
		opts = append(opts, nats.UserCredentials(c.CredsFile))
	}
	if c.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	nc, err := connect(ctx, c.URL, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", where(c), err)
	}
	b.nc = nc
	b.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(maxPublishPending))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open JetStream at %s: %w", where(c), err)
	}
	return b, nil
}

// maxPublishPending bounds what the relay has under way on one connection.
const maxPublishPending = 1024

func where(c Config) string {
	if c.InProcess != nil {
		return "the embedded server"
	}
	return c.URL
}

// connect tries until ctx ends, since a server may be on its way up.
func connect(ctx context.Context, url string, opts []nats.Option) (*nats.Conn, error) {
	for {
		nc, err := nats.Connect(url, opts...)
		if err == nil || errors.Is(err, nats.ErrAuthorization) || !retryable(ctx) {
			return nc, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// retryable is whether ctx can end: without an end, one attempt is made.
func retryable(ctx context.Context) bool {
	_, bounded := ctx.Deadline()
	return bounded && ctx.Err() == nil
}

// Healthy returns nil while connected, and otherwise what is wrong.
func (b *Bus) Healthy() error {
	if b.nc.IsConnected() {
		return nil
	}
	if err := b.nc.LastError(); err != nil {
		return fmt.Errorf("bus is %s: %w", b.nc.Status(), err)
	}
	return fmt.Errorf("bus is %s", b.nc.Status())
}

// Ready returns nil when connected and every Run under way has its durables:
// from then on nothing that is published is missed.
func (b *Bus) Ready() error {
	if err := b.Healthy(); err != nil {
		return err
	}
	if b.preparing.Load() > 0 {
		return errors.New("consumers are being prepared")
	}
	return nil
}

// Close sends what is buffered and closes the connection. Run, Relay and
// Serve should have ended before: they are given a context for that.
func (b *Bus) Close() {
	b.closeOnce.Do(func() {
		close(b.closed)
		if b.nc.IsConnected() {
			_ = b.nc.FlushTimeout(time.Second)
		}
		b.nc.Close()
	})
}
