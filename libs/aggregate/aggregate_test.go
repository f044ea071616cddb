package aggregate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

type ship struct {
	Name  string            `json:"name"`
	Crew  int               `json:"crew"`
	Cargo map[string]string `json:"cargo,omitempty"`
}

// dock is a store, a repository and a clock that stands still.
type dock struct {
	*testing.T
	store store.Store
	ships *aggregate.Repository[ship]
	now   time.Time
}

func newDock(t *testing.T) *dock {
	t.Helper()
	s, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "s.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	d := &dock{T: t, store: s, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	d.ships = repository(s, func() time.Time { return d.now })
	return d
}

func repository(s store.Store, clock func() time.Time) *aggregate.Repository[ship] {
	return aggregate.New(s, aggregate.Options[ship]{
		Service: "harbour", Kind: "ship", Clock: clock,
		Indexes: func(x *ship) store.Indexes { return store.Indexes{"name": {x.Name}} },
	})
}

func sailed(name string) events.Draft {
	return events.Draft{
		Type: "dev.slipway.harbour.ship.sailed.v1", Route: events.Public,
		Project: "shop", Subject: name, Data: json.RawMessage(`{"name":"` + name + `"}`),
	}
}

// hire adds one to the crew and says so.
func hire(s *ship, _ bool) (aggregate.Decision, error) {
	s.Name = "ada"
	s.Crew++
	return aggregate.Decision{Events: []events.Draft{sailed("ada")}}, nil
}

func (d *dock) update(id string, cause events.Cause, decide func(*ship, bool) (aggregate.Decision, error)) aggregate.Versioned[ship] {
	d.Helper()
	v, err := d.ships.Update(context.Background(), id, cause, decide)
	require.NoError(d, err)
	return v
}

func (d *dock) pending() []store.Entry {
	d.Helper()
	entries, err := d.store.Outbox().Pending(context.Background(), 1000)
	require.NoError(d, err)
	return entries
}

func decoded(t *testing.T, e store.Entry) events.Event {
	t.Helper()
	event, err := events.DecodeNATS(e.Message.Header, e.Message.Body)
	require.NoError(t, err)
	return event
}

func TestUpdate_NewAggregate_StateIndexesAndEventsAreCommitted(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	cause := events.Cause{ID: "e-1", Consumer: "harbour-hire", CorrelationID: "c-1", Actor: "user:default/ada"}
	v := d.update("1", cause, func(s *ship, exists bool) (aggregate.Decision, error) {
		require.False(t, exists)
		require.Zero(t, *s)
		*s = ship{Name: "ada", Crew: 1}
		return aggregate.Decision{Events: []events.Draft{sailed("ada"), sailed("bob")}, WakeAt: d.now.Add(time.Hour)}, nil
	})
	require.EqualValues(t, 1, v.Version)
	require.Equal(t, ship{Name: "ada", Crew: 1}, v.State)

	stored, err := d.ships.Get(context.Background(), "1")
	require.NoError(t, err)
	require.Equal(t, v.State, stored.State)
	require.Equal(t, d.now.Add(time.Hour), stored.WakeAt)
	items, next, err := d.ships.List(context.Background(), aggregate.Filter{Where: []store.Term{{Index: "name", Value: "ada"}}})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, items, 1)

	entries := d.pending()
	require.Len(t, entries, 2)
	first, second := decoded(t, entries[0]), decoded(t, entries[1])
	require.Equal(t, "evt.shop.dev.slipway.harbour.ship.sailed.v1", entries[0].Message.Subject)
	require.Equal(t, "/slipway/harbour", first.Source())
	require.Equal(t, "c-1", first.Extensions()["correlationid"])
	require.Equal(t, "e-1", first.Extensions()["causationid"])
	require.Equal(t, "user:default/ada", first.Extensions()["actor"])
	require.NotEqual(t, first.ID(), second.ID())
	require.Equal(t, first.Source()+"#"+first.ID(), entries[0].Message.ID)
	require.JSONEq(t, `{"name":"ada"}`, string(first.Data()))
}

func TestUpdate_SameMessageAgain_DecideIsNotCalled(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	cause := events.Cause{ID: "e-1", Consumer: "harbour-hire"}
	d.update("1", cause, hire)
	v := d.update("1", cause, func(*ship, bool) (aggregate.Decision, error) {
		t.Error("decided twice about one message")
		return aggregate.Decision{}, nil
	})
	require.EqualValues(t, 1, v.Version)
	require.Equal(t, 1, v.State.Crew)
	require.Len(t, d.pending(), 1)

	other := events.Cause{ID: "e-1", Consumer: "harbour-count"}
	require.EqualValues(t, 2, d.update("1", other, hire).Version, "another consumer handles it too")
	require.EqualValues(t, 1, d.update("2", cause, hire).Version, "and another aggregate")
	require.EqualValues(t, 2, d.update("2", events.Cause{ID: "e-1"}, hire).Version, "a request has no mark")
	require.EqualValues(t, 3, d.update("2", events.Cause{ID: "e-1"}, hire).Version)
}

func TestUpdate_SameMessageAtOnce_HasItsEffectOnce(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := d.ships.Update(context.Background(), "1", events.Cause{ID: "e", Consumer: "c"}, hire)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	v, err := d.ships.Get(context.Background(), "1")
	require.NoError(t, err)
	require.Equal(t, 1, v.State.Crew)
	require.Len(t, d.pending(), 1)
}

func TestUpdate_ManyAtOnce_EachIsDecidedOnTheLatestState(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			_, err := d.ships.Update(context.Background(), "1", events.Cause{ID: fmt.Sprint(i), Consumer: "c"}, hire)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	v, err := d.ships.Get(context.Background(), "1")
	require.NoError(t, err)
	require.Equal(t, 20, v.State.Crew)
	require.EqualValues(t, 20, v.Version)
	ids := map[string]bool{}
	for _, e := range d.pending() {
		ids[e.Message.ID] = true
	}
	require.Len(t, ids, 20, "one event of each, all different")
}

func TestUpdate_DecideFails_NothingIsCommittedAndTheErrorIsItsOwn(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	broken := errors.New("no wind")
	_, err := d.ships.Update(context.Background(), "1", events.Cause{ID: "e", Consumer: "c"}, func(s *ship, _ bool) (aggregate.Decision, error) {
		s.Crew = 9
		return aggregate.Decision{Events: []events.Draft{sailed("ada")}}, broken
	})
	require.Equal(t, broken, err)
	_, err = d.ships.Get(context.Background(), "1")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Empty(t, d.pending())
	require.EqualValues(t, 1, d.update("1", events.Cause{ID: "e", Consumer: "c"}, hire).Version, "it may be tried again")
}

func TestUpdate_MalformedEvent_NothingIsCommitted(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	_, err := d.ships.Update(context.Background(), "1", events.Cause{}, func(*ship, bool) (aggregate.Decision, error) {
		return aggregate.Decision{Events: []events.Draft{{Type: "a b", Route: events.Public, Project: "shop"}}}, nil
	})
	require.Error(t, err)
	_, err = d.ships.Get(context.Background(), "1")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestUpdate_Skip_LeavesNothingBehindNotEvenInTheAnswer(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.update("1", events.Cause{}, func(s *ship, _ bool) (aggregate.Decision, error) {
		s.Cargo = map[string]string{"tea": "1"}
		return aggregate.Decision{}, nil
	})
	cause := events.Cause{ID: "e", Consumer: "c"}
	v := d.update("1", cause, func(s *ship, exists bool) (aggregate.Decision, error) {
		require.True(t, exists)
		s.Cargo["tea"] = "2"
		return aggregate.Decision{Skip: true, Events: []events.Draft{sailed("ada")}}, nil
	})
	require.EqualValues(t, 1, v.Version)
	require.Equal(t, "1", v.State.Cargo["tea"])
	require.Empty(t, d.pending())
	require.EqualValues(t, 2, d.update("1", cause, hire).Version, "no mark")
}

func TestUpdate_DeletedAndMadeAgain_EventIdsDoNotRepeat(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.update("1", events.Cause{}, hire)
	v := d.update("1", events.Cause{}, func(*ship, bool) (aggregate.Decision, error) {
		return aggregate.Decision{Delete: true, Events: []events.Draft{sailed("ada")}}, nil
	})
	require.EqualValues(t, 2, v.Version)
	_, err := d.ships.Get(context.Background(), "1")
	require.ErrorIs(t, err, store.ErrNotFound)
	v = d.update("1", events.Cause{}, func(s *ship, exists bool) (aggregate.Decision, error) {
		require.False(t, exists)
		require.Zero(t, *s)
		return hire(s, exists)
	})
	require.EqualValues(t, 3, v.Version)
	ids := map[string]bool{}
	for _, e := range d.pending() {
		ids[e.Message.ID] = true
		require.EqualValues(t, fmt.Sprintf("%010d", e.Version), decoded(t, e).Extensions()["sequence"])
	}
	require.Len(t, ids, 3)
}

func TestUpdateAt_AnotherVersion_Conflict(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	ctx := context.Background()
	var conflict *store.ConflictError

	_, err := d.ships.UpdateAt(ctx, "1", 3, events.Cause{}, hire)
	require.ErrorAs(t, err, &conflict, "it is not there")
	v, err := d.ships.UpdateAt(ctx, "1", 0, events.Cause{}, hire)
	require.NoError(t, err)
	_, err = d.ships.UpdateAt(ctx, "1", 0, events.Cause{}, hire)
	require.ErrorAs(t, err, &conflict, "it is there")
	v, err = d.ships.UpdateAt(ctx, "1", v.Version, events.Cause{}, hire)
	require.NoError(t, err)
	_, err = d.ships.UpdateAt(ctx, "1", 1, events.Cause{}, func(*ship, bool) (aggregate.Decision, error) {
		t.Error("decided about an old version")
		return aggregate.Decision{}, nil
	})
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, store.ConflictError{Key: store.Key{Kind: "ship", ID: "1"}, Expected: 1, Actual: 2}, *conflict)

	_, err = d.ships.UpdateAt(ctx, "1", v.Version, events.Cause{}, func(s *ship, e bool) (aggregate.Decision, error) {
		d.update("1", events.Cause{}, hire) // somebody else, in the middle of it
		return hire(s, e)
	})
	require.ErrorAs(t, err, &conflict)
}

func TestGet_StateOfAnotherForm_SaysWhich(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	_, err := d.store.Commit(context.Background(), store.Commit{Key: store.Key{Kind: "ship", ID: "1"}, State: []byte(`[1]`)})
	require.NoError(t, err)
	_, err = d.ships.Get(context.Background(), "1")
	require.ErrorContains(t, err, "ship/1")
}
