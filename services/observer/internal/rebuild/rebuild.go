// Package rebuild makes the projection anew from the stream, beside the one
// that is read, and then puts the new one in its place.
//
//	idle ── asked ──► clearing ──► opening ──► copying ──► reading ──► idle, and
//	                                                       the other shelf is read
//
// Where it stands is one aggregate, so that a restart goes on. While it reads,
// what is new goes to both shelves; which shelves those are is asked from the
// store for each event, so that every replica agrees.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/observer/internal/timeline"
)

// Phases of a rebuild.
const (
	Idle     = "idle"
	Clearing = "clearing" // the shelf for the new one
	Opening  = "opening"  // timelines in the order of those that are read
	Copying  = "copying"  // what the stream no longer has, from the shelf that is read
	Reading  = "reading"  // the stream
)

// State is where the projection stands.
type State struct {
	Live  int    `json:"live"`  // index of timeline.Shelves that is read
	Phase string `json:"phase"` // Idle when empty

	ID       string    `json:"id,omitempty"`     // of the present or last rebuild
	Until    uint64    `json:"until,omitempty"`  // sequence up to which to read; what comes after goes to both shelves
	Epoch    string    `json:"epoch,omitempty"`  // of the stream that is read
	First    uint64    `json:"first,omitempty"`  // oldest sequence that it still has
	Done     uint64    `json:"done,omitempty"`   // read up to here
	Cursor   string    `json:"cursor,omitempty"` // copied up to here
	Started  time.Time `json:"startedAt,omitzero"`
	Finished time.Time `json:"finishedAt,omitzero"`
	By       string    `json:"by,omitempty"`
}

// Running says whether a rebuild is under way.
func (s State) Running() bool { return s.Phase != "" && s.Phase != Idle }

func (s State) building() int { return 1 - s.Live }

// Stored is an event with its place in the stream.
type Stored struct {
	Event    events.Event
	Subject  string
	Sequence uint64
}

// Stream is what a rebuild reads from.
type Stream interface {
	// Position tells the stream's epoch, the first sequence that it still has
	// and the last one.
	Position(ctx context.Context) (epoch string, first, last uint64, err error)
	// Page returns events after a sequence, in order, and after which one to
	// go on; 0 when there are no more.
	Page(ctx context.Context, after uint64, limit int) (page []Stored, next uint64, err error)
}

// Projection is both shelves and which of them is read.
type Projection struct {
	shelves [2]*timeline.Shelf
	state   *aggregate.Repository[State]
	stream  Stream
	clock   func() time.Time
}

const (
	stateID = "timelines"
	batch   = 500
	workers = 16 // so that the store can group their commits
	// lease is for how long a step is left to who began it. Should it take
	// longer, two replicas do it, and putting twice changes nothing.
	lease = 5 * time.Second
)

// New opens the projection in a store.
func New(s store.Store, service string, stream Stream, clock func() time.Time) *Projection {
	p := &Projection{
		state:  aggregate.New(s, aggregate.Options[State]{Service: service, Kind: "projection", Clock: clock, Lease: lease}),
		stream: stream,
		clock:  clock,
	}
	for i, name := range timeline.Shelves {
		p.shelves[i] = timeline.NewShelf(s, name, service, clock)
	}
	return p
}

// State returns where the projection stands.
func (p *Projection) State(ctx context.Context) (State, error) {
	v, err := p.state.Get(ctx, stateID)
	if errors.Is(err, store.ErrNotFound) {
		return State{Phase: Idle}, nil
	}
	if v.State.Phase == "" {
		v.State.Phase = Idle
	}
	return v.State, err
}

// Live returns the shelf to read from.
func (p *Projection) Live(ctx context.Context) (*timeline.Shelf, error) {
	s, err := p.State(ctx)
	if err != nil {
		return nil, err
	}
	return p.shelves[s.Live], nil
}

// Put adds an entry to what is read, and to what is being built.
func (p *Projection) Put(ctx context.Context, e timeline.Entry) error {
	s, err := p.State(ctx)
	if err != nil {
		return err
	}
	if err := p.shelves[s.Live].Put(ctx, e); err != nil {
		return err
	}
	if s.Phase == Copying || s.Phase == Reading {
		return p.shelves[s.building()].Put(ctx, e)
	}
	return nil
}

// Start asks for a rebuild. While one runs, that one is returned.
func (p *Projection) Start(ctx context.Context, id string, cause events.Cause) (State, error) {
	v, err := p.state.Update(ctx, stateID, cause, func(s *State, _ bool) (aggregate.Decision, error) {
		if s.Running() || s.ID == id {
			return aggregate.Decision{Skip: true}, nil
		}
		*s = State{Live: s.Live, Phase: Clearing, ID: id, Started: p.clock().UTC(), By: cause.Actor}
		return aggregate.Decision{WakeAt: p.clock()}, nil
	})
	return v.State, err
}

// Run carries rebuilds out until ctx ends.
func (p *Projection) Run(ctx context.Context) error {
	return p.state.Sweep(ctx, func(ctx context.Context, v aggregate.Versioned[State]) error {
		return p.step(ctx, v.State)
	})
}

// step does one bounded piece of work and commits how far it came.
func (p *Projection) step(ctx context.Context, s State) error {
	next := s
	var err error
	switch s.Phase {
	case Clearing:
		err = p.clear(ctx, &next)
	case Opening:
		err = p.open(ctx, &next)
	case Copying:
		err = p.copy(ctx, &next)
	case Reading:
		err = p.read(ctx, &next)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("rebuild %s, %s: %w", s.ID, s.Phase, err)
	}
	_, err = p.state.Update(ctx, stateID, events.Cause{}, func(have *State, _ bool) (aggregate.Decision, error) {
		if have.ID != s.ID || have.Phase != s.Phase || have.Done != s.Done || have.Cursor != s.Cursor {
			return aggregate.Decision{Skip: true}, nil // another replica was here
		}
		*have = next
		if !next.Running() {
			return aggregate.Decision{}, nil
		}
		return aggregate.Decision{WakeAt: p.clock()}, nil
	})
	return err
}

func (p *Projection) clear(ctx context.Context, s *State) error {
	empty, err := p.shelves[s.building()].Clear(ctx)
	if err == nil && empty {
		s.Phase = Opening
	}
	return err
}

func (p *Projection) open(ctx context.Context, s *State) error {
	ids, next, err := p.shelves[s.Live].Opened(ctx, s.Cursor)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := p.shelves[s.building()].Open(ctx, id); err != nil {
			return err
		}
	}
	if s.Cursor = next; next == "" {
		s.Phase = Copying
	}
	return nil
}

// copy takes over what the stream no longer has: it forgets by age, a
// timeline does not.
func (p *Projection) copy(ctx context.Context, s *State) error {
	if s.Epoch == "" {
		// Asked for only now that the phase is committed: whoever handles an
		// event without knowing of this rebuild took it before, so it is not
		// after Until.
		var err error
		s.Epoch, s.First, s.Until, err = p.stream.Position(ctx)
		return err
	}
	next, err := p.shelves[s.Live].Each(ctx, s.Cursor, func(entries []timeline.Entry) error {
		var lost []timeline.Entry
		for _, e := range entries {
			if e.Epoch != s.Epoch || e.Sequence < s.First {
				lost = append(lost, e)
			}
		}
		return p.fill(ctx, s, lost)
	})
	if err != nil {
		return err
	}
	if s.Cursor = next; next == "" {
		s.Phase = Reading
	}
	return nil
}

func (p *Projection) read(ctx context.Context, s *State) error {
	page, next, err := p.stream.Page(ctx, s.Done, batch)
	if err != nil {
		return err
	}
	var entries []timeline.Entry
	for _, m := range page {
		if e, ok := timeline.EntryOf(m.Event, m.Subject, timeline.Position{Epoch: s.Epoch, Sequence: m.Sequence}); ok {
			entries = append(entries, e)
		}
	}
	if err := p.fill(ctx, s, entries); err != nil {
		return err
	}
	if next == 0 || next >= s.Until {
		s.Done, s.Live, s.Phase, s.Cursor = s.Until, s.building(), Idle, ""
		s.Finished = p.clock().UTC()
		return nil
	}
	s.Done = next
	return nil
}

// fill puts entries on the shelf that is built, those of one timeline one
// after another.
func (p *Projection) fill(ctx context.Context, s *State, entries []timeline.Entry) error {
	var lanes [workers][]timeline.Entry
	opened := map[string]bool{}
	for _, e := range entries {
		if !opened[e.CorrelationID] {
			if err := p.shelves[s.building()].Open(ctx, e.CorrelationID); err != nil {
				return err
			}
			opened[e.CorrelationID] = true
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(e.CorrelationID))
		lane := h.Sum32() % workers
		lanes[lane] = append(lanes[lane], e)
	}
	var (
		wg   sync.WaitGroup
		errs [workers]error
	)
	for i, lane := range lanes {
		wg.Go(func() {
			for _, e := range lane {
				if errs[i] = p.shelves[s.building()].Put(ctx, e); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}
