package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/libs/store"
)

const (
	// relayBatch entries are read at a time; an atomic batch is at most this.
	relayBatch = 100
	// relayFewest is from where an atomic batch is worth it: staging one costs
	// about as much as ten synced publishes (measured, see the README).
	relayFewest = 12
	// relayBytes bounds what one batch puts on the wire at once.
	relayBytes = 1 << 20
	// relaySweep finds entries whose signal was lost, or whose publish failed.
	relaySweep = 10 * time.Second
	// relayPause is the wait after a failure, growing to relayLongest.
	relayPause   = 100 * time.Millisecond
	relayLongest = 5 * time.Second
	// relayAck is how long the stream may take to say that it has a message.
	relayAck = 10 * time.Second
)

// Relay publishes what a service committed to its outbox until ctx ends. The
// order of one aggregate's entries is kept, an entry is marked after the
// stream has it, and one published twice (a crash before the mark) has the
// same Nats-Msg-Id, so that the stream keeps it once.
//
// One relay runs per outbox at a time.
func (b *Bus) Relay(ctx context.Context, outbox store.Outbox) error {
	status := b.nc.StatusChanged(nats.CONNECTED)
	defer b.nc.RemoveStatusListener(status)
	sweep := time.NewTicker(relaySweep)
	defer sweep.Stop()
	r := &relay{bus: b, outbox: outbox}
	pause := relayPause
	for {
		err := r.drainConnected(ctx, status)
		if ctx.Err() != nil {
			return nil
		}
		var again <-chan time.Time
		if err != nil {
			if errors.Is(err, store.ErrClosed) {
				return fmt.Errorf("relay: %w", err)
			}
			b.log.Warn().Err(err).Msg("events wait in the outbox, publishing them again soon")
			again = time.After(pause)
			pause = min(2*pause, relayLongest)
		} else {
			pause = relayPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-status: // connected again
		case <-sweep.C:
		case <-changed(outbox, err):
		}
	}
}

// changed is the outbox's signal, which does not cut a pause short.
func changed(outbox store.Outbox, err error) <-chan struct{} {
	if err != nil {
		return nil
	}
	return outbox.Changed()
}

type relay struct {
	bus    *Bus
	outbox store.Outbox
}

// drainConnected drains, and gives up at once on what was sent over a
// connection that is gone: its acknowledgement never comes.
func (r *relay) drainConnected(ctx context.Context, status <-chan nats.Status) error {
	ctx, interrupt := context.WithCancel(ctx)
	defer interrupt()
	go func() {
		select {
		case <-status:
			interrupt()
		case <-ctx.Done():
		}
	}()
	return r.drain(ctx)
}

// drain publishes until nothing is pending, or says what could not be.
func (r *relay) drain(ctx context.Context) error {
	if err := r.bus.Healthy(); err != nil {
		return err
	}
	skip := 0 // entries that cannot be published, at the head of the outbox
	for {
		entries, err := r.outbox.Pending(ctx, relayBatch+skip)
		if err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		if len(entries) == 0 {
			return nil
		}
		done, problem := r.publish(ctx, entries)
		if len(done) > 0 {
			// Marked also when ctx just ended: it spares a second publish.
			if err := r.outbox.MarkPublished(context.WithoutCancel(ctx), done); err != nil {
				return fmt.Errorf("mark %d entries of the outbox: %w", len(done), err)
			}
		}
		if problem != nil && len(done) == 0 {
			return problem
		}
		if problem != nil {
			skip = len(entries) - len(done)
		}
	}
}

// publish publishes entries in their order and returns the Seqs of those that
// a stream has. After a failure, later entries of the same aggregate wait.
func (r *relay) publish(ctx context.Context, entries []store.Entry) (done []int64, err error) {
	blocked := map[store.Key]bool{}
	for len(entries) > 0 {
		run := sameStream(entries)
		entries = entries[len(run):]
		var free []store.Entry
		for _, e := range run {
			if !blocked[e.Key] {
				free = append(free, e)
			}
		}
		if len(free) >= relayFewest && len(blocked) == 0 && r.bus.publishBatch(ctx, free) == nil {
			for _, e := range free {
				done = append(done, e.Seq)
			}
			continue
		}
		// One by one: a few are quicker so, a batch with one message that the stream
		// has already is refused whole (10201), and so is one with a message
		// that it does not take.
		for _, e := range free {
			if blocked[e.Key] {
				continue
			}
			if problem := r.bus.publishOne(ctx, e.Message); problem != nil {
				blocked[e.Key] = true
				err = errors.Join(err, fmt.Errorf("entry %d of %s: %w", e.Seq, e.Key, problem))
				if !ofMessage(problem) {
					return done, err // of the server: the others would fail alike
				}
				continue
			}
			done = append(done, e.Seq)
		}
	}
	return done, err
}

// ofMessage is whether a failure lies in the message: others may succeed.
func ofMessage(err error) bool {
	var refused *natsjs.APIError
	return errors.As(err, &refused) || errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject)
}

// sameStream is the longest beginning of entries that one stream takes and one
// batch holds.
func sameStream(entries []store.Entry) []store.Entry {
	stream, size := streamOf(entries[0].Message.Subject), 0
	for i, e := range entries {
		size += len(e.Message.Body)
		if i > 0 && (streamOf(e.Message.Subject) != stream || size > relayBytes || i == relayBatch) {
			return entries[:i]
		}
	}
	return entries
}
