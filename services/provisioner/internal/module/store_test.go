package module_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// repositories are a fake: what each ref is, and what is at each commit.
type repositories struct {
	mu    sync.Mutex
	refs  map[string]string
	trees map[string]archive.Tree
	asked []string
	err   error
}

func (r *repositories) Resolve(_ context.Context, url, ref string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, "resolve "+ref)
	return r.refs[ref], r.err
}

func (r *repositories) Folder(_ context.Context, url, commit, path string, _ archive.Limits) (archive.Tree, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, "folder "+commit+" "+path)
	return r.trees[commit], r.err
}

type clock struct{ offset time.Duration }

func (c *clock) now() time.Time { return time.Unix(1e9, 0).Add(c.offset) }

type place struct {
	*module.Modules
	dir   string
	clock *clock
	git   *repositories
}

func open(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{dir: filepath.Join(dir, "modules"), clock: &clock{}, git: &repositories{refs: map[string]string{}, trees: map[string]archive.Tree{}}}
	v, err := secret.OpenVault(filepath.Join(dir, "secret.key"), false)
	require.NoError(t, err)
	p.Modules, err = module.Open(module.Config{Dir: p.dir, Sealer: v, Repositories: p.git, Clock: p.clock.now})
	require.NoError(t, err)
	return p
}

func packed(t *testing.T, files map[string]string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, tree(t, files).WriteTar(&out))
	return &out
}

var bucket = map[string]string{"main.tf": "variable \"name\" {}\noutput \"path\" { value = \"hush-hush\" }\n", "sub/run.sh": "#!/bin/sh\n"}

func TestPut_KeptSealedUnderItsDigestAndUnpackedAsItWas(t *testing.T) {
	t.Parallel()
	p := open(t)
	m, err := p.Put(t.Context(), packed(t, bucket))
	require.NoError(t, err)
	require.Equal(t, tree(t, bucket).Digest(), m.Digest)
	require.Contains(t, m.Variables, "name")
	again, err := p.Put(t.Context(), packed(t, bucket))
	require.NoError(t, err)
	require.Equal(t, m, again)
	files, err := filepath.Glob(filepath.Join(p.dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NotContains(t, string(raw), "hush-hush")
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	into := filepath.Join(t.TempDir(), "module")
	require.NoError(t, p.Unpack(t.Context(), m.Digest, into))
	back, err := archive.ReadFolder(into, archive.Limits{Bytes: module.MaxBytes, Files: module.MaxFiles}, nil)
	require.NoError(t, err)
	require.Equal(t, m.Digest, back.Digest())

	fresh, err := module.Open(module.Config{Dir: p.dir, Sealer: sealerOf(t, p), Clock: p.clock.now})
	require.NoError(t, err)
	got, err := fresh.Get(t.Context(), m.Digest)
	require.NoError(t, err)
	require.Equal(t, m.Outputs, got.Outputs)
	require.Equal(t, m.Digest, got.Digest)
}

func sealerOf(t *testing.T, p *place) module.Sealer {
	t.Helper()
	v, err := secret.OpenVault(filepath.Join(filepath.Dir(p.dir), "secret.key"), true)
	require.NoError(t, err)
	return v
}

func TestPut_RefusedOrWrong_LeavesNothing(t *testing.T) {
	t.Parallel()
	p := open(t)
	_, err := p.Put(t.Context(), strings.NewReader("no archive"))
	var refused *archive.RefusedError
	require.ErrorAs(t, err, &refused)
	_, err = p.Put(t.Context(), packed(t, map[string]string{"main.tf": "{"}))
	var invalid *module.InvalidError
	require.ErrorAs(t, err, &invalid)
	files, err := os.ReadDir(p.dir)
	require.NoError(t, err)
	require.Empty(t, files)
	_, err = p.Get(t.Context(), tree(t, bucket).Digest())
	require.ErrorIs(t, err, module.ErrUnknown)
	_, err = p.Get(t.Context(), "../../secret.key")
	require.ErrorIs(t, err, module.ErrUnknown)
	require.ErrorIs(t, p.Unpack(t.Context(), "../../secret.key", t.TempDir()), module.ErrUnknown)
}

func TestUnpack_FileExchangedOrDamaged_IsNotUsed(t *testing.T) {
	t.Parallel()
	p := open(t)
	a, err := p.Put(t.Context(), packed(t, bucket))
	require.NoError(t, err)
	b, err := p.Put(t.Context(), packed(t, map[string]string{"main.tf": "# another"}))
	require.NoError(t, err)
	path := func(digest string) string { return filepath.Join(p.dir, strings.TrimPrefix(digest, "sha256:")+".age") }
	other, err := os.ReadFile(path(b.Digest))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path(a.Digest), other, 0o600))
	require.ErrorContains(t, p.Unpack(t.Context(), a.Digest, filepath.Join(t.TempDir(), "x")), "is another one")
	require.NoError(t, os.WriteFile(path(a.Digest), other[:len(other)/2], 0o600))
	require.Error(t, p.Unpack(t.Context(), a.Digest, filepath.Join(t.TempDir(), "x")))
}

func TestLook_KeepsNothingAndIsKnownForAWhile(t *testing.T) {
	t.Parallel()
	p := open(t)
	m, err := p.Look(t.Context(), packed(t, bucket))
	require.NoError(t, err)
	files, err := os.ReadDir(p.dir)
	require.NoError(t, err)
	require.Empty(t, files)
	s := module.Source{Folder: "bucket", Digest: m.Digest}
	_, known, err := p.Fetch(t.Context(), s, "a", false)
	require.NoError(t, err)
	require.Equal(t, m, known)
	_, _, err = p.Fetch(t.Context(), s, "a", true)
	require.ErrorContains(t, err, "hand the document in with slipway apply", "what is carried out must be kept")
	p.clock.offset = 11 * time.Minute
	_, _, err = p.Fetch(t.Context(), s, "a", false)
	require.ErrorContains(t, err, "no module "+m.Digest+" was uploaded")
}

func TestFetch_FolderWithoutDigest_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	p := open(t)
	_, _, err := p.Fetch(t.Context(), module.Source{Folder: "./bucket"}, "a", true)
	var wrong *module.SourceError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "/folder", wrong.Pointer)
	require.ErrorContains(t, err, "hand the document in with slipway apply, which packs and uploads it")
}

func TestFetch_Inline_IsKeptOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	p := open(t)
	s, m, err := p.Fetch(t.Context(), module.Source{Inline: bucket}, "a", false)
	require.NoError(t, err)
	require.Equal(t, m.Digest, s.Digest)
	_, err = p.Get(t.Context(), m.Digest)
	require.ErrorIs(t, err, module.ErrUnknown)
	_, _, err = p.Fetch(t.Context(), s, "a", true)
	require.NoError(t, err)
	_, err = p.Get(t.Context(), m.Digest)
	require.NoError(t, err)
	s.Inline = map[string]string{"main.tf": "# changed"}
	_, _, err = p.Fetch(t.Context(), s, "a", true)
	require.ErrorContains(t, err, "the module's digest is")
	_, _, err = p.Fetch(t.Context(), module.Source{Inline: map[string]string{"../main.tf": ""}}, "a", true)
	require.ErrorContains(t, err, "climbs out")
	_, _, err = p.Fetch(t.Context(), module.Source{Inline: map[string]string{"main.tf": "\nx {{"}}, "a", true)
	require.ErrorContains(t, err, "main.tf:2:")
}

func TestFetch_Git_RefIsResolvedOnceAndPinned(t *testing.T) {
	t.Parallel()
	p := open(t)
	first, second := strings.Repeat("1", 40), strings.Repeat("2", 40)
	p.git.refs["main"] = first
	p.git.trees[first] = tree(t, bucket)
	p.git.trees[second] = tree(t, map[string]string{"main.tf": "# second"})
	want := module.Source{Git: "https://example.com/infra", Ref: "main", Path: "./bucket/"}
	s, m, err := p.Fetch(t.Context(), want, "a", false)
	require.NoError(t, err)
	require.Equal(t, first, s.Commit)
	p.git.refs["main"] = second // moves between check and apply of one request
	s, again, err := p.Fetch(t.Context(), want, "a", true)
	require.NoError(t, err)
	require.Equal(t, first, s.Commit)
	require.Equal(t, m.Digest, again.Digest)
	require.Equal(t, []string{"resolve main", "folder " + first + " bucket"}, p.git.asked)
	s, again, err = p.Fetch(t.Context(), want, "b", true) // the next apply
	require.NoError(t, err)
	require.Equal(t, second, s.Commit)
	require.NotEqual(t, m.Digest, again.Digest)
	p.git.refs["main"] = "gone"
	p.clock.offset = 2 * time.Hour
	want.Commit = second
	_, _, err = p.Fetch(t.Context(), want, "a", true)
	require.NoError(t, err, "a commit that is named is that one")
	p.git.err = errors.New("no answer")
	want.Commit, want.Ref = "", "other"
	_, _, err = p.Fetch(t.Context(), want, "a", true)
	var wrong *module.SourceError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "/ref", wrong.Pointer)
}

func TestModules_UsedByManyAtOnce_AgreeWithEachOther(t *testing.T) {
	t.Parallel()
	p := open(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			m, err := p.Put(t.Context(), packed(t, bucket))
			if err == nil {
				_, err = p.Look(t.Context(), packed(t, map[string]string{"main.tf": "# x"}))
			}
			if err == nil {
				_, err = p.Known(t.Context(), m.Digest)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	files, err := os.ReadDir(p.dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
}
