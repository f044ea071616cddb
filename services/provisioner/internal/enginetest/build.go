package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// Build builds the fake engine and the runner as one small program, for a test
// package that starts many of them, and returns its path.
func Build(dir string) (string, error) {
	program := filepath.Join(dir, "runs-of-tests")
	cmd := exec.Command("go", "build", "-o", program, "github.com/slipway-idp/slipway/services/provisioner/internal/enginetest/program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the fake engine: %w: %s", err, out)
	}
	return program, nil
}

// Link puts an engine that Build built into a folder, as Install does.
func Link(t testing.TB, program, dir string, kind engine.Kind) string {
	t.Helper()
	path := filepath.Join(dir, string(kind))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.Symlink(program, path))
	return path
}
