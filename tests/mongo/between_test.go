package mongo

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

// Two processes, and the second one acts at the moment when the first one's
// request is under way: what FerretDB can show of many writers, because the
// server has the two one after the other.

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestCommit_AnotherCommitsJustBefore_IsAConflictAndTheOthersStays(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		through, p := d.through(t)
		slow, fast := through.open(t), d.open(t)
		put(t, slow, store.Commit{Key: ship("a"), State: []byte(`1`)})
		p.before("update", "aggregates", func() {
			put(t, fast, store.Commit{Key: ship("a"), Expected: 1, State: []byte(`"fast"`)})
		})
		_, err := slow.Commit(context.Background(), store.Commit{Key: ship("a"), Expected: 1, State: []byte(`"slow"`), Messages: []store.Message{note("slow")}})
		var conflict *store.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.EqualValues(t, 2, conflict.Actual)

		p.before("insert", "aggregates", func() {
			put(t, fast, store.Commit{Key: ship("b"), State: []byte(`"fast"`)})
		})
		_, err = slow.Commit(context.Background(), store.Commit{Key: ship("b"), State: []byte(`"slow"`), Messages: []store.Message{note("slow")}})
		require.ErrorAs(t, err, &conflict)
		for _, id := range []string{"a", "b"} {
			r, err := fast.Get(context.Background(), ship(id))
			require.NoError(t, err)
			require.Equal(t, `"fast"`, string(r.State))
		}
		require.Empty(t, archive(t, slow), "no message of the one that lost")
	})
}

func TestCommit_AnotherHandledTheMessageJustBefore_IsMarked(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		through, p := d.through(t)
		slow, fast := through.open(t), d.open(t)
		put(t, slow, store.Commit{Key: ship("a")})
		p.before("update", "aggregates", func() {
			put(t, fast, store.Commit{Key: ship("a"), Expected: 1, Marks: []string{"m1"}})
		})
		_, err := slow.Commit(context.Background(), store.Commit{Key: ship("a"), Expected: 1, State: []byte(`2`), Marks: []string{"m1"}})
		var marked *store.MarkedError
		require.ErrorAs(t, err, &marked)
	})
}

func TestClaim_AnotherClaimsJustBefore_OnlyItIsGivenTheRecord(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		through, p := d.through(t)
		slow, fast := through.open(t), d.open(t)
		put(t, slow, store.Commit{Key: ship("a"), WakeAt: noon})
		p.before("update", "aggregates", func() {
			records, err := fast.ClaimDue(context.Background(), "ship", noon, time.Minute, 10)
			require.NoError(t, err)
			require.Len(t, records, 1)
		})
		records, err := slow.ClaimDue(context.Background(), "ship", noon, time.Minute, 10)
		require.NoError(t, err)
		require.Empty(t, records)
	})
}

func TestClaim_CommittedJustAfter_TheCommitsTimerHolds(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		through, p := d.through(t)
		slow, fast := through.open(t), d.open(t)
		put(t, slow, store.Commit{Key: ship("a"), WakeAt: noon})
		put(t, slow, store.Commit{Key: ship("b"), WakeAt: noon})
		p.before("find", "claim", func() {
			put(t, fast, store.Commit{Key: ship("a"), Expected: 1, WakeAt: noon.Add(time.Hour)})
		})
		records, err := slow.ClaimDue(context.Background(), "ship", noon, time.Minute, 10)
		require.NoError(t, err)
		require.Len(t, records, 1)
		require.Equal(t, ship("b"), records[0].Key)
		r, err := slow.Get(context.Background(), ship("a"))
		require.NoError(t, err)
		require.Equal(t, noon.Add(time.Hour), r.WakeAt)
	})
}

func TestArchive_CommittedWhileTakingOut_WhatCameStays(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, d database) {
		through, p := d.through(t)
		slow, fast := through.open(t), d.open(t)
		put(t, slow, store.Commit{Key: ship("a"), Messages: []store.Message{note("a1")}})
		p.before("update", "aggregates", func() {
			put(t, fast, store.Commit{Key: ship("a"), Expected: 1, Messages: []store.Message{note("a2")}})
		})
		require.Equal(t, []string{"a1"}, archive(t, slow))
		m := doc(t, d.raw(t), "aggregates", "ship/a")
		require.Len(t, m["outbox"], 1, "what was copied is taken out, however often it is committed to")
		require.NotNil(t, m["unsent"])
		require.Equal(t, []string{"a1", "a2"}, archive(t, slow))
		m = doc(t, d.raw(t), "aggregates", "ship/a")
		require.Empty(t, m["outbox"])
		require.NotContains(t, m, "unsent")
	})
}
