package delivery

import (
	"context"
	"sync"

	"github.com/slipway-idp/slipway/libs/aggregate"
)

// Desks deliver: one desk per channel, so that a slow or dead channel holds up
// itself and nobody else.
type Desks struct {
	office *Office

	mu    sync.Mutex
	desks map[string]*desk
	work  sync.WaitGroup
}

// desk is what waits for one channel. It is there while something waits.
type desk struct {
	queue  []string
	queued map[string]bool
}

// NewDesks opens desks of an office.
func NewDesks(o *Office) *Desks { return &Desks{office: o, desks: map[string]*desk{}} }

// Run delivers what is due until ctx ends, then waits for the attempts under
// way.
func (d *Desks) Run(ctx context.Context) error {
	defer d.work.Wait()
	return d.office.Deliveries.Sweep(ctx, func(ctx context.Context, v aggregate.Versioned[Delivery]) error {
		d.put(ctx, v)
		return nil
	})
}

// put queues a delivery at its channel's desk. One that waits there already,
// because its lease ended meanwhile, is not queued twice.
func (d *Desks) put(ctx context.Context, v aggregate.Versioned[Delivery]) {
	name := v.State.Project + "/" + v.State.Channel
	d.mu.Lock()
	defer d.mu.Unlock()
	at, open := d.desks[name]
	if !open {
		at = &desk{queued: map[string]bool{}}
		d.desks[name] = at
	}
	if at.queued[v.ID] {
		return
	}
	at.queued[v.ID] = true
	at.queue = append(at.queue, v.ID)
	if !open {
		d.work.Go(func() { d.serve(ctx, name, at) })
	}
}

// serve works a desk off and closes it.
func (d *Desks) serve(ctx context.Context, name string, at *desk) {
	for {
		d.mu.Lock()
		if len(at.queue) == 0 || ctx.Err() != nil {
			delete(d.desks, name)
			d.mu.Unlock()
			return
		}
		id := at.queue[0]
		at.queue = at.queue[1:]
		// From here on it may be queued again: after a short backoff it is due
		// before this attempt's last line has run.
		delete(at.queued, id)
		d.mu.Unlock()

		for next := id; next != "" && ctx.Err() == nil; {
			var err error
			if next, err = d.office.Deliver(ctx, next); err != nil && ctx.Err() == nil {
				d.office.Log.Error().Err(err).Str("delivery", id).Str("channel", name).Msg("delivery failed on our side; it is tried again")
				break
			}
		}
	}
}
