package inventory

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store/sqlite"

	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
)

// index is a Search that remembers what it holds and is worn after two writes.
type index struct {
	refs   map[entity.Ref]bool
	writes int
	closed bool
}

func (i *index) Put(es []entity.Entity) error {
	i.writes++
	for _, e := range es {
		i.refs[e.Ref()] = true
	}
	return nil
}
func (i *index) Remove(ref entity.Ref) error { i.writes++; delete(i.refs, ref); return nil }
func (i *index) Worn() bool                  { return i.writes > 2 }
func (i *index) Close() error                { i.closed = true; return nil }
func (i *index) Find(context.Context, string, func(entity.Ref) bool, int, int) ([]entity.Ref, bool, error) {
	return nil, false, nil
}

func TestRefresh_KnownAlready_IsNotIndexedAgain(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	search := &index{refs: map[entity.Ref]bool{}}
	in, err := New(NewRepository(s, "catalog", time.Now), func() (Search, error) { return search, nil })
	require.NoError(t, err)
	ada := entity.Entity{APIVersion: "backstage.io/v1alpha1", Kind: "User", Metadata: entity.Metadata{Name: "ada"}}
	_, _, _, err = in.Put(t.Context(), ada, events.Cause{})
	require.NoError(t, err)
	require.NoError(t, in.Refresh(t.Context(), ada.Ref()))
	require.NoError(t, in.Refresh(t.Context(), entity.NewRef("User", "", "nobody")))
	require.Equal(t, 1, search.writes)
}

func TestRefresh_WornSearch_IsMadeAnewFromTheRecord(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	var made []*index
	in, err := New(NewRepository(s, "catalog", time.Now), func() (Search, error) {
		made = append(made, &index{refs: map[entity.Ref]bool{}})
		return made[len(made)-1], nil
	})
	require.NoError(t, err)
	user := func(name string) entity.Entity {
		return entity.Entity{APIVersion: "backstage.io/v1alpha1", Kind: "User", Metadata: entity.Metadata{Name: name}}
	}
	for _, name := range []string{"ada", "bob"} {
		_, _, _, err := in.Put(t.Context(), user(name), events.Cause{})
		require.NoError(t, err)
	}
	require.Len(t, made, 1)
	require.NoError(t, in.Remove(t.Context(), user("bob").Ref(), nil, events.Cause{}))
	require.Len(t, made, 2)
	require.True(t, made[0].closed)
	require.Equal(t, map[entity.Ref]bool{user("ada").Ref(): true}, made[1].refs)
}
