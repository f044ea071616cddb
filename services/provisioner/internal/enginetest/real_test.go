//go:build engines

package enginetest_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// The fake is worth what it has in common with the real ones.
func TestReal_Module_BehavesAsTheFake(t *testing.T) {
	t.Parallel()
	all, err := (&engine.Finder{Path: os.Getenv("PATH"), Beside: os.Getenv("SLIPWAY_ENGINES")}).All(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, all, engine.ErrNone.Error())
	for _, e := range all {
		t.Run(e.String(), func(t *testing.T) { t.Parallel(); behaves(t, e.Path) })
	}
}
