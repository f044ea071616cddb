package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/libs/store"
)

// againstModel does random things to a store and to a few maps, and compares.
// Each check has a kind of its own in the one store.
func againstModel(t *testing.T, s store.Store) {
	t.Helper()
	checks := 0
	rapid.Check(t, func(r *rapid.T) {
		checks++
		m := &model{store: s, kind: fmt.Sprint("model-", checks), things: map[string]*thing{}}
		r.Repeat(map[string]func(*rapid.T){
			"commit": m.commit,
			"claim":  m.claim,
			"query":  m.query,
			"":       m.compare,
		})
	})
}

// thing is what one aggregate should be; a deleted one keeps version and marks.
type thing struct {
	version int64
	gone    bool
	state   string
	label   []string
	wake    time.Time
	marks   map[string]bool
}

type model struct {
	store  store.Store
	kind   string
	things map[string]*thing
}

var (
	someIDs    = rapid.SampledFrom([]string{"a", "b", "b/1", "ä"})
	someLabels = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "xy", "y"}), 0, 3)
	someMarks  = rapid.SliceOfN(rapid.SampledFrom([]string{"m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"}), 0, 2)
	someTimes  = rapid.IntRange(0, 4)
	someLimits = rapid.IntRange(1, 4)
)

func moment(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

func (m *model) at(id string) *thing {
	if m.things[id] == nil {
		m.things[id] = &thing{gone: true, marks: map[string]bool{}}
	}
	return m.things[id]
}

func (m *model) commit(r *rapid.T) {
	id := someIDs.Draw(r, "id")
	now := m.at(id)
	c := store.Commit{
		Key:      store.Key{Kind: m.kind, ID: id},
		Expected: max(0, now.version-int64(rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(r, "stale"))),
		State:    state(rapid.IntRange(0, 9).Draw(r, "state")),
		Delete:   rapid.IntRange(0, 4).Draw(r, "delete") == 0,
		Indexes:  store.Indexes{"label": someLabels.Draw(r, "labels")},
		Marks:    someMarks.Draw(r, "marks"),
	}
	if rapid.Bool().Draw(r, "zero") {
		c.Expected = 0
	}
	if n := someTimes.Draw(r, "wake"); n > 0 {
		c.WakeAt = moment(n)
	}
	version, err := m.store.Commit(context.Background(), c)

	var marked *store.MarkedError
	var conflict *store.ConflictError
	switch {
	case slices.ContainsFunc(c.Marks, func(mark string) bool { return now.marks[mark] }):
		require.ErrorAs(r, err, &marked)
		return
	case c.Expected != now.version && (c.Expected != 0 || !now.gone):
		require.ErrorAs(r, err, &conflict)
		require.Equal(r, now.version, conflict.Actual)
		return
	}
	require.NoError(r, err)
	require.Equal(r, now.version+1, version)
	now.version, now.gone, now.state, now.label, now.wake = version, c.Delete, string(c.State), c.Indexes["label"], c.WakeAt
	if c.Delete {
		now.label, now.wake = nil, time.Time{}
	}
	for _, mark := range c.Marks {
		now.marks[mark] = true
	}
}

func (m *model) claim(r *rapid.T) {
	now, limit := moment(someTimes.Draw(r, "now")), someLimits.Draw(r, "limit")
	var want []string
	for _, id := range m.order() {
		if x := m.things[id]; !x.wake.IsZero() && !x.wake.After(now) {
			want = append(want, id)
		}
	}
	slices.SortStableFunc(want, func(a, b string) int { return m.things[a].wake.Compare(m.things[b].wake) })
	want = want[:min(limit, len(want))]
	records, err := m.store.ClaimDue(context.Background(), m.kind, now, 90*time.Second, limit)
	require.NoError(r, err)
	require.Len(r, records, len(want))
	for i, record := range records {
		require.Equal(r, m.things[want[i]].wake, m.things[record.ID].wake, "the longest due first")
	}
	for _, record := range records {
		m.things[record.ID].wake = now.Add(90 * time.Second)
	}
}

func (m *model) query(r *rapid.T) {
	q := store.Query{Kind: m.kind, Limit: someLimits.Draw(r, "limit")}
	if rapid.Bool().Draw(r, "where") {
		q.Where = []store.Term{{Index: "label", Value: rapid.SampledFrom([]string{"x", "xy", "y"}).Draw(r, "value")}}
	}
	if rapid.Bool().Draw(r, "prefixed") {
		q.Prefix = &store.Term{Index: "label", Value: rapid.SampledFrom([]string{"", "x", "xy", "xyz"}).Draw(r, "prefix")}
	}
	want := []string{}
	for _, id := range m.order() {
		x := m.things[id]
		matches := !x.gone && (q.Where == nil || slices.Contains(x.label, q.Where[0].Value)) &&
			(q.Prefix == nil || slices.ContainsFunc(x.label, func(v string) bool { return strings.HasPrefix(v, q.Prefix.Value) }))
		if matches {
			want = append(want, id)
		}
	}
	got := []string{}
	for {
		page, err := m.store.Query(context.Background(), q)
		require.NoError(r, err)
		for _, record := range page.Records {
			got = append(got, record.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	require.Equal(r, want, got)
}

// compare looks at everything after each step.
func (m *model) compare(r *rapid.T) {
	ctx := context.Background()
	var next time.Time
	for id, x := range m.things {
		record, err := m.store.Get(ctx, store.Key{Kind: m.kind, ID: id})
		if x.gone {
			require.True(r, errors.Is(err, store.ErrNotFound))
			require.Equal(r, x.version, record.Version)
			continue
		}
		require.NoError(r, err)
		require.Equal(r, x.version, record.Version)
		require.Equal(r, x.state, string(record.State))
		require.Equal(r, x.wake, record.WakeAt)
		if !x.wake.IsZero() && (next.IsZero() || x.wake.Before(next)) {
			next = x.wake
		}
	}
	at, ok, err := m.store.NextWake(ctx, m.kind)
	require.NoError(r, err)
	require.Equal(r, !next.IsZero(), ok)
	if ok {
		require.Equal(r, next, at)
	}
}

// order is the ids as the store orders them.
func (m *model) order() []string { return slices.Sorted(maps.Keys(m.things)) }
