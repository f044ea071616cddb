package bleve

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
)

func all(entity.Ref) bool { return true }

func component(name, description string) entity.Entity {
	return entity.Entity{Kind: "Component", Metadata: entity.Metadata{Name: name, Description: description}, Spec: []byte(`{"owner":"team-a"}`)}
}

func find(t *testing.T, i *Index, text string) []string {
	t.Helper()
	refs, _, err := i.Find(t.Context(), text, all, 0, 100)
	require.NoError(t, err)
	names := []string{}
	for _, r := range refs {
		names = append(names, r.Name)
	}
	return names
}

func open(t *testing.T, entities ...entity.Entity) *Index {
	t.Helper()
	i, err := Open()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, i.Close()) })
	if len(entities) > 0 {
		require.NoError(t, i.Put(entities))
	}
	return i
}

func TestFind_EveryWordOrItsBeginning_NamesBeforeDescriptions(t *testing.T) {
	t.Parallel()
	i := open(t,
		component("storefront", "The page that shows orders to customers"),
		component("orders-api", "Takes them"),
		component("pay_gateway.v2", "Money"),
	)
	require.Equal(t, []string{"orders-api", "storefront"}, find(t, i, "orders"))
	require.Equal(t, []string{"orders-api", "storefront"}, find(t, i, "ORD"))
	require.Equal(t, []string{"storefront"}, find(t, i, "orders customer"))
	require.Equal(t, []string{"orders-api"}, find(t, i, "orders-api"))
	require.Equal(t, []string{"pay_gateway.v2"}, find(t, i, "gateway"))
	require.Len(t, find(t, i, "team-a"), 3)
	require.Empty(t, find(t, i, "orders nowhere"))
	require.Empty(t, find(t, i, " - "))
}

func TestFind_AfterChangeAndRemoval_SeesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	i := open(t, component("orders", "old words"))
	require.NoError(t, i.Put([]entity.Entity{component("orders", "new words")}))
	require.Empty(t, find(t, i, "old"))
	require.Equal(t, []string{"orders"}, find(t, i, "new"))
	require.NoError(t, i.Remove(entity.NewRef("Component", "", "orders")))
	require.Empty(t, find(t, i, "new"))
	require.NoError(t, i.Remove(entity.NewRef("Component", "", "never-was")))
}

func TestFind_Pages_GiveEachOnceAndSayWhetherThereIsMore(t *testing.T) {
	t.Parallel()
	var many []entity.Entity
	for n := range 450 {
		many = append(many, component(fmt.Sprintf("svc-%03d", n), ""))
	}
	i := open(t, many...)
	odd := func(r entity.Ref) bool { return (r.Name[len(r.Name)-1]-'0')%2 == 1 }
	seen := map[entity.Ref]bool{}
	for offset := 0; ; {
		refs, more, err := i.Find(t.Context(), "svc", odd, offset, 100)
		require.NoError(t, err)
		for _, r := range refs {
			require.False(t, seen[r])
			seen[r] = true
		}
		offset += len(refs)
		if !more {
			break
		}
	}
	require.Len(t, seen, 225)
}
