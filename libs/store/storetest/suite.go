// Package storetest says in code what an adapter of libs/store must keep. An
// adapter joins with one test:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, openEmpty, storetest.Features{Reopen: reopen, Concurrent: true})
//	}
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

// Features say what the adapter's surroundings can show. What is not claimed is
// not run, which has to be said: the suite fails without a reason, and tells
// Report what it left out.
type Features struct {
	// Reopen closes the store and opens what it kept.
	Reopen func(t testing.TB, s store.Store) store.Store
	// Concurrent: conditional writes are atomic between clients.
	Concurrent bool
	// Because is why something above is missing, and where it is proven instead.
	Because string
	// Report takes a line per group of cases that is not run; nil: the test's log,
	// which go test shows with -v only.
	Report func(line string)
}

type cases = map[string]func(*suite)

// Run runs the suite. open makes an empty store each time; the suite closes it.
func Run(t *testing.T, open func(t testing.TB) store.Store, f Features) {
	t.Helper()
	groups := []cases{commits, marks, tombstones, queries, timers, outbox, closing}
	leave := func(what string, group cases) {
		require.NotEmpty(t, f.Because, "%s is not run: Features.Because must say why", what)
		line := fmt.Sprintf("not run: %d cases of %s (%s), because %s", len(group), what, strings.Join(slices.Sorted(maps.Keys(group)), ", "), f.Because)
		if f.Report == nil {
			t.Log(line)
			return
		}
		f.Report(line)
	}
	if f.Concurrent {
		groups = append(groups, concurrency)
	} else {
		leave("concurrency", concurrency)
	}
	if f.Reopen != nil {
		groups = append(groups, durability)
	} else {
		leave("durability", durability)
	}
	t.Run("Model_RandomSteps_StoreAndModelAgree", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		t.Cleanup(func() { _ = s.Close() })
		againstModel(t, s)
	})
	for _, group := range groups {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := open(t)
				x := &suite{T: t, Store: s, features: f}
				t.Cleanup(func() { _ = x.Store.Close() })
				test(x)
			})
		}
	}
}

// suite is one test's store and what it needs to speak briefly.
type suite struct {
	*testing.T
	Store    store.Store
	features Features
}

// start is a moment all tests agree on; stores keep nanoseconds.
var start = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

func key(id string) store.Key { return store.Key{Kind: "thing", ID: id} }

func state(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func message(id string) store.Message {
	return store.Message{ID: id, Subject: "evt.shop.made", Header: map[string][]string{"ce-id": {id}}, Body: []byte(`{"id":"` + id + `"}`)}
}

// put commits and expects it to succeed.
func (x *suite) put(c store.Commit) int64 {
	x.Helper()
	if c.State == nil && !c.Delete {
		c.State = []byte(`{}`)
	}
	v, err := x.Store.Commit(context.Background(), c)
	require.NoError(x, err)
	return v
}

// refuse commits and expects an error that target can hold.
func (x *suite) refuse(c store.Commit, target any) {
	x.Helper()
	if c.State == nil && !c.Delete {
		c.State = []byte(`{}`)
	}
	_, err := x.Store.Commit(context.Background(), c)
	require.ErrorAs(x, err, target)
}

func (x *suite) get(k store.Key) store.Record {
	x.Helper()
	r, err := x.Store.Get(context.Background(), k)
	require.NoError(x, err)
	return r
}

func (x *suite) marked(k store.Key, mark string) bool {
	x.Helper()
	ok, err := x.Store.Marked(context.Background(), k, mark)
	require.NoError(x, err)
	return ok
}

// ids runs a query over all its pages.
func (x *suite) ids(q store.Query) []string {
	x.Helper()
	ids := []string{}
	for {
		p, err := x.Store.Query(context.Background(), q)
		require.NoError(x, err)
		if q.Limit > 0 {
			require.LessOrEqual(x, len(p.Records), q.Limit)
		}
		for _, r := range p.Records {
			ids = append(ids, r.ID)
		}
		if p.Next == "" {
			return ids
		}
		require.NotEmpty(x, p.Records, "a page that has a next one is not empty")
		q.Cursor = p.Next
	}
}

func (x *suite) claim(now time.Time, lease time.Duration, limit int) []string {
	x.Helper()
	records, err := x.Store.ClaimDue(context.Background(), "thing", now, lease, limit)
	require.NoError(x, err)
	ids := []string{}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func (x *suite) pending() []store.Entry {
	x.Helper()
	e, err := x.Store.Outbox().Pending(context.Background(), 10_000)
	require.NoError(x, err)
	return e
}

func (x *suite) archive(after int64, limit int) []store.Entry {
	x.Helper()
	e, err := x.Store.Outbox().Archive(context.Background(), after, limit)
	require.NoError(x, err)
	return e
}

func (x *suite) reopen() {
	x.Helper()
	x.Store = x.features.Reopen(x.T, x.Store)
}

// together runs fn n times at once and returns what each returned.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			errs[i] = fn(i)
		})
	}
	close(begin)
	all.Wait()
	return errs
}

func name(i int) string { return fmt.Sprintf("t-%04d", i) }
