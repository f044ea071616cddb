package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

var timers = map[string]func(*suite){
	"Claim_OnlyWhatIsDue_LongestDueFirst": func(x *suite) {
		x.put(store.Commit{Key: key("late"), WakeAt: start.Add(time.Second)})
		x.put(store.Commit{Key: key("b"), WakeAt: start})
		x.put(store.Commit{Key: key("a"), WakeAt: start.Add(-time.Second)})
		x.put(store.Commit{Key: key("none")})
		x.put(store.Commit{Key: store.Key{Kind: "other", ID: "o"}, WakeAt: start})
		require.Equal(x, []string{"a", "b"}, x.claim(start, time.Minute, 10), "a moment that is now is due")
	},
	"Claim_HidesForTheLeaseAndComesBackAfterIt": func(x *suite) {
		x.put(store.Commit{Key: key("a"), WakeAt: start, State: []byte(`1`), Indexes: store.Indexes{"x": {"1"}}})
		before := x.get(key("a"))
		records, err := x.Store.ClaimDue(context.Background(), "thing", start, time.Minute, 10)
		require.NoError(x, err)
		require.Len(x, records, 1)
		before.WakeAt = start.Add(time.Minute)
		require.Equal(x, before, records[0], "all but the timer is as it was")
		require.Equal(x, before, x.get(key("a")))
		require.Empty(x, x.claim(start.Add(time.Minute-1), time.Minute, 10))
		require.Equal(x, []string{"a"}, x.claim(start.Add(time.Minute), time.Minute, 10))
	},
	"Claim_Limit_TakesTheLongestDue": func(x *suite) {
		for i := range 5 {
			x.put(store.Commit{Key: key(name(i)), WakeAt: start.Add(-time.Duration(i) * time.Second)})
		}
		require.Equal(x, []string{name(4), name(3)}, x.claim(start, time.Minute, 2))
		require.Equal(x, []string{name(2), name(1), name(0)}, x.claim(start, time.Minute, 9))
		require.Empty(x, x.claim(start, time.Minute, 0))
	},
	"Claim_CommitAfterwards_OverridesTheLease": func(x *suite) {
		x.put(store.Commit{Key: key("a"), WakeAt: start})
		x.put(store.Commit{Key: key("b"), WakeAt: start})
		require.Equal(x, []string{"a", "b"}, x.claim(start, time.Minute, 10))
		x.put(store.Commit{Key: key("a"), Expected: 1, WakeAt: start.Add(time.Second)})
		x.put(store.Commit{Key: key("b"), Expected: 1})
		require.Equal(x, []string{"a"}, x.claim(start.Add(time.Hour), time.Minute, 10))
	},
	"NextWake_IsTheEarliestOfItsKind": func(x *suite) {
		next := func() (time.Time, bool) {
			at, ok, err := x.Store.NextWake(context.Background(), "thing")
			require.NoError(x, err)
			return at, ok
		}
		_, ok := next()
		require.False(x, ok)
		x.put(store.Commit{Key: store.Key{Kind: "other", ID: "o"}, WakeAt: start.Add(-time.Hour)})
		x.put(store.Commit{Key: key("b"), WakeAt: start.Add(time.Second)})
		x.put(store.Commit{Key: key("a"), WakeAt: start})
		at, ok := next()
		require.True(x, ok)
		require.Equal(x, start, at)
		x.claim(start, time.Minute, 1)
		at, _ = next()
		require.Equal(x, start.Add(time.Second), at)
		x.put(store.Commit{Key: key("a"), Expected: 1, Delete: true})
		x.put(store.Commit{Key: key("b"), Expected: 1})
		_, ok = next()
		require.False(x, ok)
	},
}
