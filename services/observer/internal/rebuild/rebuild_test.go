package rebuild

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/store/sqlite"

	"github.com/slipway-idp/slipway/services/observer/internal/timeline"
)

// fakeStream holds events from sequence first on.
type fakeStream struct {
	first  uint64
	events []events.Event
	onPage func(after uint64) error
}

func (s *fakeStream) Position(context.Context) (string, uint64, uint64, error) {
	return "e1", s.first, s.first + uint64(len(s.events)) - 1, nil
}

func (s *fakeStream) Page(_ context.Context, after uint64, limit int) (page []Stored, next uint64, err error) {
	if s.onPage != nil {
		if err := s.onPage(after); err != nil {
			return nil, 0, err
		}
	}
	for i, e := range s.events {
		if seq := s.first + uint64(i); seq > after && len(page) < limit {
			page = append(page, Stored{Event: e, Subject: "evt.shop." + e.Type(), Sequence: seq})
			next = seq
		}
	}
	if next == s.first+uint64(len(s.events))-1 {
		next = 0
	}
	return page, next, nil
}

func fact(t *testing.T, n int) events.Event {
	t.Helper()
	d, err := deployer.DeploymentRequested.Draft("shop", "dev/orders", deployer.DeploymentRequestedData{Deployment: deployer.Deployment{Workload: fmt.Sprint("w", n)}})
	require.NoError(t, err)
	e, err := events.Finish(d, events.Origin{Service: "deployer", Kind: "d", ID: fmt.Sprint(n), Version: 1, Cause: events.Cause{CorrelationID: "story"}}, time.Unix(int64(n), 0))
	require.NoError(t, err)
	return e
}

func open(t *testing.T, s *fakeStream) *Projection {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "o.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return New(db, "observer", s, time.Now)
}

func put(t *testing.T, p *Projection, e events.Event, epoch string, sequence uint64) {
	t.Helper()
	entry, ok := timeline.EntryOf(e, "evt.shop."+e.Type(), timeline.Position{Epoch: epoch, Sequence: sequence})
	require.True(t, ok)
	require.NoError(t, p.Put(t.Context(), entry))
}

// finish does step after step.
func finish(t *testing.T, p *Projection) {
	t.Helper()
	for {
		s, err := p.State(t.Context())
		require.NoError(t, err)
		if !s.Running() {
			return
		}
		require.NoError(t, p.step(t.Context(), s))
	}
}

func told(t *testing.T, p *Projection) []timeline.Entry {
	t.Helper()
	shelf, err := p.Live(t.Context())
	require.NoError(t, err)
	entries, more, err := shelf.Entries(t.Context(), "story", 10_000)
	require.NoError(t, err)
	require.False(t, more)
	return timeline.Tell(entries)
}

func TestRebuild_EventsHandledWhileItReads_AreInTheNewOne(t *testing.T) {
	t.Parallel()
	s := &fakeStream{first: 1}
	for n := range 3 {
		s.events = append(s.events, fact(t, n))
	}
	p := open(t, s)
	for n, e := range s.events {
		put(t, p, e, "e1", uint64(n+1))
	}
	// After Until was fixed, and not in what the stream's page shows.
	s.onPage = func(uint64) error { put(t, p, fact(t, 3), "e1", 4); return nil }
	_, err := p.Start(t.Context(), "r1", events.Cause{})
	require.NoError(t, err)
	finish(t, p)
	require.Len(t, told(t, p), 4)
	st, err := p.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, st.Live)
}

func TestRebuild_StreamForgotTheOldest_TheyAreCopied(t *testing.T) {
	t.Parallel()
	s := &fakeStream{first: 3, events: []events.Event{fact(t, 2), fact(t, 3)}}
	p := open(t, s)
	put(t, p, fact(t, 9), "e0", 77) // of a stream that was lost
	for n := range 4 {
		put(t, p, fact(t, n), "e1", uint64(n+1))
	}
	before := told(t, p)
	require.Len(t, before, 5)
	_, err := p.Start(t.Context(), "r1", events.Cause{})
	require.NoError(t, err)
	finish(t, p)
	require.Equal(t, before, told(t, p))
}

func TestRebuild_StreamDoesNotAnswer_LiveOneStaysAndItIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := &fakeStream{first: 1, events: []events.Event{fact(t, 0)}}
	p := open(t, s)
	put(t, p, s.events[0], "e1", 1)
	down := errors.New("no answer")
	s.onPage = func(uint64) error { return down }
	_, err := p.Start(t.Context(), "r1", events.Cause{})
	require.NoError(t, err)
	for {
		st, err := p.State(t.Context())
		require.NoError(t, err)
		if st.Phase == Reading {
			require.ErrorIs(t, p.step(t.Context(), st), down)
			break
		}
		require.NoError(t, p.step(t.Context(), st))
	}
	st, err := p.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, Reading, st.Phase)
	require.Equal(t, 0, st.Live)
	require.Len(t, told(t, p), 1)
	s.onPage = nil
	finish(t, p)
	require.Len(t, told(t, p), 1)
}

func TestStart_WhileOneRuns_IsTheSameOne(t *testing.T) {
	t.Parallel()
	p := open(t, &fakeStream{first: 1})
	first, err := p.Start(t.Context(), "r1", events.Cause{Actor: "user:default/ada"})
	require.NoError(t, err)
	second, err := p.Start(t.Context(), "r2", events.Cause{})
	require.NoError(t, err)
	require.Equal(t, first, second)
	finish(t, p)
	again, err := p.Start(t.Context(), "r1", events.Cause{})
	require.NoError(t, err)
	require.False(t, again.Running(), "the same request again is not another rebuild")
}

func TestRebuild_MoreThanAPage_ReadsAllOfIt(t *testing.T) {
	t.Parallel()
	s := &fakeStream{first: 1}
	for n := range batch + 20 {
		s.events = append(s.events, fact(t, n))
	}
	p := open(t, s)
	_, err := p.Start(t.Context(), "r1", events.Cause{})
	require.NoError(t, err)
	finish(t, p)
	require.Len(t, told(t, p), batch+20)
}
