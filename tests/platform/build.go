package platform

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Binaries are built once per test binary, into a folder that Main removes.
type Binaries struct {
	dir   string
	mu    sync.Mutex
	built map[string]func() (string, error)
}

// Main runs the tests of a package with binaries to use, and is what its
// TestMain calls:
//
//	func TestMain(m *testing.M) { os.Exit(platform.Main(m, &binaries)) }
func Main(m *testing.M, into **Binaries) int {
	dir, err := os.MkdirTemp("", "slipway-tests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	*into = &Binaries{dir: dir, built: map[string]func() (string, error){}}
	return m.Run()
}

// repository is the root of the source tree that this file belongs to.
func repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Slipway is the path of the platform's binary. SLIPWAY_BINARY names one that
// is to be tested as it is.
func (b *Binaries) Slipway(t testing.TB) string {
	t.Helper()
	if given := os.Getenv("SLIPWAY_BINARY"); given != "" {
		return given
	}
	return b.build(t, "slipway", "tools/slipway", ".", true)
}

// Orders is a release of the example shop's program: v1, v2 or v3.
func (b *Binaries) Orders(t testing.TB, release string) string {
	t.Helper()
	return b.build(t, "orders-"+release, "deploy/examples/shop/orders", "./cmd/"+release, false)
}

// Program is the test's own workload; see tests/program.
func (b *Binaries) Program(t testing.TB) string {
	t.Helper()
	return b.build(t, "program", "tests", "./program", true)
}

// build compiles a package of a module, in the workspace or, where the module
// is outside of it, alone.
func (b *Binaries) build(t testing.TB, name, module, pkg string, workspace bool) string {
	t.Helper()
	b.mu.Lock()
	once, ok := b.built[name]
	if !ok {
		once = sync.OnceValues(func() (string, error) {
			out := filepath.Join(b.dir, name)
			cmd := exec.Command("go", "build", "-o", out, pkg)
			cmd.Dir = filepath.Join(repository(), module)
			if !workspace {
				cmd.Env = append(os.Environ(), "GOWORK=off")
			}
			if text, err := cmd.CombinedOutput(); err != nil {
				return "", fmt.Errorf("build %s in %s: %w\n%s", pkg, module, err, text)
			}
			return out, nil
		})
		b.built[name] = once
	}
	b.mu.Unlock()
	path, err := once()
	require.NoError(t, err)
	return path
}
