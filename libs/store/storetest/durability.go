package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

var durability = map[string]func(*suite){
	"Reopen_EverythingIsAsItWas": func(x *suite) {
		ctx := context.Background()
		x.put(store.Commit{Key: key("a"), State: []byte(`"a"`), Indexes: store.Indexes{"x": {"1"}}, WakeAt: start, Messages: []store.Message{message("a1"), message("a2")}, Marks: []string{"m1"}})
		x.put(store.Commit{Key: key("b")})
		x.put(store.Commit{Key: key("b"), Expected: 1, Delete: true, Marks: []string{"m2"}})
		require.NoError(x, x.Store.Outbox().MarkPublished(ctx, []int64{x.pending()[0].Seq}))
		record, archive := x.get(key("a")), x.archive(0, 10)

		x.reopen()
		require.Equal(x, record, x.get(key("a")))
		require.Equal(x, archive, x.archive(0, 10))
		require.Equal(x, []string{"a2"}, messageIDs(x.pending()))
		require.True(x, signalled(x.Store.Outbox()), "what is pending is announced")
		require.True(x, x.marked(key("a"), "m1"))
		require.True(x, x.marked(key("b"), "m2"))
		require.Equal(x, []string{"a"}, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "1"}}}))
		require.Equal(x, []string{"a"}, x.claim(start, time.Minute, 10))
		require.EqualValues(x, 3, x.put(store.Commit{Key: key("b"), Messages: []store.Message{message("b1")}}), "after its tombstone's version")
		require.Greater(x, x.pending()[1].Seq, archive[1].Seq, "numbers go on")
	},
	"Reopen_CursorOfBefore_GoesOn": func(x *suite) {
		for i := range 6 {
			x.put(store.Commit{Key: key(name(i))})
		}
		p, err := x.Store.Query(context.Background(), store.Query{Kind: "thing", Limit: 2})
		require.NoError(x, err)
		x.reopen()
		require.Equal(x, []string{name(2), name(3), name(4), name(5)}, x.ids(store.Query{Kind: "thing", Limit: 2, Cursor: p.Next}))
	},
	"Close_UnderLoad_WhatWasAcknowledgedIsThereAndNothingElse": func(x *suite) {
		const workers = 8
		var acknowledged [workers]atomic.Int64
		var started, all sync.WaitGroup
		started.Add(workers)
		s := x.Store
		for i := range workers {
			all.Go(func() {
				for v := int64(0); ; v++ {
					_, err := s.Commit(context.Background(), store.Commit{Key: key(name(i)), Expected: v, State: state(v + 1), Messages: []store.Message{message("m")}})
					if v == 0 {
						started.Done()
					}
					if err != nil {
						if !errors.Is(err, store.ErrClosed) {
							x.Error(err)
						}
						return
					}
					acknowledged[i].Store(v + 1)
				}
			})
		}
		started.Wait()
		x.reopen() // closes while they write
		all.Wait()
		var sum int64
		for i := range workers {
			n := acknowledged[i].Load()
			sum += n
			r := x.get(key(name(i)))
			require.Equal(x, n, r.Version)
			require.Equal(x, string(state(n)), string(r.State))
		}
		require.EqualValues(x, sum, x.backlog())
	},
}

var closing = map[string]func(*suite){
	"Closed_EveryMethodSaysSo": func(x *suite) {
		ctx := context.Background()
		x.put(store.Commit{Key: key("a"), WakeAt: start})
		o := x.Store.Outbox()
		require.NoError(x, x.Store.Close())
		require.NoError(x, x.Store.Close(), "a second call does nothing")
		for what, call := range map[string]func() error{
			"Get":    func() error { _, err := x.Store.Get(ctx, key("a")); return err },
			"Marked": func() error { _, err := x.Store.Marked(ctx, key("a"), "m"); return err },
			"Commit": func() error {
				_, err := x.Store.Commit(ctx, store.Commit{Key: key("b"), State: []byte(`{}`)})
				return err
			},
			"Query":         func() error { _, err := x.Store.Query(ctx, store.Query{Kind: "thing"}); return err },
			"ClaimDue":      func() error { _, err := x.Store.ClaimDue(ctx, "thing", start, time.Minute, 1); return err },
			"NextWake":      func() error { _, _, err := x.Store.NextWake(ctx, "thing"); return err },
			"Pending":       func() error { _, err := o.Pending(ctx, 1); return err },
			"MarkPublished": func() error { return o.MarkPublished(ctx, []int64{1}) },
			"Archive":       func() error { _, err := o.Archive(ctx, 0, 1); return err },
			"Backlog":       func() error { _, err := o.Backlog(ctx); return err },
		} {
			require.ErrorIs(x, call(), store.ErrClosed, what)
		}
	},
	"Closed_WhileCallersWait_EachIsAnswered": func(x *suite) {
		var started sync.WaitGroup
		started.Add(32)
		done := make(chan []error)
		go func() {
			done <- together(32, func(i int) error {
				started.Done()
				for v := int64(0); ; v++ {
					if _, err := x.Store.Commit(context.Background(), store.Commit{Key: key(name(i)), Expected: v, State: []byte(`{}`)}); err != nil {
						return err
					}
				}
			})
		}()
		started.Wait()
		require.NoError(x, x.Store.Close())
		for _, err := range <-done {
			require.ErrorIs(x, err, store.ErrClosed)
		}
	},
}
