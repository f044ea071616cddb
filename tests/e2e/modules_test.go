package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/platform"
)

// modules is what slipway apply says of modules.
type modules struct {
	client.Applied
	Modules []struct{ Folder, Digest, Result string }
}

func applyFolder(t *testing.T, p *platform.Platform, dir string, more ...string) modules {
	t.Helper()
	out, err := p.Run(append([]string{"apply", "-f", dir, "-o", "json"}, more...)...)
	require.NoError(t, err, out)
	var m modules
	require.NoError(t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &m), out)
	return m
}

func moduleFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

const folderDefinition = "apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: disk}\nspec:\n  type: volume\n  driver: opentofu\n" +
	"  module:\n    folder: ./disk\n  inputs:\n    folder: ${stack.folder}\n  outputs: {path: string}\n"

const folderModule = "variable \"folder\" { type = string }\noutput \"path\" { value = var.folder }\n"

// notThere says whether the platform has no such thing.
func notThere(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

func TestApply_ModuleInAFolder_UploadedUnchangedThenUpdated(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	dir := moduleFolder(t, map[string]string{"disk.yaml": folderDefinition, "disk/main.tf": folderModule})

	planned := applyFolder(t, p, dir, "--dry-run")
	require.Equal(t, "would be uploaded", planned.Modules[0].Result)
	require.Equal(t, "created", planned.Results[0].Result)
	_, err := p.Client().Module(p.Context(), "org", planned.Modules[0].Digest)
	require.True(t, notThere(err), "a dry run keeps nothing: %v", err)
	_, err = p.Client().Get(p.Context(), "/api/v1/projects/org/resource-definitions/disk")
	require.True(t, notThere(err), err)

	first := applyFolder(t, p, dir)
	require.Equal(t, "uploaded", first.Modules[0].Result)
	require.Equal(t, planned.Modules[0].Digest, first.Modules[0].Digest)
	require.Equal(t, "created", first.Results[0].Result)
	m, err := p.Client().Module(p.Context(), "org", first.Modules[0].Digest)
	require.NoError(t, err)
	require.True(t, m.Variables["folder"].Required)

	again := applyFolder(t, p, dir)
	require.Equal(t, "unchanged", again.Modules[0].Result)
	require.Equal(t, "unchanged", again.Results[0].Result)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "disk", "main.tf"), []byte(folderModule+"# another\n"), 0o644))
	changed := applyFolder(t, p, dir, "--dry-run")
	require.Equal(t, "updated", changed.Results[0].Result)
	require.Equal(t, "/spec/module/digest", changed.Results[0].Changes[0].Field)
	changed = applyFolder(t, p, dir)
	require.Equal(t, "updated", changed.Results[0].Result)
	require.NotEqual(t, first.Modules[0].Digest, changed.Modules[0].Digest)
	p.Restart()
	require.Equal(t, "unchanged", applyFolder(t, p, dir).Results[0].Result, "what was uploaded outlives a restart")
}

func TestApply_WrongModule_RefusedByFileLineAndColumnAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	for want, files := range map[string]map[string]string{
		"disk/main.tf:2:1: ": {"disk/main.tf": "\n{"},
		"disk.yaml:8:13: ":   {"disk/main.tf": folderModule, "disk.yaml": strings.Replace(folderDefinition, "./disk", "../disk", 1)},
		"disk.yaml:10:12: the module has no variable \"foldr\" (did you mean \"folder\"?)": {
			"disk/main.tf": folderModule, "disk.yaml": strings.Replace(folderDefinition, "folder: $", "foldr: $", 1)},
		"disk.yaml:11:19: the module has no output \"path\"":        {"disk/main.tf": "variable \"folder\" {}\n"},
		"the module keeps its state by itself, with backend \"s3\"": {"disk/main.tf": folderModule + "terraform {\n  backend \"s3\" {}\n}\n"},
		"module \"x\" is taken from ../../x, which climbs out":      {"disk/main.tf": folderModule + "module \"x\" { source = \"../../x\" }\n"},
	} {
		if files["disk.yaml"] == "" {
			files["disk.yaml"] = folderDefinition
		}
		dir := moduleFolder(t, files)
		for _, more := range [][]string{{"--dry-run"}, nil} {
			out, err := p.Run(append([]string{"apply", "-f", dir}, more...)...)
			require.Equal(t, 1, exitCode(err), out)
			require.Contains(t, out, want)
		}
	}
	_, err := p.Client().Get(p.Context(), "/api/v1/projects/org/resource-definitions/disk")
	require.True(t, notThere(err), err)
	require.ErrorContains(t, p.TryApply("", folderDefinition), "hand the document in with slipway apply, which packs and uploads it")
}

func TestApply_TheExamplesModules_AreValidWithoutAnEngine(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	applied := applyFolder(t, p, filepath.Join(shop, "definitions-opentofu"))
	require.Len(t, applied.Modules, 3)
	for _, r := range applied.Results {
		require.Equal(t, "created", r.Result, r.Name)
	}
}
