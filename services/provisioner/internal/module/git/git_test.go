package git_test

import (
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module/git"
)

var limits = archive.Limits{Bytes: 64 << 10, Files: 100}

// forge is a repository served as a forge serves it: git's own smart HTTP.
type forge struct {
	t    *testing.T
	work string
	url  string
}

func (f *forge) git(args ...string) string {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), "git", append([]string{"-C", f.work, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	require.NoError(f.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

func (f *forge) write(name, content string, mode os.FileMode) {
	f.t.Helper()
	path := filepath.Join(f.work, name)
	require.NoError(f.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(f.t, os.WriteFile(path, []byte(content), mode))
}

func (f *forge) commit(message string) string {
	f.t.Helper()
	f.git("add", "-A")
	f.git("commit", "-q", "-m", message)
	return f.git("rev-parse", "HEAD")
}

func newForge(t *testing.T) *forge {
	t.Helper()
	f := &forge{t: t, work: t.TempDir()}
	f.git("init", "-q", "-b", "main")
	paths, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	require.NoError(t, err)
	backend := filepath.Join(strings.TrimSpace(string(paths)), "git-http-backend")
	require.FileExists(t, backend, "these tests need git with its http-backend")
	server := httptest.NewServer(&cgi.Handler{
		Path: backend, Dir: f.work, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(f.work), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	t.Cleanup(server.Close)
	f.url = server.URL + "/" + filepath.Base(f.work) + "/.git"
	return f
}

func client(t *testing.T) *git.Client {
	return &git.Client{HTTP: &http.Client{Transport: &http.Transport{}}, Dir: t.TempDir()}
}

func TestFolder_FilesOfOneFolderAtOneCommit(t *testing.T) {
	t.Parallel()
	f, c := newForge(t), client(t)
	f.write("README.md", "top", 0o644)
	f.write("infra/bucket/main.tf", "first", 0o644)
	f.write("infra/bucket/scripts/make.sh", "#!/bin/sh", 0o755)
	first := f.commit("first")
	f.git("tag", "-a", "v1", "-m", "the first")
	f.write("infra/bucket/main.tf", "second", 0o644)
	second := f.commit("second")

	for ref, want := range map[string]string{"": second, "main": second, "refs/heads/main": second, "v1": first, first: first} {
		got, err := c.Resolve(t.Context(), f.url, ref)
		require.NoError(t, err, ref)
		require.Equal(t, want, got, ref)
	}
	for commit, content := range map[string]string{first: "first", second: "second"} {
		tree, err := c.Folder(t.Context(), f.url, commit, "infra/bucket", limits)
		require.NoError(t, err)
		require.Len(t, tree, 2)
		require.Equal(t, archive.File{Name: "main.tf", Content: []byte(content)}, tree[0])
		require.True(t, tree[1].Executable)
	}
	top, err := c.Folder(t.Context(), f.url, second, "", limits)
	require.NoError(t, err)
	require.Len(t, top, 3)
	left, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "a repository lies there only while it is read")
}

func TestFolder_CommitThatNothingPointsAt_IsFoundInTheHistory(t *testing.T) {
	t.Parallel()
	f, c := newForge(t), client(t)
	f.write("main.tf", "first", 0o644)
	first := f.commit("first")
	f.write("main.tf", "second", 0o644)
	f.commit("second")
	tree, err := c.Folder(t.Context(), f.url, first, "", limits)
	require.NoError(t, err)
	require.Equal(t, "first", string(tree[0].Content))
	_, err = c.Folder(t.Context(), f.url, strings.Repeat("1", 40), "", limits)
	require.ErrorContains(t, err, "has no commit 1111")
}

func TestFolder_LinksSubmodulesAndTooMuch_AreRefused(t *testing.T) {
	t.Parallel()
	f, c := newForge(t), client(t)
	f.write("good/main.tf", "x", 0o644)
	require.NoError(t, os.MkdirAll(filepath.Join(f.work, "linked"), 0o755))
	require.NoError(t, os.Symlink("../good/main.tf", filepath.Join(f.work, "linked", "main.tf")))
	f.write("large/main.tf", strings.Repeat("x", 65<<10), 0o644)
	f.write("many/0", "", 0o644)
	for i := range 101 {
		f.write("many/"+strings.Repeat("x", i+1), "", 0o644)
	}
	f.git("init", "-q", "inner")
	inner := &forge{t: t, work: filepath.Join(f.work, "inner")}
	inner.write("x.tf", "", 0o644)
	inner.commit("inner")
	f.git("submodule", "add", "-q", "./inner", "with/sub")
	f.git("rm", "-q", "--cached", "-r", "--ignore-unmatch", "inner")
	require.NoError(t, os.RemoveAll(filepath.Join(f.work, "inner")))
	commit := f.commit("all")
	for folder, want := range map[string]string{
		"linked": "main.tf is a symbolic link", "large": "it holds more than 64 KiB", "many": "it holds more than 100 files",
		"with": "sub is a submodule", "nothing": "has no folder nothing at commit " + commit[:12], "good/main.tf": "has no folder good/main.tf",
	} {
		_, err := c.Folder(t.Context(), f.url, commit, folder, limits)
		require.ErrorContains(t, err, want, folder)
	}
	tree, err := c.Folder(t.Context(), f.url, commit, "good", limits)
	require.NoError(t, err)
	require.Len(t, tree, 1, "what lies beside it is nothing to it")
	c.Pack = 200
	_, err = c.Folder(t.Context(), f.url, commit, "good", limits)
	require.ErrorContains(t, err, "has more than 200 B")
}

func TestResolve_WhatIsNotThere_IsToldInASentence(t *testing.T) {
	t.Parallel()
	f, c := newForge(t), client(t)
	f.write("main.tf", "x", 0o644)
	f.commit("first")
	f.git("branch", "release")
	_, err := c.Resolve(t.Context(), f.url, "relaese")
	require.ErrorContains(t, err, `has no branch or tag "relaese"; there is main, release. A commit is named with all of its 40 digits`)
	_, err = c.Resolve(t.Context(), f.url+"x", "main")
	require.ErrorContains(t, err, "there is no repository at "+f.url+"x")
	_, err = c.Resolve(t.Context(), "file://"+f.work, "main")
	require.ErrorContains(t, err, "git takes https, http and ssh, not file")
	_, err = c.Resolve(t.Context(), f.work, "main")
	require.ErrorContains(t, err, "not file")

	closed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(closed.Close)
	_, err = c.Resolve(t.Context(), closed.URL+"/x", "main")
	require.ErrorContains(t, err, "does not let the platform in")
	gone := httptest.NewServer(nil)
	gone.Close()
	_, err = c.Resolve(t.Context(), gone.URL+"/x", "main")
	var away *git.UnavailableError
	require.ErrorAs(t, err, &away)
	require.ErrorContains(t, err, "cannot be read just now")
}
