package runner

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/store"
)

// Versioned is a saga with its version and times.
type Versioned = aggregate.Versioned[saga.Saga]

// Filter selects sagas. Indexes: status, definition, project, subject, open
// ("true"), and those a saga was started with.
type Filter = aggregate.Filter

// Reply is another service's answer to a remote step's command.
type Reply struct {
	SagaID    string
	StepID    string
	Attempt   int
	Direction saga.Direction
	Output    json.RawMessage
	Note      string
	// Failed is the reason where it failed; Final where trying again is no use.
	Failed string
	Final  bool
}

// Reply gives a remote step its answer. cause carries the consumer and the
// message, so that a redelivery has no second effect.
func (r *Runner) Reply(ctx context.Context, cause events.Cause, a Reply) error {
	var in saga.Input = saga.Finished{Step: a.StepID, Direction: a.Direction, Attempt: a.Attempt, Output: a.Output, Note: a.Note}
	if a.Failed != "" {
		in = saga.Failed{Step: a.StepID, Direction: a.Direction, Attempt: a.Attempt, Reason: a.Failed, Output: a.Output, Final: a.Final}
	}
	_, err := r.Apply(ctx, a.SagaID, cause, in)
	return err
}

// Nudge asks waiting steps of a saga again, now.
func (r *Runner) Nudge(ctx context.Context, id string) error {
	_, err := r.Apply(ctx, id, events.Cause{}, saga.Nudged{})
	return err
}

// Get returns a saga; store.ErrNotFound where there is none.
func (r *Runner) Get(ctx context.Context, id string) (Versioned, error) { return r.repo.Get(ctx, id) }

// List returns a page of sagas and the cursor of the next.
func (r *Runner) List(ctx context.Context, f Filter) ([]Versioned, string, error) {
	return r.repo.List(ctx, f)
}

// Retry tries a stuck step (or, with an empty step, all) again.
func (r *Runner) Retry(ctx context.Context, id, step, actor string) (saga.Saga, error) {
	return r.Apply(ctx, id, events.Cause{Actor: actor}, saga.RetryStep{Step: step, Actor: actor})
}

// Skip takes a stuck step as settled by a person.
func (r *Runner) Skip(ctx context.Context, id, step, actor string) (saga.Saga, error) {
	return r.Apply(ctx, id, events.Cause{Actor: actor}, saga.SkipStep{Step: step, Actor: actor})
}

// Adopt keeps what is there as the outcome of a stuck step.
func (r *Runner) Adopt(ctx context.Context, id, step, actor string, output json.RawMessage) (saga.Saga, error) {
	return r.Apply(ctx, id, events.Cause{Actor: actor}, saga.AdoptStep{Step: step, Actor: actor, Output: output})
}

// Abort turns a running or parked saga back.
func (r *Runner) Abort(ctx context.Context, id, reason string, cause events.Cause) (saga.Saga, error) {
	return r.Apply(ctx, id, cause, saga.Abort{Reason: reason})
}

// Watch signals (coalesced) after every change of a saga in this process,
// until stop is called. Look at the saga after calling Watch, then after each
// signal.
func (r *Runner) Watch(id string) (changed <-chan struct{}, stop func()) { return r.watch.add(id) }

// History is every saga that matches, newest first, without a page limit.
func (r *Runner) History(ctx context.Context, f Filter) ([]Versioned, error) {
	f.Order = store.OrderCreatedDesc
	var all []Versioned
	for {
		page, next, err := r.repo.List(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		f.Cursor = next
	}
}

// watchers are the channels to signal per saga.
type watchers struct {
	mu sync.Mutex
	by map[string]map[chan struct{}]bool
}

func (w *watchers) add(id string) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[string]map[chan struct{}]bool{}
	}
	if w.by[id] == nil {
		w.by[id] = map[chan struct{}]bool{}
	}
	w.by[id][ch] = true
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.by[id], ch)
		if len(w.by[id]) == 0 {
			delete(w.by, id)
		}
	}
}

func (w *watchers) changed(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.by[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// keyedLocks is a mutex per key that is forgotten when nobody holds it.
type keyedLocks struct {
	mu sync.Mutex
	by map[string]*keyedLock
}

type keyedLock struct {
	sync.Mutex
	holders int
}

func (k *keyedLocks) lock(key string) (unlock func()) {
	k.mu.Lock()
	if k.by == nil {
		k.by = map[string]*keyedLock{}
	}
	l := k.by[key]
	if l == nil {
		l = &keyedLock{}
		k.by[key] = l
	}
	l.holders++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.holders--; l.holders == 0 {
			delete(k.by, key)
		}
	}
}
