package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

var concurrency = map[string]func(*suite){
	"Concurrent_SameVersion_ExactlyOneWins": func(x *suite) {
		for version := range int64(20) {
			errs := together(16, func(i int) error {
				_, err := x.Store.Commit(context.Background(), store.Commit{
					Key: key("a"), Expected: version, State: state(i),
					Messages: []store.Message{message(fmt.Sprintf("v%d", version+1))},
				})
				return err
			})
			winner := -1
			for i, err := range errs {
				if err == nil {
					require.Equal(x, -1, winner, "two won version %d", version+1)
					winner = i
					continue
				}
				var conflict *store.ConflictError
				require.ErrorAs(x, err, &conflict)
			}
			require.NotEqual(x, -1, winner, "nobody won version %d", version+1)
			r := x.get(key("a"))
			require.Equal(x, version+1, r.Version)
			require.Equal(x, string(state(winner)), string(r.State))
		}
		require.Len(x, x.pending(), 20, "no message of a loser")
	},
	"Concurrent_SameMark_HandledOnce": func(x *suite) {
		x.put(store.Commit{Key: key("a"), State: []byte(`0`)})
		errs := together(16, func(int) error { return x.increment("a", "the-message") })
		for _, err := range errs {
			var marked *store.MarkedError
			if err != nil {
				require.ErrorAs(x, err, &marked)
			}
		}
		require.Equal(x, `1`, string(x.get(key("a")).State))
	},
	"Concurrent_ReadDecideCommit_NoUpdateIsLost": func(x *suite) {
		x.put(store.Commit{Key: key("a"), State: []byte(`0`)})
		for _, err := range together(8, func(i int) error {
			for n := range 10 {
				if err := x.increment("a", fmt.Sprintf("m-%d-%d", i, n)); err != nil {
					return err
				}
			}
			return nil
		}) {
			require.NoError(x, err)
		}
		require.Equal(x, `80`, string(x.get(key("a")).State))
	},
	"Concurrent_NeighboursOfConflicts_AreNotFailed": func(x *suite) {
		x.put(store.Commit{Key: key("taken")})
		errs := together(200, func(i int) error {
			c := store.Commit{Key: key(name(i)), State: state(i), Marks: []string{"m"}, Messages: []store.Message{message(name(i))}}
			switch i % 4 {
			case 1:
				c.Key = key("taken") // a conflict
			case 2:
				c.State = []byte(`{`) // not even JSON
			}
			_, err := x.Store.Commit(context.Background(), c)
			return err
		})
		for i, err := range errs {
			var conflict *store.ConflictError
			switch i % 4 {
			case 1:
				require.ErrorAs(x, err, &conflict)
			case 2:
				require.ErrorIs(x, err, store.ErrInvalid)
			default:
				require.NoError(x, err)
				require.Equal(x, string(state(i)), string(x.get(key(name(i))).State))
			}
		}
		require.Len(x, x.pending(), 100)
	},
	"Concurrent_Outbox_OrderPerAggregateIsThatOfVersions": func(x *suite) {
		for _, err := range together(8, func(i int) error {
			for v := range int64(12) {
				_, err := x.Store.Commit(context.Background(), store.Commit{
					Key: key(name(i)), Expected: v, State: []byte(`{}`),
					Messages: []store.Message{message(fmt.Sprintf("%d-%d-0", i, v)), message(fmt.Sprintf("%d-%d-1", i, v))},
				})
				if err != nil {
					return err
				}
			}
			return nil
		}) {
			require.NoError(x, err)
		}
		last := map[string]string{}
		versions := map[string]int64{}
		entries := x.pending()
		require.Len(x, entries, 8*12*2)
		for _, e := range entries {
			require.GreaterOrEqual(x, e.Version, versions[e.ID], "versions of %s go up", e.ID)
			if e.Version == versions[e.ID] {
				require.Less(x, last[e.ID], e.Message.ID, "within a commit the order is that of the commit")
			}
			versions[e.ID], last[e.ID] = e.Version, e.Message.ID
		}
	},
	"Concurrent_PendingWhileWriting_NeverPassesOverAnEarlierEntry": func(x *suite) {
		// A relay that marks what it saw as published would lose an entry that
		// shows up later with a smaller number.
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for i := range 4 {
			writers.Go(func() {
				for v := range int64(50) {
					_, err := x.Store.Commit(context.Background(), store.Commit{Key: key(name(i)), Expected: v, State: []byte(`{}`), Messages: []store.Message{message("m")}})
					if err != nil {
						x.Error(err)
						return
					}
				}
			})
		}
		go func() { writers.Wait(); close(stop) }()
		seen, highest := map[int64]bool{}, int64(0)
		for done := false; !done; {
			select {
			case <-stop:
				done = true
			default:
			}
			limit := highest
			for _, e := range x.archive(0, 10_000) {
				if !seen[e.Seq] {
					require.Greater(x, e.Seq, limit)
					seen[e.Seq] = true
				}
				highest = max(highest, e.Seq)
			}
		}
		require.Len(x, seen, 200)
	},
	"Concurrent_Claims_EachIsGivenToOneWorker": func(x *suite) {
		const all = 60
		for _, err := range together(all, func(i int) error {
			_, err := x.Store.Commit(context.Background(), store.Commit{Key: key(name(i)), State: []byte(`{}`), WakeAt: start})
			return err
		}) {
			require.NoError(x, err)
		}
		var mu sync.Mutex
		given := map[string]int{}
		for _, err := range together(6, func(int) error {
			for {
				records, err := x.Store.ClaimDue(context.Background(), "thing", start, time.Hour, 4)
				if err != nil || len(records) == 0 {
					return err
				}
				mu.Lock()
				for _, r := range records {
					given[r.ID]++
				}
				mu.Unlock()
			}
		}) {
			require.NoError(x, err)
		}
		require.Len(x, given, all)
		for id, n := range given {
			require.Equal(x, 1, n, id)
		}
	},
	"Concurrent_PagingWhileWriting_WhatStaysIsReturnedOnce": func(x *suite) {
		in := store.Indexes{"p": {"1"}}
		for i := range 60 {
			x.put(store.Commit{Key: key(name(i)), Indexes: in})
		}
		stop := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				k := key(fmt.Sprintf("%s-%d", name(n%60), n))
				v, err := x.Store.Commit(context.Background(), store.Commit{Key: k, State: []byte(`{}`), Indexes: in})
				if err == nil && n%2 == 0 {
					_, err = x.Store.Commit(context.Background(), store.Commit{Key: k, Expected: v, Delete: true})
				}
				if err != nil {
					x.Error(err)
					return
				}
			}
		})
		for range 3 {
			for _, order := range []store.Order{store.OrderID, store.OrderCreated, store.OrderCreatedDesc} {
				seen := map[string]int{}
				for _, id := range x.ids(store.Query{Kind: "thing", Order: order, Limit: 50, Where: []store.Term{{Index: "p", Value: "1"}}}) {
					seen[id]++
				}
				for i := range 60 {
					require.Equal(x, 1, seen[name(i)], "order %d", order)
				}
				for id, n := range seen {
					require.Equal(x, 1, n, id)
				}
			}
		}
		close(stop)
		writer.Wait()
	},
}

// increment adds one to a number, as a handler does: read, decide, commit, and
// again on a conflict.
func (x *suite) increment(id, mark string) error {
	ctx := context.Background()
	for {
		r, err := x.Store.Get(ctx, key(id))
		if err != nil {
			return err
		}
		var n int
		if err := json.Unmarshal(r.State, &n); err != nil {
			return err
		}
		_, err = x.Store.Commit(ctx, store.Commit{Key: key(id), Expected: r.Version, State: state(n + 1), Marks: []string{mark}})
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
	}
}
