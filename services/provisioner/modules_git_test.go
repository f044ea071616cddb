package provisioner_test

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
	"time"

	"github.com/stretchr/testify/require"
)

// repository is one with a module in infra/redis, served as a forge does it.
func repository(t *testing.T) (url string, commit func(text string) string) {
	t.Helper()
	dir := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
		cmd.Env = append(cmd.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %v: %s", args, out)
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(git("--exec-path"), "git-http-backend"), Dir: dir, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	t.Cleanup(server.Close)
	return server.URL + "/.git", func(text string) string {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "infra", "redis"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "infra", "redis", "main.tf"), []byte(text), 0o644))
		git("add", "-A")
		git("commit", "-q", "-m", "next")
		return git("rev-parse", "HEAD")
	}
}

func TestModules_OutOfARepository_ArePinnedUntilTheDocumentIsAppliedAgain(t *testing.T) {
	t.Parallel()
	url, commit := repository(t)
	p := newPlatform(t)
	text := definitionWith("{git: '"+url+"', ref: main, path: infra/redis}", "  inputs: {size: large}\n")
	pinned := func() (id, digest string) {
		var d struct {
			Module struct{ Commit, Digest string }
		}
		p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/resource-definitions/modular", nil, &d)
		return d.Module.Commit, d.Module.Digest
	}
	first := commit(sized)
	require.Equal(t, "created", p.applyOK(text)[0]["result"])
	id, digest := pinned()
	require.Equal(t, first, id)
	p.forward(time.Minute) // one apply is told one commit; this is another
	require.Equal(t, "unchanged", p.applyOK(text)[0]["result"])

	second := commit(sized + "# changed\n")
	id, _ = pinned()
	require.Equal(t, first, id, "what a branch is now is nothing to a definition that was applied before")
	p.forward(2 * time.Minute)
	require.Equal(t, "updated", p.applyOK(text)[0]["result"])
	id, again := pinned()
	require.Equal(t, second, id)
	require.NotEqual(t, digest, again)

	commit("variable \"size\" {\n")
	p.forward(3 * time.Minute)
	faults := p.faults("apply", text)
	require.Contains(t, faults[0].String(), "main.tf:1:")
	id, _ = pinned()
	require.Equal(t, second, id)
	wrong := p.faults("check", strings.Replace(text, "ref: main", "ref: mian", 1))
	require.Contains(t, wrong[0].String(), `has no branch or tag "mian"; there is main`)
	left, err := os.ReadDir(filepath.Join(p.DataDir(), "modules", "fetching"))
	require.NoError(t, err)
	require.Empty(t, left)
}
