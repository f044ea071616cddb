package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
)

type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		require.NoError(t, w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.body))}))
		_, err := w.Write([]byte(e.body))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

var good = entry{name: "./score.yaml", body: "apiVersion: score.dev/v1b1\n"}

func TestInspect_GoodArchive_SaysWhatItHolds(t *testing.T) {
	t.Parallel()
	b := pack(t, entry{name: "./", kind: tar.TypeDir}, good, entry{name: "bin/orders", body: "#!", mode: 0o755},
		entry{name: "run", kind: tar.TypeSymlink, link: "bin/orders"}, entry{name: "bin/up", kind: tar.TypeSymlink, link: "../score.yaml"})
	m, err := archive.Inspect(bytes.NewReader(b), archive.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, good.body, string(m.Score))
	require.True(t, m.Entries["bin/orders"].Executable)
	require.False(t, m.Entries["score.yaml"].Executable)
	require.Len(t, m.Entries, 4)

	dir := filepath.Join(t.TempDir(), "app")
	require.NoError(t, archive.Unpack(bytes.NewReader(b), dir, archive.DefaultLimits()))
	text, err := os.ReadFile(filepath.Join(dir, "run"))
	require.NoError(t, err)
	require.Equal(t, "#!", string(text))
	info, err := os.Stat(filepath.Join(dir, "bin/orders"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	require.NoDirExists(t, dir+".part")
}

func TestInspect_ArchiveThatMustNotBeUnpacked_IsRefusedWithTheEntry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []entry
		says    string
	}{
		"climbs out":           {[]entry{good, {name: "../evil", body: "x"}}, `entry "../evil" climbs out of its folder`},
		"climbs out in part":   {[]entry{good, {name: "a/../../evil", body: "x"}}, "climbs out of its folder"},
		"absolute":             {[]entry{good, {name: "/etc/passwd", body: "x"}}, "has an absolute path"},
		"link out":             {[]entry{good, {name: "l", kind: tar.TypeSymlink, link: "../x"}}, "climbs out of its folder"},
		"link out by a detour": {[]entry{good, {name: "d", kind: tar.TypeSymlink, link: "."}, {name: "l", kind: tar.TypeSymlink, link: "d/.."}}, "climbs out"},
		// a/d is the top; what is above that is outside, whatever the text says.
		"link out by another link": {[]entry{good, {name: "a/d", kind: tar.TypeSymlink, link: ".."}, {name: "a/l", kind: tar.TypeSymlink, link: "d/.."}}, "climbs out"},
		"absolute link":            {[]entry{good, {name: "l", kind: tar.TypeSymlink, link: "/etc"}}, "not inside the archive"},
		"through a link":           {[]entry{good, {name: "l", kind: tar.TypeSymlink, link: "."}, {name: "l/x", body: "x"}}, "below the symbolic link l"},
		"device":                   {[]entry{good, {name: "d", kind: tar.TypeChar}}, "is a device"},
		"pipe":                     {[]entry{good, {name: "p", kind: tar.TypeFifo}}, "is a named pipe"},
		"hard link":                {[]entry{good, {name: "h", kind: tar.TypeLink, link: "score.yaml"}}, "is a hard link"},
		"twice":                    {[]entry{good, good}, "is there twice"},
		"no score.yaml":            {[]entry{{name: "orders", body: "x"}}, "no score.yaml at its top"},
		"score.yaml below":         {[]entry{{name: "orders/score.yaml", body: "x"}}, "archive the content of orders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := pack(t, c.entries...)
			_, err := archive.Inspect(bytes.NewReader(b), archive.DefaultLimits())
			var refused *archive.RefusedError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, c.says)
			require.False(t, refused.TooLarge)
		})
	}
}

func TestUnpack_RefusedArchive_LeavesNothing(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	b := pack(t, good, entry{name: "ok", body: "x"}, entry{name: "../evil", body: "x"})
	require.Error(t, archive.Unpack(bytes.NewReader(b), filepath.Join(top, "app"), archive.DefaultLimits()))
	left, err := os.ReadDir(top)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestInspect_MoreThanTheLimits_IsTooLarge(t *testing.T) {
	t.Parallel()
	l := archive.Limits{Unpacked: 40, Files: 3, Score: 30}
	for name, entries := range map[string][]entry{
		"bytes":   {good, {name: "a", body: "0123456789012345"}},
		"entries": {good, {name: "a"}, {name: "b"}, {name: "c"}},
		"score":   {{name: "score.yaml", body: "0123456789012345678901234567890"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := archive.Inspect(bytes.NewReader(pack(t, entries...)), l)
			var refused *archive.RefusedError
			require.ErrorAs(t, err, &refused)
			require.True(t, refused.TooLarge)
		})
	}
}

func TestInspect_DamagedOrForeignBytes_IsRefused(t *testing.T) {
	t.Parallel()
	b := pack(t, good, entry{name: "a", body: "some content that compresses to more than a few bytes"})
	for name, text := range map[string][]byte{
		"not gzip": []byte("PK\x03\x04"), "empty": nil, "cut": b[:len(b)-12], "flipped": append(bytes.Clone(b[:60]), append([]byte{b[60] ^ 0xff}, b[61:]...)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := archive.Inspect(bytes.NewReader(text), archive.DefaultLimits())
			var refused *archive.RefusedError
			require.ErrorAs(t, err, &refused)
		})
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(pack(f, good))
	f.Add(pack(f, good, entry{name: "l", kind: tar.TypeSymlink, link: "score.yaml"}))
	limits := archive.Limits{Unpacked: 1 << 20, Files: 100, Score: 1 << 10}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := archive.Inspect(bytes.NewReader(b), limits); err != nil {
			return
		}
		// What is accepted must unpack, and only inside its folder.
		top := t.TempDir()
		require.NoError(t, archive.Unpack(io.Reader(bytes.NewReader(b)), filepath.Join(top, "app"), limits))
		left, err := os.ReadDir(top)
		require.NoError(t, err)
		require.Len(t, left, 1)
	})
}
