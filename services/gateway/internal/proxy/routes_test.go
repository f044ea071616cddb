package proxy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-idp/slipway/services/gateway/internal/proxy"
)

// ours are paths that an owner serves and the gateway answers by more than one
// of them, or by itself.
func ours(path string) bool {
	for _, p := range []string{"/healthz", "/readyz", "/metrics", "/openapi.yaml", "/documents/", "/schemas/", "/api/v1/operations", "/api/v1/sagas"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

func TestOwnerOf_EveryPathInAnOwnersDocument_IsPassedToIt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../*/openapi.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		if name == "gateway" {
			continue
		}
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var doc struct{ Paths map[string]any }
		require.NoError(t, yaml.Unmarshal(raw, &doc), file)
		for path := range doc.Paths {
			if ours(path) {
				continue
			}
			owner, ok := proxy.OwnerOf(path)
			require.True(t, ok, "%s of %s is passed to nobody: add it to routes.go", path, name)
			require.Equal(t, name, owner, path)
		}
	}
}

func TestOwnerOf_PathsOfNobody(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/documents/apply", "/api/v1/", "/api/v1/nonsense", "/api/v1/projects/shop/nonsense", "/api/v2/projects"} {
		_, ok := proxy.OwnerOf(path)
		require.False(t, ok, path)
	}
}

func TestOwnerOfSaga_ByTheBeginningOfItsID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"env-1": "provisioner", "res-1": "provisioner", "dpl-1": "deployer", "run-1": "deployer", "apl-1": "", "x": ""} {
		owner, _ := proxy.OwnerOfSaga(id)
		require.Equal(t, want, owner, id)
	}
}
