package mongo

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/mongodb"
)

func pending(t testing.TB, s store.Store) (ids []string) {
	t.Helper()
	entries, err := s.Outbox().Pending(context.Background(), 1000)
	require.NoError(t, err)
	for _, e := range entries {
		ids = append(ids, e.Message.ID)
	}
	return ids
}

func publishAll(t testing.TB, s store.Store) {
	t.Helper()
	entries, err := s.Outbox().Pending(context.Background(), 1000)
	require.NoError(t, err)
	var seqs []int64
	for _, e := range entries {
		seqs = append(seqs, e.Seq)
	}
	require.NoError(t, s.Outbox().MarkPublished(context.Background(), seqs))
}

// awaitChange waits for the outbox's signal, and for no longer than a test may.
func awaitChange(t testing.TB, s store.Store) {
	t.Helper()
	select {
	case <-s.Outbox().Changed():
	case <-time.After(time.Minute):
		require.Fail(t, "no signal")
	}
}

// The process died after copying and before taking out: the entry is in both.
func TestArchive_CutOffBetweenCopyingAndTakingOut_EntriesAreThereOnce(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		s, db := d.open(t), d.raw(t)
		put(t, s, store.Commit{Key: ship("a"), Messages: []store.Message{note("a1"), note("a2")}})
		put(t, s, store.Commit{Key: ship("b"), Messages: []store.Message{note("b1")}})
		before := map[string]bson.M{"ship/a": doc(t, db, "aggregates", "ship/a"), "ship/b": doc(t, db, "aggregates", "ship/b")}
		require.Equal(t, []string{"a1", "a2", "b1"}, archive(t, s))
		for id, m := range before {
			change(t, db, "aggregates", id, bson.D{{Key: "$set", Value: bson.D{{Key: "outbox", Value: m["outbox"]}, {Key: "unsent", Value: m["unsent"]}}}})
		}
		put(t, s, store.Commit{Key: ship("a"), Expected: 1, Messages: []store.Message{note("a3")}})
		put(t, s, store.Commit{Key: ship("c"), Messages: []store.Message{note("c1")}})
		require.Equal(t, []string{"a1", "a2", "b1", "a3", "c1"}, archive(t, s))
		for _, id := range []string{"ship/a", "ship/b", "ship/c"} {
			m := doc(t, db, "aggregates", id)
			require.Empty(t, m["outbox"])
			require.NotContains(t, m, "unsent")
		}
	})
}

// The connection ends while copying, taking out, or marking.
func TestArchive_ConnectionEndsInTheMiddle_EntriesAreThereOnceInOrder(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		d, p := d.through(t)
		s := d.open(t)
		var want []string
		version := int64(0)
		for _, step := range []struct{ command, collection string }{{"insert", "archive"}, {"update", "aggregates"}} {
			for _, f := range []fate{loseIt, loseAnswer} {
				for range 3 {
					id := fmt.Sprint("n", version)
					want = append(want, id)
					put(t, s, store.Commit{Key: ship("a"), Expected: version, Messages: []store.Message{note(id)}})
					version++
				}
				done := p.next(step.command, step.collection, f)
				_, _ = s.Outbox().Archive(context.Background(), 0, 1000) // may fail, and may not
				<-done
				require.Equal(t, want, archive(t, s))
			}
		}
		require.Len(t, pending(t, s), len(want))
		publishAll(t, s)
		require.Empty(t, pending(t, s))
	})
}

func TestPending_TwoProcesses_OneIsGivenTheEntriesAndTheOtherWhenItStops(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		a, b := d.open(t), d.open(t)
		<-a.Outbox().Changed()
		<-b.Outbox().Changed()
		put(t, a, store.Commit{Key: ship("a"), Messages: []store.Message{note("a1")}})
		require.Equal(t, []string{"a1"}, pending(t, a))
		put(t, b, store.Commit{Key: ship("b"), Messages: []store.Message{note("b1")}})
		require.Empty(t, pending(t, b), "another has the lease")
		n, err := b.Outbox().Backlog(context.Background())
		require.NoError(t, err)
		require.Equal(t, 2, n, "it knows of them")
		require.NoError(t, a.Close())
		require.Equal(t, []string{"a1", "b1"}, pending(t, b), "at once, because the other stopped in order")
	})
}

func TestPending_AnotherProcessCommits_TheHolderOfTheLeaseIsTold(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		a, b := d.open(t), d.open(t)
		put(t, a, store.Commit{Key: ship("a"), Messages: []store.Message{note("a1")}})
		publishAll(t, a)
		for len(a.Outbox().Changed()) > 0 {
			<-a.Outbox().Changed()
		}
		put(t, b, store.Commit{Key: ship("b"), Messages: []store.Message{note("b1")}})
		awaitChange(t, a)
		require.Equal(t, []string{"b1"}, pending(t, a))
		publishAll(t, a)
		// And where the other has copied it to the archive itself.
		put(t, b, store.Commit{Key: ship("b"), Expected: 1, Messages: []store.Message{note("b2")}})
		require.Empty(t, pending(t, b))
		awaitChange(t, a)
		require.Equal(t, []string{"b2"}, pending(t, a))
	})
}

func TestPending_HolderDied_AnotherTakesOverAfterTheLease(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		var mu sync.Mutex
		ahead := time.Duration(0)
		clock := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}
		a, b := d.open(t), d.openWith(t, mongodb.Options{Clock: clock})
		<-b.Outbox().Changed()
		put(t, a, store.Commit{Key: ship("a"), Messages: []store.Message{note("a1")}})
		require.Equal(t, []string{"a1"}, pending(t, a)) // and then nothing more is heard of it
		require.Empty(t, pending(t, b))
		mu.Lock()
		ahead = 11 * time.Second
		mu.Unlock()
		awaitChange(t, b)
		require.Equal(t, []string{"a1"}, pending(t, b))
		require.Equal(t, []string{"a1"}, archive(t, b))
	})
}

func TestPending_NothingToPublish_AnotherHasTheLeaseAtOnceAfterIt(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		a, b := d.open(t), d.open(t)
		require.Empty(t, pending(t, a), "nobody takes the lease for nothing")
		put(t, b, store.Commit{Key: ship("b"), Messages: []store.Message{note("b1")}})
		require.Equal(t, []string{"b1"}, pending(t, b))
	})
}

// Several processes number the archive at the same time: unique indexes decide,
// on FerretDB too. Each has aggregates of its own.
func TestArchive_ManyProcessesCopyAtOnce_NumbersHaveNoGapsAndNothingIsThereTwice(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		const processes, each = 3, 12
		var all sync.WaitGroup
		for i := range processes {
			s := d.open(t)
			all.Go(func() {
				for v := range int64(each) {
					_, err := s.Commit(context.Background(), store.Commit{
						Key: ship(fmt.Sprint(i)), Expected: v, State: []byte(`{}`),
						Messages: []store.Message{note(fmt.Sprintf("%d-%02d", i, v))},
					})
					if err == nil && d.real {
						_, err = s.Outbox().Archive(context.Background(), 0, 1)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		var copying sync.WaitGroup
		for range processes {
			s := d.open(t)
			copying.Go(func() {
				if _, err := s.Outbox().Archive(context.Background(), 0, 1); err != nil {
					t.Error(err)
				}
			})
		}
		copying.Wait()
		ids := archive(t, d.open(t))
		require.Len(t, ids, processes*each)
		last := map[byte]string{}
		for _, id := range ids {
			require.Less(t, last[id[0]], id, "in order per aggregate")
			last[id[0]] = id
		}
	})
}
