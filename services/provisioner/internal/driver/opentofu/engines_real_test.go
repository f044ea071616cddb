//go:build engines

package opentofu_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

func engines(t *testing.T) []engine.Engine {
	t.Helper()
	all, err := (&engine.Finder{Path: os.Getenv("PATH"), Beside: os.Getenv("SLIPWAY_ENGINES")}).All(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, all, engine.ErrNone.Error())
	return all
}
