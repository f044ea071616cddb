package tell_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

func TestAgo_SaysWhatPeopleSay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		0: "just now", 7 * time.Second: "7 s ago", 61 * time.Second: "1 min ago", 90 * time.Minute: "1 h 30 min ago", 3 * time.Hour: "3 h ago",
		26 * time.Hour: "26 h ago", 50 * time.Hour: "2 days ago", 40 * 24 * time.Hour: "14 Oct 2026", -2 * time.Hour: "in 2 h",
	} {
		require.Equal(t, want, tell.Ago(now.Add(-ago), now), ago.String())
	}
	require.Equal(t, "never", tell.Ago(time.Time{}, now))
	require.Equal(t, "now", tell.In(now, now))
}

func TestSpan_HasTheUnitThatMatters(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{12 * time.Millisecond: "12 ms", 5600 * time.Millisecond: "5.6 s", 125 * time.Second: "2 min 5 s", 90 * time.Minute: "1 h 30 min", -1: ""} {
		require.Equal(t, want, tell.Span(d))
	}
}

func TestNames_AreWhatOneCompares(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v2", tell.Release("orders:v2", "orders@sha256:abcdef0123"))
	require.Equal(t, "1111111", tell.Release("orders:1111111111111111111111111111111111111111", ""))
	require.Equal(t, "abcdef", tell.Release("", "orders@sha256:abcdef0123"))
	require.Equal(t, "ada", tell.Name("user:default/ada"))
	require.Equal(t, "ci", tell.Name("service:ci"))
	require.Equal(t, "orders@abcdef", tell.Brief("orders@sha256:abcdef0123"))
	require.Equal(t, "a, b and c", tell.And([]string{"a", "b", "c"}))
	require.Equal(t, "no runs", tell.Count(0, "run", "runs"))
	require.Equal(t, []string{"x   (3 times)", "y"}, tell.Folded([]string{"x", "x", "x", "y"}))
}
