// Package enginetest is an infrastructure engine for tests that have none: a
// program that answers as OpenTofu and Terraform do, to the commands that the
// runner uses, over the real HTTP backend, with real states and real plan
// JSON. It reads a small part of the language (variables, locals, outputs,
// terraform_data with local-exec, and the yard_ship of the tests' provider)
// and says so about the rest.
//
// The program is the test binary itself, started by another name:
//
//	func TestMain(m *testing.M) { enginetest.Main(); os.Exit(m.Run()) }
//
//	path := enginetest.Install(t, dir, engine.Tofu)
//
// The module makes it fail, hang or die; see yard.
package enginetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// Versions that the program says it is.
const (
	TofuVersion      = "1.12.6"
	TerraformVersion = "1.11.4"
)

// Main is the engine when the process was started by its name, and then does
// not return. It goes by the name alone, since a runner's environment is
// empty.
func Main() {
	kind, ok := called(filepath.Base(os.Args[0]))
	if !ok {
		return
	}
	os.Exit(run(kind, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// called tells by a program's name which engine it is. A copy may have more in
// its name than the engine's.
func called(name string) (engine.Kind, bool) {
	if strings.HasSuffix(name, ".test") {
		return "", false
	}
	for _, kind := range []engine.Kind{engine.Tofu, engine.Terraform} {
		if name == string(kind) || strings.HasPrefix(name, string(kind)+"-") {
			return kind, true
		}
	}
	return "", false
}

// Install puts an engine into a folder, which a PATH or a Finder may name, and
// returns its path.
func Install(t testing.TB, dir string, kind engine.Kind) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(dir, string(kind))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.Symlink(self, path))
	return path
}
