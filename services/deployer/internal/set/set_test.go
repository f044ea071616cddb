package set_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/services/deployer/internal/set"
)

func entry(v string) set.Entry {
	return set.Entry{Artifact: "orders@sha256:" + v, Score: "sha256:" + v}
}

func TestDigest_SameContent_SameDigest(t *testing.T) {
	t.Parallel()
	a := set.Set{Project: "shop", Environment: "dev", Workloads: map[string]set.Entry{"orders": entry("1"), "storefront": entry("2")}}
	b := set.Set{Project: "shop", Environment: "dev"}.Apply(set.Delta{Put: map[string]set.Entry{"storefront": entry("2")}}).
		Apply(set.Delta{Put: map[string]set.Entry{"orders": entry("1")}})
	da, err := a.Digest()
	require.NoError(t, err)
	db, err := b.Digest()
	require.NoError(t, err)
	require.Equal(t, da, db)
	require.Len(t, da, 64)
	c, err := a.Apply(set.Delta{Put: map[string]set.Entry{"orders": entry("3")}}).Digest()
	require.NoError(t, err)
	require.NotEqual(t, da, c)
}

func TestDiff_EachKindOfChange_IsALine(t *testing.T) {
	t.Parallel()
	from := set.Set{Workloads: map[string]set.Entry{"gone": entry("1"), "orders": entry("1"), "same": entry("9")}}
	to := from.Apply(set.Delta{Put: map[string]set.Entry{"orders": entry("2"), "new": entry("1")}, Remove: []string{"gone"}})
	var lines []string
	for _, c := range set.Diff(from, to) {
		lines = append(lines, c.String())
	}
	require.Equal(t, []string{"- gone orders@sha256:1", "+ new orders@sha256:1",
		"~ orders artifact: orders@sha256:1 → orders@sha256:2", "~ orders score: sha256:1 → sha256:2"}, lines)
}

func TestDiff_NoDifference_IffSameDigest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) set.Set {
			s := set.Set{Workloads: map[string]set.Entry{}}
			for i := range rapid.IntRange(0, 3).Draw(t, label) {
				s.Workloads[fmt.Sprint("w", i)] = entry(fmt.Sprint(rapid.IntRange(0, 1).Draw(t, label)))
			}
			return s
		}
		a, b := draw("a"), draw("b")
		da, _ := a.Digest()
		db, _ := b.Digest()
		require.Equal(t, da == db, len(set.Diff(a, b)) == 0)
	})
}
