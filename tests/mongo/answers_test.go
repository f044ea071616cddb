package mongo

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/mongodb"
)

func ship(id string) store.Key { return store.Key{Kind: "ship", ID: id} }

func note(id string) store.Message {
	return store.Message{ID: id, Subject: "evt.shop.made", Header: map[string][]string{"ce-id": {id}}, Body: []byte(`{}`)}
}

func put(t testing.TB, s store.Store, c store.Commit) int64 {
	t.Helper()
	if c.State == nil && !c.Delete {
		c.State = []byte(`{}`)
	}
	v, err := s.Commit(context.Background(), c)
	require.NoError(t, err)
	return v
}

func archive(t testing.TB, s store.Store) (ids []string) {
	t.Helper()
	entries, err := s.Outbox().Archive(context.Background(), 0, 1000)
	require.NoError(t, err)
	for i, e := range entries {
		require.EqualValues(t, i+1, e.Seq, "numbers have no gaps")
		ids = append(ids, e.Message.ID)
	}
	return ids
}

// The answer to a write is lost, or the request: the commit is kept once, and
// its caller is told so.
func TestCommit_ConnectionEndsInTheMiddle_IsKeptOnceAndAcknowledged(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		d, p := d.through(t)
		s := d.open(t)
		for i, f := range []fate{loseIt, loseAnswer} {
			id := []string{"a", "b"}[i]
			done := p.next("insert", "aggregates", f)
			require.EqualValues(t, 1, put(t, s, store.Commit{Key: ship(id), Marks: []string{"m1"}, Messages: []store.Message{note(id + "1")}}))
			<-done
			done = p.next("update", "aggregates", f)
			require.EqualValues(t, 2, put(t, s, store.Commit{Key: ship(id), Expected: 1, Marks: []string{"m2"}, State: []byte(`2`), Messages: []store.Message{note(id + "2")}}))
			<-done
			r, err := s.Get(context.Background(), ship(id))
			require.NoError(t, err)
			require.EqualValues(t, 2, r.Version)
			require.Equal(t, `2`, string(r.State))
			done = p.next("update", "aggregates", f)
			require.EqualValues(t, 3, put(t, s, store.Commit{Key: ship(id), Expected: 2, Delete: true}))
			<-done
			done = p.next("update", "aggregates", f)
			require.EqualValues(t, 4, put(t, s, store.Commit{Key: ship(id)}), "over a tombstone")
			<-done
		}
		require.Equal(t, []string{"a1", "a2", "b1", "b2"}, archive(t, s))
	})
}

// A caller who gives up while the server works learns what became of it.
func TestCommit_CallerGivesUpOnceItWasSent_LearnsTheOutcome(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		d, p := d.through(t)
		s := d.open(t)
		ctx, giveUp := context.WithCancel(context.Background())
		p.before("insert", "aggregates", giveUp)
		v, err := s.Commit(ctx, store.Commit{Key: ship("a"), State: []byte(`1`)})
		require.NoError(t, err)
		require.EqualValues(t, 1, v)
		require.Error(t, ctx.Err())
		_, err = s.Get(context.Background(), ship("a"))
		require.NoError(t, err)
	})
}

func TestServerGoesAway_EveryCallSaysSoAndAllIsWellWhenItIsBack(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		d, p := d.through(t)
		s := d.openWith(t, mongodb.Options{Patience: 300 * time.Millisecond})
		put(t, s, store.Commit{Key: ship("a"), WakeAt: time.Now(), Messages: []store.Message{note("a1")}})
		p.goAway(true)
		ctx, o := context.Background(), s.Outbox()
		for what, call := range map[string]func() error{
			"Get": func() error { _, err := s.Get(ctx, ship("a")); return err },
			"Commit": func() error {
				_, err := s.Commit(ctx, store.Commit{Key: ship("a"), Expected: 1, State: []byte(`2`)})
				return err
			},
			"Insert":   func() error { _, err := s.Commit(ctx, store.Commit{Key: ship("b"), State: []byte(`2`)}); return err },
			"Query":    func() error { _, err := s.Query(ctx, store.Query{Kind: "ship"}); return err },
			"ClaimDue": func() error { _, err := s.ClaimDue(ctx, "ship", time.Now(), time.Minute, 1); return err },
			"NextWake": func() error { _, _, err := s.NextWake(ctx, "ship"); return err },
			"Pending":  func() error { _, err := o.Pending(ctx, 1); return err },
			"Mark":     func() error { return o.MarkPublished(ctx, []int64{1}) },
		} {
			err := call()
			require.ErrorIs(t, err, store.ErrUnavailable, what)
			require.ErrorContains(t, err, d.hosts, what)
		}
		p.goAway(false)
		require.Eventually(t, func() bool {
			_, err := s.Commit(ctx, store.Commit{Key: ship("c"), State: []byte(`1`)})
			return err == nil
		}, 20*time.Second, 10*time.Millisecond)
		r, err := s.Get(ctx, ship("a"))
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Version, "what was answered with an error was not kept")
		require.Equal(t, []string{"a1"}, archive(t, s))
	})
}

func TestOpen_ServerIsAway_IsUnavailableAndNotRefused(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		d, p := d.through(t)
		p.goAway(true)
		_, err := mongodb.Open(context.Background(), d.url(), service, mongodb.Options{Patience: 200 * time.Millisecond})
		require.ErrorIs(t, err, store.ErrUnavailable)
	})
}
