package definition_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
)

func redis(name string, match ...definition.Criteria) definition.Definition {
	return definition.Definition{Name: name, Spec: definition.Spec{Type: "redis", Driver: "local", Match: match}}
}

func cache() definition.Subject {
	return definition.Subject{Resource: "cache", Type: "redis", Class: "default", Project: "shop", Environment: "dev", EnvironmentType: "development", Workload: "orders"}
}

func TestMatch_MoreSpecific_Wins(t *testing.T) {
	t.Parallel()
	all := []definition.Definition{
		redis("any"),
		redis("by-class", definition.Criteria{Class: "default"}),
		redis("by-type", definition.Criteria{EnvironmentType: "development"}),
		redis("by-project", definition.Criteria{Project: "shop"}),
		redis("by-env", definition.Criteria{Environment: "dev"}),
		redis("by-workload", definition.Criteria{Workload: "orders"}),
		redis("by-id", definition.Criteria{ID: "one"}),
	}
	s := cache()
	s.ID = "one"
	for i := len(all); i > 0; i-- {
		got, err := definition.Match(all[:i], s)
		require.NoError(t, err)
		require.Equal(t, all[i-1].Name, got.Name)
	}
}

func TestMatch_OneOfAProject_BeatsOneForAllAndIsInvisibleToOthers(t *testing.T) {
	t.Parallel()
	own := redis("own")
	own.Project = "shop"
	got, err := definition.Match([]definition.Definition{redis("all"), own}, cache())
	require.NoError(t, err)
	require.Equal(t, "own", got.Name)
	s := cache()
	s.Project = "bank"
	x := definition.Explain([]definition.Definition{redis("all"), own}, s)
	require.Equal(t, "all", x.Winner)
	require.Len(t, x.Candidates, 1)
}

func TestMatch_Tie_NamesBoth(t *testing.T) {
	t.Parallel()
	_, err := definition.Match([]definition.Definition{
		redis("b", definition.Criteria{Environment: "dev"}), redis("a", definition.Criteria{Environment: "dev"}), redis("c"),
	}, cache())
	require.ErrorContains(t, err, "a and b are equally good for resource cache (type redis, class default)")
	var no *definition.NoMatchError
	require.ErrorAs(t, err, &no)
}

func TestMatch_None_NamesEveryDefinitionConsideredAndWhyNot(t *testing.T) {
	t.Parallel()
	s3 := definition.Definition{Name: "bucket", Spec: definition.Spec{Type: "s3"}}
	_, err := definition.Match([]definition.Definition{
		s3, redis("prod", definition.Criteria{EnvironmentType: "production"}, definition.Criteria{ID: "x", Class: "big"}),
	}, cache())
	require.ErrorContains(t, err, "bucket (it is for type s3, not redis)")
	require.ErrorContains(t, err, "prod (it wants environmentType production, not development; or it wants id x, and the resource has none, it wants class big, not default)")
	_, err = definition.Match(nil, cache())
	require.ErrorContains(t, err, "there are no definitions at all")
}

func TestExplain_AnyOrderOfDefinitions_SameAnswer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label, value string) string {
			return rapid.SampledFrom([]string{"", value, "other"}).Draw(t, label)
		}
		var all []definition.Definition
		for i := range rapid.IntRange(0, 6).Draw(t, "n") {
			all = append(all, redis(string(rune('a'+i)), definition.Criteria{
				Class: pick("class", "default"), Environment: pick("env", "dev"), Workload: pick("workload", "orders"),
			}))
		}
		x := definition.Explain(all, cache())
		y := definition.Explain(rapid.Permutation(all).Draw(t, "order"), cache())
		require.Equal(t, x.Winner, y.Winner)
		require.Equal(t, x.Reason, y.Reason)
		require.Equal(t, x.Candidates, y.Candidates)
		if x.Winner != "" {
			require.Equal(t, x.Winner, x.Candidates[0].Definition)
		}
	})
}

func TestCheck_BadSpec_EveryFaultHasItsPlace(t *testing.T) {
	t.Parallel()
	drivers := func(string) (definition.Driver, []string, bool) {
		return definition.Driver{}, []string{"local"}, false
	}
	faults := definition.Spec{Driver: "lokal", Requires: map[string]definition.Need{"n": {Type: "a b"}}}.Check(drivers)
	require.Len(t, faults, 3)
	require.Equal(t, "/driver", faults[0].Pointer)
	require.Contains(t, faults[0].Message, `no driver "lokal"; there is local`)
	require.Equal(t, "/requires/n", faults[1].Pointer)
	require.Equal(t, "/type", faults[2].Pointer)
}
