package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

var queries = map[string]func(*suite){
	"Query_NothingThere_IsAnEmptyPage": func(x *suite) {
		p, err := x.Store.Query(context.Background(), store.Query{Kind: "thing"})
		require.NoError(x, err)
		require.Empty(x, p.Records)
		require.Empty(x, p.Next)
	},
	"Query_ById_IsBytewiseAndOfOneKind": func(x *suite) {
		for _, id := range []string{"b", "a/1", "B", "a", "ä", "a.1", "10", "9"} {
			x.put(store.Commit{Key: key(id)})
		}
		x.put(store.Commit{Key: store.Key{Kind: "thing2", ID: "c"}})
		require.Equal(x, []string{"10", "9", "B", "a", "a.1", "a/1", "b", "ä"}, x.ids(store.Query{Kind: "thing"}))
	},
	"Query_SeveralTerms_AllMustHold": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Indexes: store.Indexes{"project": {"shop"}, "label": {"x", "y"}}})
		x.put(store.Commit{Key: key("b"), Indexes: store.Indexes{"project": {"shop"}, "label": {"y"}}})
		x.put(store.Commit{Key: key("c"), Indexes: store.Indexes{"project": {"bank"}, "label": {"x", "y"}}})
		x.put(store.Commit{Key: store.Key{Kind: "other", ID: "a"}, Indexes: store.Indexes{"project": {"shop"}, "label": {"x"}}})
		find := func(terms ...store.Term) []string { return x.ids(store.Query{Kind: "thing", Where: terms}) }
		require.Equal(x, []string{"a", "b"}, find(store.Term{Index: "project", Value: "shop"}))
		require.Equal(x, []string{"a"}, find(store.Term{Index: "project", Value: "shop"}, store.Term{Index: "label", Value: "x"}))
		require.Equal(x, []string{"a", "c"}, find(store.Term{Index: "label", Value: "y"}, store.Term{Index: "label", Value: "x"}))
		require.Empty(x, find(store.Term{Index: "project", Value: "sho"}), "whole values")
		require.Empty(x, find(store.Term{Index: "label", Value: "shop"}), "of that index")
		require.Empty(x, find(store.Term{Index: "nothing", Value: "shop"}))
	},
	"Query_Prefix_MatchesBeginningsOnceEach": func(x *suite) {
		x.put(store.Commit{Key: key("a"), Indexes: store.Indexes{"name": {"orders", "orders-api"}, "project": {"shop"}}})
		x.put(store.Commit{Key: key("b"), Indexes: store.Indexes{"name": {"order"}, "project": {"shop"}}})
		x.put(store.Commit{Key: key("c"), Indexes: store.Indexes{"name": {"ordert", "ordersü"}, "project": {"bank"}}})
		x.put(store.Commit{Key: key("d"), Indexes: store.Indexes{"other": {"orders"}}})
		find := func(prefix string, where ...store.Term) []string {
			return x.ids(store.Query{Kind: "thing", Where: where, Prefix: &store.Term{Index: "name", Value: prefix}})
		}
		require.Equal(x, []string{"a", "c"}, find("orders"))
		require.Equal(x, []string{"c"}, find("ordersü"))
		require.Equal(x, []string{"a", "b", "c"}, find(""), "has the index at all")
		require.Equal(x, []string{"a"}, find("orders", store.Term{Index: "project", Value: "shop"}))
		require.Empty(x, find("orders_"), "no wildcards")
		require.Empty(x, find("orders%"), "no wildcards")
	},
	"Query_ByCreation_OldestOrNewestFirst": func(x *suite) {
		want := []string{"c", "a", "d", "b"}
		for _, id := range want {
			x.put(store.Commit{Key: key(id), Indexes: store.Indexes{"p": {"1"}}})
		}
		x.put(store.Commit{Key: key("c"), Expected: 1, Indexes: store.Indexes{"p": {"1"}}}) // a change does not make it newer
		where := []store.Term{{Index: "p", Value: "1"}}
		require.Equal(x, want, x.ids(store.Query{Kind: "thing", Order: store.OrderCreated}))
		require.Equal(x, want, x.ids(store.Query{Kind: "thing", Order: store.OrderCreated, Where: where, Limit: 1}))
		newest := []string{"b", "d", "a", "c"}
		require.Equal(x, newest, x.ids(store.Query{Kind: "thing", Order: store.OrderCreatedDesc, Limit: 3}))
		require.Equal(x, newest, x.ids(store.Query{Kind: "thing", Order: store.OrderCreatedDesc, Where: where}))
	},
	"Query_CreatedAgain_StandsAtItsNewPlace": func(x *suite) {
		in := store.Indexes{"p": {"1"}}
		x.put(store.Commit{Key: key("a"), Indexes: in})
		x.put(store.Commit{Key: key("b"), Indexes: in})
		x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true})
		x.put(store.Commit{Key: key("a"), Indexes: in})
		require.Equal(x, []string{"b", "a"}, x.ids(store.Query{Kind: "thing", Order: store.OrderCreated, Where: []store.Term{{Index: "p", Value: "1"}}}))
	},
	"Query_Paged_ReturnsEachOnceInEveryOrder": func(x *suite) {
		var want []string
		for i := range 25 {
			x.put(store.Commit{Key: key(name(i)), Indexes: store.Indexes{"p": {"1"}, "n": {fmt.Sprint("x", i)}}})
			want = append(want, name(i))
		}
		backward := slices.Clone(want)
		slices.Reverse(backward)
		for _, limit := range []int{1, 5, 7, 25, 26} {
			for _, where := range [][]store.Term{nil, {{Index: "p", Value: "1"}}} {
				for _, prefix := range []*store.Term{nil, {Index: "n", Value: "x"}} {
					q := store.Query{Kind: "thing", Limit: limit, Where: where, Prefix: prefix}
					require.Equal(x, want, x.ids(q))
					q.Order = store.OrderCreated
					require.Equal(x, want, x.ids(q))
					q.Order = store.OrderCreatedDesc
					require.Equal(x, backward, x.ids(q))
				}
			}
		}
	},
	"Query_LastPageIsFull_HasNoNext": func(x *suite) {
		for i := range 4 {
			x.put(store.Commit{Key: key(name(i))})
		}
		p, err := x.Store.Query(context.Background(), store.Query{Kind: "thing", Limit: 4})
		require.NoError(x, err)
		require.Len(x, p.Records, 4)
		require.Empty(x, p.Next)
	},
	"Query_WrittenBetweenPages_WhatStaysIsReturnedOnce": func(x *suite) {
		for _, order := range []store.Order{store.OrderID, store.OrderCreated, store.OrderCreatedDesc} {
			kind := fmt.Sprint("kind", order)
			at := func(id string) store.Key { return store.Key{Kind: kind, ID: id} }
			in := store.Indexes{"p": {"1"}}
			for i := range 40 {
				x.put(store.Commit{Key: at(name(i)), Indexes: in})
			}
			seen := map[string]int{}
			q := store.Query{Kind: kind, Order: order, Where: []store.Term{{Index: "p", Value: "1"}}, Limit: 4}
			for round := 0; ; round++ {
				p, err := x.Store.Query(context.Background(), q)
				require.NoError(x, err)
				for _, r := range p.Records {
					seen[r.ID]++
				}
				if p.Next == "" {
					break
				}
				q.Cursor = p.Next
				if round < 8 {
					x.put(store.Commit{Key: at(fmt.Sprintf("new-%d", round)), Indexes: in})                       // in front of or behind it
					x.put(store.Commit{Key: at(fmt.Sprintf("zz-%d", round)), Indexes: in})                        // behind it by id
					x.put(store.Commit{Key: at(name(round)), Expected: 1, Delete: true})                          // often returned already
					x.put(store.Commit{Key: at(name(39 - round)), Expected: 1, Delete: true})                     // often still to come
					x.put(store.Commit{Key: at(name(12 + round)), Expected: 1, Indexes: in, State: state(round)}) // changed only
				}
			}
			for i := 8; i < 32; i++ {
				require.Equal(x, 1, seen[name(i)], "%s in order %d", name(i), order)
			}
			for id, n := range seen {
				require.Equal(x, 1, n, id)
			}
		}
	},
	"Query_ForeignCursor_IsRefused": func(x *suite) {
		for i := range 3 {
			x.put(store.Commit{Key: key(name(i))})
		}
		p, err := x.Store.Query(context.Background(), store.Query{Kind: "thing", Limit: 1})
		require.NoError(x, err)
		for _, q := range []store.Query{
			{Kind: "other", Cursor: p.Next},
			{Kind: "thing", Cursor: p.Next, Order: store.OrderCreated},
			{Kind: "thing", Cursor: "nonsense"},
			{Kind: "thing", Cursor: strings.Repeat("A", 12)},
		} {
			_, err := x.Store.Query(context.Background(), q)
			require.ErrorIs(x, err, store.ErrCursor)
		}
	},
	"Query_Limits_AreDefaultAndMost": func(x *suite) {
		errs := together(store.MaxLimit+1, func(i int) error {
			_, err := x.Store.Commit(context.Background(), store.Commit{Key: key(name(i)), State: []byte(`{}`)})
			return err
		})
		for _, err := range errs {
			require.NoError(x, err)
		}
		p, err := x.Store.Query(context.Background(), store.Query{Kind: "thing"})
		require.NoError(x, err)
		require.Len(x, p.Records, store.DefaultLimit)
		p, err = x.Store.Query(context.Background(), store.Query{Kind: "thing", Limit: 1 << 20})
		require.NoError(x, err)
		require.Len(x, p.Records, store.MaxLimit)
		require.NotEmpty(x, p.Next)
	},
	"Query_Malformed_IsInvalid": func(x *suite) {
		for _, q := range []store.Query{{}, {Kind: "thing", Limit: -1}, {Kind: "thing", Order: 7}} {
			_, err := x.Store.Query(context.Background(), q)
			require.ErrorIs(x, err, store.ErrInvalid)
		}
	},
}
