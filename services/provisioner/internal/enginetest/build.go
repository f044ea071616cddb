package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// Program is the fake engine and the runner as one small program, for a test
// package that starts many of them: the test binary takes long to begin, with
// the race detector above all. It is built when it is first asked for.
//
//	var program enginetest.Program
//
//	func TestMain(m *testing.M) { os.Exit(program.Main(m)) }
type Program struct {
	once sync.Once
	dir  string
	err  error
}

// Main runs a package's tests and removes what was built for them.
func (p *Program) Main(m *testing.M) int {
	code := m.Run()
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
	return code
}

// Path of the program, which every user may start.
func (p *Program) Path(t testing.TB) string {
	t.Helper()
	p.once.Do(p.build)
	require.NoError(t, p.err)
	return p.path()
}

func (p *Program) path() string { return filepath.Join(p.dir, "runs-of-tests") }

func (p *Program) build() {
	if p.dir, p.err = os.MkdirTemp("", "slipway-engine-"); p.err != nil {
		return
	}
	if p.err = os.Chmod(p.dir, 0o755); p.err != nil {
		return
	}
	cmd := exec.Command("go", "build", "-o", p.path(), "github.com/slipway-idp/slipway/services/provisioner/internal/enginetest/program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.err = fmt.Errorf("building the fake engine: %w: %s", err, out)
	}
}

// Install puts it into a folder as an engine, as the function of that name does.
func (p *Program) Install(t testing.TB, dir string, kind engine.Kind) string {
	t.Helper()
	path := filepath.Join(dir, string(kind))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.Symlink(p.Path(t), path))
	return path
}
