package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamOptions are what a deployment may choose about the streams. Zero
// values are the defaults.
type StreamOptions struct {
	Replicas     int           // 1
	EventsAge    time.Duration // how long EVENTS and INTERNAL keep a message; 30 days
	DedupeWindow time.Duration // how long a message id is remembered; 10 minutes
	TelemetryAge time.Duration // 3 days
	DeadAge      time.Duration // how long a dead letter is kept; 90 days
}

func (o StreamOptions) withDefaults() StreamOptions {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	set(&o.EventsAge, 30*24*time.Hour)
	set(&o.DedupeWindow, 10*time.Minute)
	set(&o.TelemetryAge, 3*24*time.Hour)
	set(&o.DeadAge, 90*24*time.Hour)
	return o
}

// EnsureStreams makes the streams, or brings existing ones to these settings.
// It is idempotent and safe to call from several services at once.
func (b *Bus) EnsureStreams(ctx context.Context, o StreamOptions) error {
	for _, c := range streams(o.withDefaults()) {
		if err := b.ensureStream(ctx, c); err != nil {
			return fmt.Errorf("make stream %s: %w", c.Name, err)
		}
	}
	return nil
}

// ensureStream leaves a stream alone that is as it should be: an update is a
// write, and a server is not at ease with one while consumers are made.
func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) error {
	s, err := b.js.Stream(ctx, want.Name)
	if err == nil && sameStreamConfig(s.CachedInfo().Config, want) {
		return nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	_, err = b.js.CreateOrUpdateStream(ctx, want)
	return err
}

// sameStreamConfig compares what streams sets.
func sameStreamConfig(have, want jetstream.StreamConfig) bool {
	if want.MaxMsgs == 0 {
		want.MaxMsgs = -1 // how a server says "no limit"
	}
	return slices.Equal(have.Subjects, want.Subjects) &&
		have.Storage == want.Storage && have.Replicas == want.Replicas && have.Retention == want.Retention &&
		have.MaxAge == want.MaxAge && have.Duplicates == want.Duplicates && have.Discard == want.Discard &&
		have.MaxMsgs == want.MaxMsgs && have.AllowDirect == want.AllowDirect && have.AllowAtomicPublish == want.AllowAtomicPublish
}

const telemetryMost = 500_000

func streams(o StreamOptions) []jetstream.StreamConfig {
	base := func(name string, age time.Duration, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name:        name,
			Subjects:    subjects,
			Storage:     jetstream.FileStorage,
			Replicas:    o.Replicas,
			MaxAge:      age,
			Duplicates:  o.DedupeWindow,
			Discard:     jetstream.DiscardOld,
			AllowDirect: true,
		}
	}
	ev := base(StreamEvents, o.EventsAge, "evt.>", "ext.>")
	in := base(StreamInternal, o.EventsAge, "int.>")
	cmd := base(StreamCommands, 0, "cmd.>")
	cmd.Retention = jetstream.WorkQueuePolicy
	dead := base(StreamDeadLetters, o.DeadAge, "dlq.>", "redrive.>")
	tel := base(StreamTelemetry, o.TelemetryAge, "log.>")
	tel.MaxMsgs = telemetryMost // not bytes: those are reserved, and a small disk may not have them
	tel.Duplicates = time.Minute
	for _, c := range []*jetstream.StreamConfig{&ev, &in, &cmd} {
		// The relay publishes batches: one fsync instead of one per message.
		c.AllowAtomicPublish = true
	}
	return []jetstream.StreamConfig{ev, in, cmd, dead, tel}
}
