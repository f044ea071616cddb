package sqlite_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/libs/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	var paths sync.Map // store → path
	at := func(t testing.TB, path string) store.Store {
		s, err := sqlite.Open(context.Background(), path, sqlite.Options{})
		require.NoError(t, err)
		paths.Store(store.Store(s), path)
		return s
	}
	storetest.Run(t, func(t testing.TB) store.Store {
		return at(t, filepath.Join(t.TempDir(), "store.db"))
	}, storetest.Features{
		Concurrent: true,
		Reopen: func(t testing.TB, s store.Store) store.Store {
			require.NoError(t, s.Close())
			path, _ := paths.Load(s)
			return at(t, path.(string))
		},
	})
}
