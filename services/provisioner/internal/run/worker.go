package run

import (
	"context"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
)

// Run carries runs out until ctx ends. It first takes up every one that an
// earlier process left unfinished.
func (r *Runs) Run(ctx context.Context) error {
	r.mu.Lock()
	r.ctx = ctx
	queued := r.queued
	r.queued = nil
	r.mu.Unlock()
	for cursor := ""; ; {
		page, next, err := r.list(ctx, []store.Term{{Index: "open", Value: "true"}}, store.MaxLimit, cursor)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, run := range page {
			queued = append(queued, run.ID)
		}
		if cursor = next; next == "" {
			break
		}
	}
	for _, id := range queued {
		r.wake(id)
	}
	<-ctx.Done()
	r.work.Wait()
	return nil
}

// wake lets a run go on, if something can be done about it now.
func (r *Runs) wake(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ctx == nil:
		r.queued = append(r.queued, id)
		return
	case r.ctx.Err() != nil:
		return // the next process takes it up
	case r.busy[id]:
		r.again[id] = true
		return
	}
	r.busy[id] = true
	r.work.Add(1)
	go r.attend(r.ctx, id)
}

// retryPause is how long a worker rests after an error of our own: the store,
// the disk. The run itself is none the worse for it.
const retryPause = time.Second

// attend takes a run from step to step until it is over, or a person is asked.
func (r *Runs) attend(ctx context.Context, id string) {
	defer r.work.Done()
	if run, err := r.Get(ctx, id); err == nil {
		r.hideState(ctx, run)
	}
	stop := r.followLog(ctx, id)
	defer stop()
	for ctx.Err() == nil {
		run, err := r.Get(ctx, id)
		if err == nil {
			if run.Closed || run.Status == Waiting && run.Stop == nil {
				if r.rest(id) {
					return
				}
				continue
			}
			err = r.step(ctx, run)
		}
		if err != nil && ctx.Err() == nil {
			r.c.Log.Error().Err(err).Str("run", id).Msg("a run could not go on; trying again")
			_ = r.pause(ctx, id, retryPause)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, id)
}

// rest ends a worker, unless its run was woken while it looked.
func (r *Runs) rest(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.again[id] {
		delete(r.again, id)
		return false
	}
	delete(r.busy, id)
	return true
}

func (r *Runs) step(ctx context.Context, run Run) error {
	switch {
	case run.Status.Over():
		return r.close(ctx, run)
	case run.Stop != nil && run.Status != Applying:
		return r.halt(ctx, run)
	case run.Status == Queued:
		return r.begin(ctx, run)
	case run.Status == Planning && !run.Planned:
		return r.plan(ctx, run)
	case run.Status == Planning:
		return r.judge(ctx, run)
	}
	return r.apply(ctx, run)
}

// pause lets a time pass, or less if something happens to the run.
func (r *Runs) pause(ctx context.Context, id string, d time.Duration) error {
	rung, stop := r.bell.listen(id)
	defer stop()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-rung:
	case <-timer.C:
	}
	return nil
}

// Watch signals (coalesced) after every change of a run in this process and
// every new line of its log, until stop is called.
func (r *Runs) Watch(id string) (changed <-chan struct{}, stop func()) { return r.bell.listen(id) }

// bell tells who listens that something happened to a run.
type bell struct {
	mu sync.Mutex
	by map[string]map[chan struct{}]bool
}

func (b *bell) listen(id string) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by == nil {
		b.by = map[string]map[chan struct{}]bool{}
	}
	if b.by[id] == nil {
		b.by[id] = map[chan struct{}]bool{}
	}
	b.by[id][ch] = true
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.by[id], ch)
		if len(b.by[id]) == 0 {
			delete(b.by, id)
		}
	}
}

func (b *bell) ring(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.by[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
