package storetest

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

var commits = map[string]func(*suite){
	"Commit_NewAggregate_IsVersionOneAndReadBackWhole": func(x *suite) {
		before := time.Now().Add(-time.Minute)
		c := store.Commit{
			Key: key("a"), State: []byte(`{"n": 1,  "text":"ü"}`), WakeAt: start,
			Indexes: store.Indexes{"project": {"shop"}, "label": {"b", "a"}},
		}
		require.EqualValues(x, 1, x.put(c))
		r := x.get(key("a"))
		require.Equal(x, key("a"), r.Key)
		require.EqualValues(x, 1, r.Version)
		require.Equal(x, string(c.State), string(r.State), "byte for byte")
		require.Equal(x, c.Indexes, r.Indexes)
		require.Equal(x, start, r.WakeAt)
		require.Equal(x, r.Created, r.Updated)
		require.True(x, r.Created.After(before), "created is now")
		require.Equal(x, time.UTC, r.Created.Location())
	},
	"Commit_SecondTime_ReplacesStateIndexesAndTimer": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Indexes: store.Indexes{"x": {"1", "2"}}, WakeAt: start})
		first := x.get(key("a"))
		require.EqualValues(x, 2, x.put(store.Commit{Key: key("a"), Expected: 1, State: []byte(`[2]`), Indexes: store.Indexes{"x": {"2", "3"}}}))
		r := x.get(key("a"))
		require.Equal(x, `[2]`, string(r.State))
		require.Equal(x, store.Indexes{"x": {"2", "3"}}, r.Indexes)
		require.True(x, r.WakeAt.IsZero())
		require.Equal(x, first.Created, r.Created)
		require.False(x, r.Updated.Before(first.Updated))
		require.Empty(x, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "1"}}}))
		require.Equal(x, []string{"a"}, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "2"}}}))
		require.Equal(x, []string{"a"}, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "3"}}}))
	},
	"Commit_ExpectedVersionIsOld_ConflictAndNothingChanges": func(x *suite) {
		x.put(store.Commit{Key: key("a"), State: []byte(`1`)})
		x.put(store.Commit{Key: key("a"), State: []byte(`2`), Expected: 1})
		before := x.get(key("a"))
		var conflict *store.ConflictError
		x.refuse(store.Commit{
			Key: key("a"), Expected: 1, State: []byte(`3`), Indexes: store.Indexes{"x": {"1"}}, WakeAt: start,
			Messages: []store.Message{message("m")}, Marks: []string{"k"},
		}, &conflict)
		require.Equal(x, store.ConflictError{Key: key("a"), Expected: 1, Actual: 2}, *conflict)
		require.Equal(x, before, x.get(key("a")))
		require.Empty(x, x.pending())
		require.False(x, x.marked(key("a"), "k"))
		require.Empty(x, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "1"}}}))
	},
	"Commit_MustNotExistButDoes_Conflict": func(x *suite) {
		x.put(store.Commit{Key: key("a")})
		var conflict *store.ConflictError
		x.refuse(store.Commit{Key: key("a")}, &conflict)
		require.EqualValues(x, 1, conflict.Actual)
	},
	"Commit_ExpectsWhatNeverWas_ConflictWithActualZero": func(x *suite) {
		var conflict *store.ConflictError
		x.refuse(store.Commit{Key: key("a"), Expected: 3}, &conflict)
		require.Equal(x, store.ConflictError{Key: key("a"), Expected: 3}, *conflict)
		_, err := x.Store.Get(context.Background(), key("a"))
		require.ErrorIs(x, err, store.ErrNotFound)
	},
	"Commit_SameIDOfAnotherKind_IsAnotherAggregate": func(x *suite) {
		x.put(store.Commit{Key: key("a")})
		require.EqualValues(x, 1, x.put(store.Commit{Key: store.Key{Kind: "other", ID: "a"}, State: []byte(`"o"`)}))
		require.Equal(x, `{}`, string(x.get(key("a")).State))
	},
	"Commit_LargeState_IsKept": func(x *suite) {
		large := state(strings.Repeat("x", 3<<20))
		x.put(store.Commit{Key: key("a"), State: large})
		require.Equal(x, len(large), len(x.get(key("a")).State))
	},
	"Commit_Malformed_IsInvalidAndNothingIsKept": func(x *suite) {
		for what, c := range map[string]store.Commit{
			"no kind":        {Key: store.Key{ID: "a"}, State: []byte(`{}`)},
			"no id":          {Key: store.Key{Kind: "thing"}, State: []byte(`{}`)},
			"NUL in id":      {Key: key("a\x00b"), State: []byte(`{}`)},
			"no UTF-8 in id": {Key: key("a\xff"), State: []byte(`{}`)},
			"no state":       {Key: key("a")},
			"no JSON":        {Key: key("a"), State: []byte(`{"a":`)},
			"empty mark":     {Key: key("a"), State: []byte(`{}`), Marks: []string{""}},
			"NUL in index":   {Key: key("a"), State: []byte(`{}`), Indexes: store.Indexes{"x": {"\x00"}}},
			"below zero":     {Key: key("a"), State: []byte(`{}`), Expected: -1},
		} {
			_, err := x.Store.Commit(context.Background(), c)
			require.ErrorIs(x, err, store.ErrInvalid, what)
		}
		require.Empty(x, x.ids(store.Query{Kind: "thing"}))
	},
	"Commit_ContextHasEnded_NothingIsCommitted": func(x *suite) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := x.Store.Commit(ctx, store.Commit{Key: key("a"), State: []byte(`{}`)})
		require.ErrorIs(x, err, context.Canceled)
		_, err = x.Store.Get(context.Background(), key("a"))
		require.ErrorIs(x, err, store.ErrNotFound)
	},
}

var marks = map[string]func(*suite){
	"Mark_Committed_IsFoundOnItsAggregateOnly": func(x *suite) {
		require.False(x, x.marked(key("a"), "m1"))
		x.put(store.Commit{Key: key("a"), Marks: []string{"m1", "m2", "m1"}})
		x.put(store.Commit{Key: key("b")})
		require.True(x, x.marked(key("a"), "m1"))
		require.True(x, x.marked(key("a"), "m2"))
		require.False(x, x.marked(key("b"), "m1"))
	},
	"Mark_SeenBefore_RefusesTheWholeCommit": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Marks: []string{"m1"}})
		var marked *store.MarkedError
		x.refuse(store.Commit{Key: key("a"), Expected: 1, State: []byte(`2`), Marks: []string{"m2", "m1"}, Messages: []store.Message{message("m")}}, &marked)
		require.Equal(x, store.MarkedError{Key: key("a"), Mark: "m1"}, *marked)
		require.EqualValues(x, 1, x.get(key("a")).Version)
		require.False(x, x.marked(key("a"), "m2"))
		require.Empty(x, x.pending())
	},
	"Mark_SeenBeforeAndVersionIsOld_SaysMarked": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Marks: []string{"m1"}})
		var marked *store.MarkedError
		x.refuse(store.Commit{Key: key("a"), Expected: 0, Marks: []string{"m1"}}, &marked)
	},
	"Mark_LaterCommits_KeepIt": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Marks: []string{"m1"}})
		x.put(store.Commit{Key: key("a"), Expected: 1, Marks: []string{"m2"}})
		x.put(store.Commit{Key: key("a"), Expected: 2})
		require.True(x, x.marked(key("a"), "m1"))
		require.True(x, x.marked(key("a"), "m2"))
	},
}

var tombstones = map[string]func(*suite){
	"Delete_IsGoneEverywhereButItsVersionStays": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Indexes: store.Indexes{"x": {"1"}}, WakeAt: start, Marks: []string{"m1"}})
		require.EqualValues(x, 2, x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true, Messages: []store.Message{message("gone")}, Marks: []string{"m2"}}))
		r, err := x.Store.Get(context.Background(), key("a"))
		require.ErrorIs(x, err, store.ErrNotFound)
		require.Equal(x, store.Record{Key: key("a"), Version: 2}, r)
		require.Empty(x, x.ids(store.Query{Kind: "thing"}))
		require.Empty(x, x.ids(store.Query{Kind: "thing", Order: store.OrderCreatedDesc}))
		require.Empty(x, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "1"}}}))
		require.Empty(x, x.claim(start.Add(time.Hour), time.Minute, 10))
		require.True(x, x.marked(key("a"), "m1"))
		require.True(x, x.marked(key("a"), "m2"))
		require.Len(x, x.pending(), 1)
	},
	"Delete_TimerAndIndexesGivenWithIt_AreIgnored": func(x *suite) {
		x.put(store.Commit{Key: key("a")})
		x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true, WakeAt: start, Indexes: store.Indexes{"x": {"1"}}, State: []byte(`1`)})
		_, ok, err := x.Store.NextWake(context.Background(), "thing")
		require.NoError(x, err)
		require.False(x, ok)
		require.Empty(x, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "1"}}}))
	},
	"Delete_ThenCreatedAgain_VersionGoesOn": func(x *suite) {
		x.put(store.Commit{Key: key("a")})
		old := x.get(key("a"))
		x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true})
		require.EqualValues(x, 3, x.put(store.Commit{Key: key("a"), State: []byte(`"new"`), Indexes: store.Indexes{"x": {"1"}}}))
		r := x.get(key("a"))
		require.EqualValues(x, 3, r.Version)
		require.Equal(x, `"new"`, string(r.State))
		require.False(x, r.Created.Before(old.Updated))
		require.Equal(x, r.Updated, r.Created, "it is a new one")
		require.Equal(x, []string{"a"}, x.ids(store.Query{Kind: "thing", Where: []store.Term{{Index: "x", Value: "1"}}}))
	},
	"Delete_ThenCreatedOnTheTombstonesVersion_IsAccepted": func(x *suite) {
		x.put(store.Commit{Key: key("a")})
		x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true})
		require.EqualValues(x, 3, x.put(store.Commit{Key: key("a"), Expected: 2}))
	},
	"Delete_CommitOnWhatWasBefore_Conflict": func(x *suite) {
		x.put(store.Commit{Key: key("a")})
		x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true})
		var conflict *store.ConflictError
		x.refuse(store.Commit{Key: key("a"), Expected: 1}, &conflict)
		require.EqualValues(x, 2, conflict.Actual)
	},
	"Delete_WhatNeverWas_LeavesATombstoneWithMarks": func(x *suite) {
		require.EqualValues(x, 1, x.put(store.Commit{Key: key("a"), Delete: true, Marks: []string{"m1"}}))
		_, err := x.Store.Get(context.Background(), key("a"))
		require.ErrorIs(x, err, store.ErrNotFound)
		require.True(x, x.marked(key("a"), "m1"))
		var marked *store.MarkedError
		x.refuse(store.Commit{Key: key("a"), Marks: []string{"m1"}}, &marked)
	},
}
