package mongo

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var databases sync.Map // store → database
			open := func(t testing.TB, d database) store.Store {
				opened := d.open(t)
				databases.Store(store.Store(opened), d)
				return opened
			}
			features := storetest.Features{
				Concurrent: s.real,
				Reopen: func(t testing.TB, s store.Store) store.Store {
					d, _ := databases.Load(s)
					require.NoError(t, s.Close())
					return open(t, d.(database))
				},
				Report: func(line string) { say("%s", line) },
			}
			if !s.real {
				features.Because = "FerretDB's conditional updates are not atomic between clients: they are proven on a real MongoDB only (" + variable + ", or Docker)"
			}
			storetest.Run(t, func(t testing.TB) store.Store { return open(t, fresh(t, s)) }, features)
		})
	}
}
