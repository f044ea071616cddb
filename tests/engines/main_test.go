//go:build engines

// Package engines runs Slipway with the real OpenTofu and Terraform, and with a
// provider whose things are really there (tests/provider). It needs an engine:
// make test-engines.
package engines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-idp/slipway/tests/platform"
)

var (
	binaries *platform.Binaries
	mirror   string   // folder: a filesystem mirror with the tests' provider
	found    []engine // on this machine
)

// engine is one that the cases run on.
type engine struct{ name, path string }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), os.Getenv("SLIPWAY_ENGINES")) {
		for _, name := range []string{"tofu", "terraform"} {
			add(name, filepath.Join(dir, name))
		}
	}
	// As the platform prefers them.
	slices.SortStableFunc(found, func(a, b engine) int { return strings.Compare(b.name, a.name) })
	if len(found) == 0 {
		fmt.Fprintln(os.Stderr, "tests/engines needs an engine: run make opentofu, or install OpenTofu (tofu) or Terraform (terraform) on PATH.")
		return 1
	}
	for _, e := range found {
		fmt.Printf("engine: %s (%s)\n", e.name, e.path)
	}
	dir, err := os.MkdirTemp("", "slipway-engines-")
	if err == nil {
		defer os.RemoveAll(dir)
		mirror, err = provider(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return platform.Main(m, &binaries)
}

// add takes the first of each name; a link to one that is there already is none.
func add(name, path string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return
	}
	for _, e := range found {
		if e.name == name {
			return
		}
	}
	if real, err = filepath.Abs(real); err == nil {
		found = append(found, engine{name, real})
	}
}

// provider builds the tests' provider into a mirror, which any user may read.
func provider(dir string) (string, error) {
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	out := filepath.Join(dir, "mirror", "slipway.test", "fleet", "yard", "1.0.0", runtime.GOOS+"_"+runtime.GOARCH, "terraform-provider-yard_v1.0.0")
	_, file, _, _ := runtime.Caller(0)
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", out, ".")
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "provider")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the provider: %w\n%s", err, text)
	}
	return filepath.Join(dir, "mirror"), nil
}

// onEach runs a case on every engine there is.
func onEach(t *testing.T, do func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range found {
		t.Run(e.name, func(t *testing.T) { do(t, e) })
	}
}
