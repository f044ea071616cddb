//go:build !engines

package opentofu_test

import (
	"testing"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
)

// engines that the cases run on: stand-ins here, the real ones with the build
// tag `engines`.
func engines(t *testing.T) []engine.Engine {
	t.Helper()
	dir := t.TempDir()
	return []engine.Engine{
		{Kind: engine.Tofu, Path: program.Install(t, dir, engine.Tofu), Version: enginetest.TofuVersion},
		{Kind: engine.Terraform, Path: program.Install(t, dir, engine.Terraform), Version: enginetest.TerraformVersion},
	}
}
