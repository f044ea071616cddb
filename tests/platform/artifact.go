package platform

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
)

// File is one entry of an archive; a Link instead of Body makes it a symbolic
// link.
type File struct {
	Name, Link string
	Body       []byte
	Mode       int64 // 0644 when zero
}

// Archive is a gzipped tar of files.
func (p *Platform) Archive(files ...File) []byte {
	p.T.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tarred := tar.NewWriter(zipped)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: f.Mode, Size: int64(len(f.Body)), Typeflag: tar.TypeReg}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if f.Link != "" {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f.Link, 0
		}
		require.NoError(p.T, tarred.WriteHeader(h))
		if f.Link == "" {
			_, err := tarred.Write(f.Body)
			require.NoError(p.T, err)
		}
	}
	require.NoError(p.T, tarred.Close())
	require.NoError(p.T, zipped.Close())
	return out.Bytes()
}

// Executable is a file of this machine as an archive's program.
func (p *Platform) Executable(name, path string) File {
	p.T.Helper()
	body, err := os.ReadFile(path)
	require.NoError(p.T, err)
	return File{Name: name, Body: body, Mode: 0o755}
}

// Push stores an artifact through the API.
func (p *Platform) Push(project, name, version string, files ...File) client.Artifact {
	p.T.Helper()
	a, err := p.Client().PushArtifact(p.Context(), project, name, version, bytes.NewReader(p.Archive(files...)))
	require.NoError(p.T, err)
	return a
}

// PushOrders builds and pushes a release of the example's orders, with the
// Score file that the example has for it.
func (p *Platform) PushOrders(b *Binaries, project, version, release string) client.Artifact {
	p.T.Helper()
	return p.Push(project, "orders", version,
		p.Executable("orders", b.Orders(p.T, release)),
		File{Name: "score.yaml", Body: ExampleScore(p, release)})
}

// ExampleScore is the example's Score file of a release.
func ExampleScore(p *Platform, release string) []byte {
	p.T.Helper()
	dir := filepath.Join(repository(), "deploy", "examples", "shop", "orders")
	for _, name := range []string{"score-" + release + ".yaml", "score.yaml"} {
		text, err := fs.ReadFile(os.DirFS(dir), name)
		if err == nil {
			return text
		}
	}
	require.FailNow(p.T, "the example has no Score file for "+release)
	return nil
}
