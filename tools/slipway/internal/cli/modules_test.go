package cli

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
)

func definition(name, folder string) string {
	return "apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: " + name + "}\nspec:\n  type: volume\n  driver: opentofu\n  module:\n    folder: " + folder + "\n  unheard: of\n"
}

// modulePlatform keeps modules as the real one does, and notes what it is sent.
type modulePlatform struct {
	*platform
	kept, looked map[string]archive.Tree
	sources      []string
	documents    string
	answer       func(w http.ResponseWriter)
}

func newModulePlatform(t *testing.T) *modulePlatform {
	p := &modulePlatform{platform: newPlatform(t), kept: map[string]archive.Tree{}, looked: map[string]archive.Tree{}}
	delete(p.env, "SLIPWAY_PROJECT")
	p.answer = func(w http.ResponseWriter) {
		fmt.Fprint(w, `{"results":[{"kind":"ResourceDefinition","name":"disk","result":"created"}]}`)
	}
	p.mux.HandleFunc("GET /api/v1/projects/{project}/modules/{digest}", func(w http.ResponseWriter, r *http.Request) {
		if _, ok := p.kept[r.PathValue("digest")]; !ok {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"title":"There is no such thing.","status":404}`)
			return
		}
		fmt.Fprint(w, `{}`)
	})
	p.mux.HandleFunc("POST /api/v1/projects/{project}/modules", func(w http.ResponseWriter, r *http.Request) {
		tree, err := archive.ReadTar(r.Body, archive.Limits{Bytes: 1 << 20, Files: 100})
		if err != nil {
			t.Error(err)
		}
		into := p.kept
		if r.URL.Query().Get("dryRun") == "true" {
			into = p.looked
		}
		into[tree.Digest()] = tree
		p.sources = append(p.sources, r.PathValue("project")+" "+r.URL.Query().Get("source"))
		fmt.Fprintf(w, `{"digest":%q}`, tree.Digest())
	})
	p.mux.HandleFunc("POST /api/v1/apply", func(w http.ResponseWriter, r *http.Request) {
		parts, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		p.documents = ""
		for part, err := parts.NextPart(); err == nil; part, err = parts.NextPart() {
			_, disposition, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
			text, _ := io.ReadAll(part)
			p.documents += "# " + filepath.Base(disposition["filename"]) + "\n" + string(text)
		}
		p.answer(w)
	})
	return p
}

func TestApply_ModuleInAFolder_IsUploadedOnceAndItsDigestFilledIn(t *testing.T) {
	t.Parallel()
	p := newModulePlatform(t)
	dir := t.TempDir()
	write(t, dir, "definitions/disk.yaml", definition("disk", "./disk"), 0o644)
	write(t, dir, "definitions/disk/main.tf", "# the module", 0o644)
	write(t, dir, "definitions/disk/make.sh", "#!/bin/sh", 0o755)
	write(t, dir, "definitions/disk/deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\n", 0o644)
	write(t, dir, "definitions/disk/terraform.tfstate", "{}", 0o644)
	write(t, dir, "definitions/disk/my.auto.tfvars", "x = 1", 0o644)
	write(t, dir, "definitions/disk/.terraform/providers/x", "x", 0o755)
	code, out, errs := p.slipway(t, "apply", "-f", dir)
	require.Zero(t, code, errs)
	require.Equal(t, []string{"org " + filepath.Join(dir, "definitions/disk")}, p.sources)
	require.Len(t, p.kept, 1)
	for digest, tree := range p.kept {
		require.Len(t, tree, 3, "what engines and people leave there is left out")
		require.Equal(t, "# disk.yaml\n"+strings.Replace(definition("disk", "./disk"), "    folder:", "    \"digest\": \""+digest+"\"\n    folder:", 1), p.documents,
			"a module's own YAML is no document")
		require.Contains(t, out, digest[:19])
	}
	require.Contains(t, out, "uploaded")
	require.Contains(t, out, "3 files")
	code, out, errs = p.slipway(t, "apply", "-f", dir)
	require.Zero(t, code, errs)
	require.Len(t, p.sources, 1, "what is there is not sent again")
	require.Contains(t, out, "unchanged")
	write(t, dir, "definitions/disk/main.tf", "# another module", 0o644)
	code, _, errs = p.slipway(t, "apply", "-f", dir, "-p", "shop")
	require.Zero(t, code, errs)
	require.Len(t, p.kept, 2)
	require.Contains(t, p.sources[1], "shop ")
}

func TestApply_DryRunWithAModule_SaysWhatWouldBeUploadedAndKeepsNothing(t *testing.T) {
	t.Parallel()
	p := newModulePlatform(t)
	dir := t.TempDir()
	file := write(t, dir, "disk.yaml", definition("disk", "disk"), 0o644)
	write(t, dir, "disk/main.tf", "# the module", 0o644)
	code, out, errs := p.slipway(t, "apply", "-f", file, "--dry-run")
	require.Zero(t, code, errs)
	require.Contains(t, out, "would be uploaded")
	require.Contains(t, out, "1 file ")
	require.Empty(t, p.kept)
	require.Len(t, p.looked, 1)
	code, out, errs = p.slipway(t, "apply", "-f", file, "--dry-run", "-o", "json")
	require.Zero(t, code, errs)
	require.Contains(t, out, `"result": "would be uploaded"`)
	require.Contains(t, out, `"results": [`)
}

func TestApply_FaultBehindAFilledInDigest_IsToldWhereItWasWritten(t *testing.T) {
	t.Parallel()
	p := newModulePlatform(t)
	dir := t.TempDir()
	file := write(t, dir, "disk.yaml", definition("disk", "disk"), 0o644)
	write(t, dir, "disk/main.tf", "", 0o644)
	p.answer = func(w http.ResponseWriter) {
		w.WriteHeader(422)
		fmt.Fprintf(w, `{"title":"Not valid.","status":422,"detail":"One thing is wrong","errors":[{"source":%q,"line":10,"column":3,"message":"unknown field \"unheard\""}]}`, file)
	}
	code, _, errs := p.slipway(t, "apply", "-f", file)
	require.Equal(t, 1, code)
	require.Contains(t, errs, file+":9:3: unknown field", "it stands in line 9 of the file, and in line 10 of what was sent")
}

func TestApply_ModuleThatCannotBeTaken_IsToldWithItsPlaceAndNothingIsSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "outside/main.tf", "", 0o644)
	write(t, dir, "in/good/main.tf", "", 0o644)
	write(t, dir, "in/linked/main.tf", "", 0o644)
	require.NoError(t, os.Symlink("../good/main.tf", filepath.Join(dir, "in/linked/other.tf")))
	require.NoError(t, os.Symlink("../outside", filepath.Join(dir, "in/link")))
	require.NoError(t, os.Symlink("good", filepath.Join(dir, "in/inner-link")))
	write(t, dir, "in/empty/README.md", "", 0o644)
	for folder, want := range map[string]string{
		"../outside":                  "folder ../outside lies outside of " + filepath.Join(dir, "in") + ", which was handed in",
		filepath.Join(dir, "outside"): "lies outside of",
		filepath.Join(dir, "in/good"): "lies outside of", // a document means the same on every machine
		"./link":                      filepath.Join(dir, "in/link") + " is a symbolic link",
		"inner-link":                  "is a symbolic link",
		"linked":                      filepath.Join(dir, "in/linked/other.tf") + " is a symbolic link; put the file itself in its place",
		"nothing":                     "there is no folder " + filepath.Join(dir, "in/nothing"),
		"good/main.tf":                "it is no folder",
		"empty":                       "is no module: there is no .tf or .tofu file in it",
	} {
		p := newModulePlatform(t)
		file := write(t, dir, "in/disk.yaml", definition("disk", folder), 0o644)
		code, _, errs := p.slipway(t, "apply", "-f", file)
		require.Equal(t, 1, code, folder)
		require.Contains(t, errs, file+":8:13: ", folder)
		require.Contains(t, errs, want)
		require.Empty(t, p.sources)
		require.Empty(t, p.documents)
	}
	p := newModulePlatform(t)
	file := write(t, dir, "in/disk.yaml", definition("disk", "good\n    digest: sha256:"+strings.Repeat("0", 64)), 0o644)
	code, _, errs := p.slipway(t, "apply", "-f", file)
	require.Equal(t, 1, code)
	require.Contains(t, errs, file+":9:13: folder good has the digest sha256:")

	write(t, dir, "in/disk.yaml", definition("disk", "../outside"), 0o644)
	code, _, errs = p.slipway(t, "apply", "-f", dir)
	require.Zero(t, code, "a folder that was handed in as a whole may be pointed about in: "+errs)
}
