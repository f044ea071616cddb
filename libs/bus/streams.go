package bus

import (
	"context"
	"fmt"
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
		if _, err := b.js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("make stream %s: %w", c.Name, err)
		}
	}
	return nil
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
