package relation

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
)

func described(kind, name string, spec map[string]any) entity.Entity {
	raw, _ := json.Marshal(spec)
	return entity.Entity{Kind: kind, Metadata: entity.Metadata{Name: name}, Spec: raw}
}

func put(g *Graph, e entity.Entity) { g.Put(e.Ref(), e.Relations()) }

func ref(text string) entity.Ref {
	r, err := entity.ParseRef(text, "")
	if err != nil {
		panic(err)
	}
	return r
}

func TestGraph_StatedByBothSides_IsOneRelationUntilNeitherStatesIt(t *testing.T) {
	t.Parallel()
	g := NewGraph()
	put(g, described("User", "ada", map[string]any{"memberOf": []string{"team"}}))
	require.Equal(t, []Arrow{{entity.MemberOf, ref("group:team"), true}}, g.Of(ref("user:ada")), "the team is not there yet")
	require.Equal(t, []Arrow{{entity.HasMember, ref("user:ada"), false}}, g.Of(ref("group:team")))

	put(g, described("Group", "team", map[string]any{"members": []string{"ada", "user:default/ada"}}))
	require.Equal(t, []Arrow{{entity.MemberOf, ref("group:team"), false}}, g.Of(ref("user:ada")))

	put(g, described("User", "ada", nil))
	require.Equal(t, []Arrow{{entity.MemberOf, ref("group:team"), false}}, g.Of(ref("user:ada")), "the team still says so")

	g.Remove(ref("user:ada"))
	require.Equal(t, []Arrow{{entity.HasMember, ref("user:ada"), true}}, g.Of(ref("group:team")))

	put(g, described("Group", "team", nil))
	require.Empty(t, g.Of(ref("group:team")))
	require.Empty(t, g.Of(ref("user:ada")))
	require.Empty(t, g.arrows, "nothing is kept of what nobody states")
}

// However a graph came to be, it equals the one that is made anew from what is
// there, and every arrow has its counterpart.
func TestGraph_AnyHistory_EqualsARebuiltOneAndIsPaired(t *testing.T) {
	t.Parallel()
	pairs := map[string]string{}
	for _, p := range [][2]string{
		{entity.OwnedBy, entity.OwnerOf}, {entity.PartOf, entity.HasPart}, {entity.DependsOn, entity.DependencyOf},
		{entity.MemberOf, entity.HasMember}, {entity.ParentOf, entity.ChildOf},
	} {
		pairs[p[0]], pairs[p[1]] = p[1], p[0]
	}
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c"}
		some := rapid.SliceOfN(rapid.SampledFrom(names), 0, 3)
		live, there := NewGraph(), map[entity.Ref]entity.Entity{}
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			name := rapid.SampledFrom(names).Draw(t, "name")
			var e entity.Entity
			switch rapid.SampledFrom([]string{"User", "Group", "Component"}).Draw(t, "kind") {
			case "User":
				e = described("User", name, map[string]any{"memberOf": some.Draw(t, "groups")})
			case "Group":
				e = described("Group", name, map[string]any{"members": some.Draw(t, "members"), "children": some.Draw(t, "children"), "parent": rapid.SampledFrom(names).Draw(t, "parent")})
			default:
				e = described("Component", name, map[string]any{"owner": rapid.SampledFrom(names).Draw(t, "owner"), "subcomponentOf": rapid.SampledFrom(names).Draw(t, "part")})
			}
			if rapid.Bool().Draw(t, "put") {
				put(live, e)
				there[e.Ref()] = e
			} else {
				live.Remove(e.Ref())
				delete(there, e.Ref())
			}
		}
		rebuilt := NewGraph()
		for _, e := range there {
			put(rebuilt, e)
		}
		require.Equal(t, rebuilt.arrows, live.arrows)
		require.Equal(t, rebuilt.stated, live.stated)
		for from := range live.arrows {
			for _, a := range live.Of(from) {
				require.Contains(t, live.Targets(a.Target, pairs[a.Type]), from)
			}
		}
	})
}
