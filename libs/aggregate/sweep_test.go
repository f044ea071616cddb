package aggregate_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

// sweep runs Sweep in the background and returns what stops and awaits it.
func sweep(t *testing.T, r *aggregate.Repository[ship], fn func(context.Context, aggregate.Versioned[ship]) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Sweep(ctx, fn) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
	}
}

func wakeAt(at time.Time) func(*ship, bool) (aggregate.Decision, error) {
	return func(*ship, bool) (aggregate.Decision, error) { return aggregate.Decision{WakeAt: at}, nil }
}

// inBubble runs fn where time passes only while everybody waits.
func inBubble(t *testing.T, fn func(d *dock)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "s.db"), sqlite.Options{})
		require.NoError(t, err)
		fn(&dock{T: t, store: s, ships: repository(s, time.Now)})
		require.NoError(t, s.Close())
	})
}

func TestSweep_TimerIsSetWhileItWaits_IsHandedOverAtItsMoment(t *testing.T) {
	t.Parallel()
	inBubble(t, func(d *dock) {
		woken := make(chan aggregate.Versioned[ship], 1)
		stop := sweep(d.T, d.ships, func(ctx context.Context, v aggregate.Versioned[ship]) error {
			_, err := d.ships.Update(ctx, v.ID, events.Cause{}, wakeAt(time.Time{}))
			woken <- v
			return err
		})
		synctest.Wait() // it looked and found nothing
		due := time.Now().Add(300 * time.Millisecond)
		d.update("1", events.Cause{}, wakeAt(due))
		v := <-woken
		require.Equal(d.T, "1", v.ID)
		require.EqualValues(d.T, 1, v.Version)
		require.Equal(d.T, due, time.Now())
		stop()
	})
}

func TestSweep_AnotherProcessSetsATimer_IsSeenWithinASecond(t *testing.T) {
	t.Parallel()
	inBubble(t, func(d *dock) {
		d.update("far", events.Cause{}, wakeAt(time.Now().Add(time.Hour)))
		woken := make(chan string, 1)
		stop := sweep(d.T, d.ships, func(_ context.Context, v aggregate.Versioned[ship]) error { woken <- v.ID; return nil })
		synctest.Wait()
		due := time.Now().Add(10 * time.Second)
		_, err := repository(d.store, time.Now).Update(context.Background(), "1", events.Cause{}, wakeAt(due))
		require.NoError(d.T, err)
		require.Equal(d.T, "1", <-woken)
		require.WithinDuration(d.T, due, time.Now(), time.Second)
		stop()
	})
}

func TestSweep_LeftByAnEarlierProcess_IsHandedOver(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.update("1", events.Cause{}, wakeAt(d.now.Add(-time.Hour)))
	again := repository(d.store, func() time.Time { return d.now })
	woken := make(chan string, 1)
	defer sweep(t, again, func(_ context.Context, v aggregate.Versioned[ship]) error { woken <- v.ID; return nil })()
	require.Equal(t, "1", <-woken)
}

func TestSweep_WorkFails_OthersGoOnAndItComesBackAfterTheLease(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.update("bad", events.Cause{}, wakeAt(d.now.Add(-time.Hour)))
	d.update("good", events.Cause{}, wakeAt(d.now))
	var clock atomic.Int64
	ships := repository(d.store, func() time.Time { return d.now.Add(time.Duration(clock.Load())) })
	woken := make(chan string)
	stop := sweep(t, ships, func(ctx context.Context, v aggregate.Versioned[ship]) error {
		select {
		case woken <- v.ID:
		case <-ctx.Done():
		}
		if v.ID == "bad" {
			return errors.New("no")
		}
		_, err := ships.Update(ctx, v.ID, events.Cause{}, wakeAt(time.Time{}))
		return err
	})
	defer stop()
	require.Equal(t, "bad", <-woken)
	require.Equal(t, "good", <-woken)
	clock.Store(int64(31 * time.Second))
	ships.Wake()
	require.Equal(t, "bad", <-woken)
}

func TestSweep_UnreadableState_DoesNotHinderOthers(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	_, err := d.store.Commit(context.Background(), store.Commit{Key: store.Key{Kind: "ship", ID: "0"}, State: []byte(`[]`), WakeAt: d.now.Add(-time.Hour)})
	require.NoError(t, err)
	d.update("1", events.Cause{}, wakeAt(d.now))
	woken := make(chan string, 1)
	defer sweep(t, d.ships, func(_ context.Context, v aggregate.Versioned[ship]) error { woken <- v.ID; return nil })()
	require.Equal(t, "1", <-woken)
}

// counting counts questions to the store.
type counting struct {
	store.Store
	asked atomic.Int64
}

func (c *counting) NextWake(ctx context.Context, kind string) (time.Time, bool, error) {
	c.asked.Add(1)
	return time.Time{}, false, nil
}

func (c *counting) ClaimDue(context.Context, string, time.Time, time.Duration, int) ([]store.Record, error) {
	c.asked.Add(1)
	return nil, nil
}

func TestSweep_Idle_AsksTheStoreOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counting{}
		r := repository(c, time.Now)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute+time.Millisecond)
		defer cancel()
		require.NoError(t, r.Sweep(ctx, nil))
		require.LessOrEqual(t, c.asked.Load(), int64(601))
		require.GreaterOrEqual(t, c.asked.Load(), int64(590), "timers of other processes are seen")
	})
}

func TestSweep_StoreFails_GoesOnAfterASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &failing{}
		r := repository(f, time.Now)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second+time.Millisecond)
		defer cancel()
		require.NoError(t, r.Sweep(ctx, nil))
		require.EqualValues(t, 6, f.asked.Load())
	})
}

type failing struct {
	store.Store
	asked atomic.Int64
}

func (f *failing) NextWake(context.Context, string) (time.Time, bool, error) {
	f.asked.Add(1)
	return time.Time{}, false, store.ErrReadOnly
}

func TestClaimDue_TwoRepositories_EachGetsItsOwn(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "s.db"), sqlite.Options{})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	a, b := repository(s, time.Now), repository(s, time.Now)
	_, err = a.Update(context.Background(), "1", events.Cause{}, wakeAt(time.Unix(1, 0)))
	require.NoError(t, err)
	first, err := a.ClaimDue(context.Background(), time.Hour, 5)
	require.NoError(t, err)
	require.Len(t, first, 1)
	second, err := b.ClaimDue(context.Background(), time.Hour, 5)
	require.NoError(t, err)
	require.Empty(t, second)
}
