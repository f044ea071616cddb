package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
)

var limits = archive.Limits{Bytes: 1000, Files: 10}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

func tarred(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = h.Linkname
			h.Size, h.Linkname = int64(len(content)), ""
		}
		require.NoError(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zip.Close())
	return out.Bytes()
}

// file is an entry of a plain file; its content travels as the link's name.
func file(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content, Mode: 0o644}
}

func TestTree_FolderTarAndBack_IsTheSameWithTheSameDigest(t *testing.T) {
	t.Parallel()
	dir, again := t.TempDir(), filepath.Join(t.TempDir(), "again")
	write(t, dir, map[string]string{"main.tf": "a", "sub/x.tf": "b", "sub/deep/run.sh": "c", ".skipped/y": "d", "sub/.terraform": "kept: only the top one is left out"})
	require.NoError(t, os.Chmod(filepath.Join(dir, "sub/deep/run.sh"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755))
	tree, err := archive.ReadFolder(dir, limits, func(name string) bool { return name == ".skipped" })
	require.NoError(t, err)
	var packed, twice bytes.Buffer
	require.NoError(t, tree.WriteTar(&packed))
	require.NoError(t, tree.WriteTar(&twice))
	require.Equal(t, packed.Bytes(), twice.Bytes())
	read, err := archive.ReadTar(&packed, limits)
	require.NoError(t, err)
	require.Equal(t, tree, read)
	require.NoError(t, read.WriteFolder(again))
	back, err := archive.ReadFolder(again, limits, nil)
	require.NoError(t, err)
	require.Equal(t, tree, back)
	require.Equal(t, tree.Digest(), back.Digest())
	require.True(t, archive.IsDigest(tree.Digest()))
	info, err := os.Stat(filepath.Join(again, "sub/deep/run.sh"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	f, ok := tree.Find("sub/x.tf")
	require.True(t, ok)
	require.Equal(t, "b", string(f.Content))
	require.ErrorIs(t, tree.WriteFolder(again), os.ErrExist)
}

func TestDigest_AnyNameModeOrContent_ChangesIt(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, files := range [][]archive.File{
		{{Name: "a", Content: []byte("x")}},
		{{Name: "b", Content: []byte("x")}},
		{{Name: "a", Content: []byte("y")}},
		{{Name: "a", Content: []byte("x"), Executable: true}},
		{{Name: "a", Content: []byte("x")}, {Name: "b", Content: nil}},
		{{Name: "a", Content: []byte("x1 b 644 0\n")}},
		{},
	} {
		tree, err := archive.Make(files, limits)
		require.NoError(t, err)
		require.False(t, seen[tree.Digest()], files)
		seen[tree.Digest()] = true
		slices.Reverse(files)
		turned, err := archive.Make(files, limits)
		require.NoError(t, err)
		require.Equal(t, tree.Digest(), turned.Digest(), "the order of entries is nothing")
	}
	require.False(t, archive.IsDigest("sha256:abc"))
	require.False(t, archive.IsDigest("sha256:"+strings.Repeat("G", 64)))
}

func TestReadTar_WhatMustNotBeThere_IsRefusedByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want    string
		headers []tar.Header
	}{
		{`x is a symbolic link`, []tar.Header{{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc/passwd"}}},
		{`x is a hard link`, []tar.Header{{Typeflag: tar.TypeLink, Name: "x", Linkname: "main.tf"}}},
		{`x is neither a file nor a folder`, []tar.Header{{Typeflag: tar.TypeChar, Name: "x"}}},
		{`x is neither a file nor a folder`, []tar.Header{{Typeflag: tar.TypeFifo, Name: "x"}}},
		{`"/etc/x" is an absolute name`, []tar.Header{file("/etc/x", "")}},
		{`"../x" climbs out`, []tar.Header{file("../x", "")}},
		{`"a/../../x" climbs out`, []tar.Header{file("a/../../x", "")}},
		{`"a\\x" is no plain name`, []tar.Header{file(`a\x`, "")}},
		{`"a//x" is no plain name`, []tar.Header{file("a//x", "")}},
		{`"C:x" is no plain name`, []tar.Header{file("C:x", "")}},
		{`"a\nb" is no plain name`, []tar.Header{file("a\nb", "")}},
		{`x is there twice`, []tar.Header{file("x", ""), file("./x", "")}},
		{`x is there twice`, []tar.Header{file("x/y", ""), file("x", "")}},
		{`x/y lies in a file`, []tar.Header{file("x", ""), file("x/y", "")}},
		{`it holds more than 1000 B`, []tar.Header{file("x", strings.Repeat("x", 1001))}},
		{`it holds more than 1000 B`, []tar.Header{file("x", strings.Repeat("x", 600)), file("y", strings.Repeat("x", 600))}},
		{`it holds more than 10 files`, []tar.Header{file("a/b/c/d/e/f/g/h/i/j/k", "")}},
	} {
		_, err := archive.ReadTar(bytes.NewReader(tarred(t, c.headers...)), limits)
		var refused *archive.RefusedError
		require.ErrorAs(t, err, &refused, c.want)
		require.Contains(t, err.Error(), c.want)
		require.Equal(t, strings.HasPrefix(c.want, "it holds"), refused.TooLarge, c.want)
	}
}

func TestReadTar_ExplodesCutOrNoArchive_IsRefused(t *testing.T) {
	t.Parallel()
	whole := tarred(t, file("x", strings.Repeat("abcdefgh", 100)))
	flipped := slices.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, err := zip.Write(make([]byte, 50<<20)) // zeros: to tar, the end and then nothing
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	for name, b := range map[string][]byte{"cut": whole[:len(whole)/2], "damaged": flipped, "plain": []byte("hello"), "empty": nil, "bomb": bomb.Bytes()} {
		_, err := archive.ReadTar(bytes.NewReader(b), limits)
		var refused *archive.RefusedError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, name == "bomb", refused.TooLarge, err)
	}
}

func TestReadFolder_WhatMustNotBeThere_IsRefused(t *testing.T) {
	t.Parallel()
	for want, make := range map[string]func(dir string) error{
		"x is a symbolic link":             func(dir string) error { return os.Symlink("main.tf", filepath.Join(dir, "x")) },
		"sub is a symbolic link":           func(dir string) error { return os.Symlink("..", filepath.Join(dir, "sub")) },
		"x is neither a file nor a folder": func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "x"), 0o600) },
		"it holds more than 1000 B":        func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), make([]byte, 1001), 0o600) },
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"main.tf": "a"})
		require.NoError(t, make(dir))
		_, err := archive.ReadFolder(dir, limits, nil)
		var refused *archive.RefusedError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, want, err.Error()[:len(want)])
	}
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(t.TempDir(), link))
	_, err := archive.ReadFolder(link, limits, nil)
	require.ErrorContains(t, err, "it is a symbolic link")
	write(t, dir, map[string]string{"file": ""})
	_, err = archive.ReadFolder(filepath.Join(dir, "file"), limits, nil)
	require.ErrorContains(t, err, "it is no folder")
	_, err = archive.ReadFolder(filepath.Join(dir, "nothing"), limits, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestWriteFolder_NameThatClimbs_WritesNothingThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := archive.Tree{{Name: "../x"}}.WriteFolder(filepath.Join(dir, "in"))
	require.ErrorContains(t, err, "climbs out")
	require.NoFileExists(t, filepath.Join(dir, "x"))
}

func TestBytes_IsShort(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1 << 10: "1 KiB", 2150: "2.1 KiB", 16 << 20: "16 MiB", 1 << 40: "1024 GiB"} {
		require.Equal(t, want, archive.Bytes(n))
	}
}

func FuzzReadTar(f *testing.F) {
	f.Add(tarred(f, file("main.tf", "a"), file("sub/x", "b")))
	f.Add(tarred(f, tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "y"}))
	f.Add([]byte("no archive"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := archive.ReadTar(bytes.NewReader(b), limits)
		if err != nil {
			var refused *archive.RefusedError
			if !errors.As(err, &refused) {
				t.Fatalf("not refused with a reason: %v", err)
			}
			return
		}
		var out bytes.Buffer
		require.NoError(t, tree.WriteTar(&out))
		back, err := archive.ReadTar(&out, limits)
		require.NoError(t, err)
		require.Equal(t, tree.Digest(), back.Digest())
		require.NoError(t, tree.WriteFolder(t.TempDir()))
	})
}
