package archive

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteTar writes the tree as a gzipped tar: the same bytes for the same tree.
func (t Tree) WriteTar(w io.Writer) error {
	zip := gzip.NewWriter(w)
	out := tar.NewWriter(zip)
	for _, f := range t {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.Name, Mode: int64(f.mode()), Size: int64(len(f.Content)),
			ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := out.Write(f.Content); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), zip.Close())
}

// ReadTar reads a gzipped tar to its end. It fails with *RefusedError where the
// archive holds what it must not, or is damaged.
func ReadTar(r io.Reader, l Limits) (Tree, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, refuse("", "it is no gzipped tar archive")
	}
	// A tar is longer than its files: by a header each, and by names.
	bounded := &counted{from: zip, left: l.Bytes + int64(l.Files)*4096 + 1<<20}
	in := tar.NewReader(bounded)
	b := builder{limits: l, seen: map[string]bool{}}
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, b.damaged(bounded, err)
		}
		if err := b.entry(h, in); err != nil {
			return nil, b.damaged(bounded, err)
		}
	}
	// To the end, so that the checksum is seen too.
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return nil, b.damaged(bounded, err)
	}
	return b.tree(), nil
}

func (b *builder) entry(h *tar.Header, in io.Reader) error {
	name := strings.TrimPrefix(h.Name, "./")
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		if name = strings.TrimSuffix(name, "/"); name == "" || name == "." {
			return nil
		}
		return b.enter(name, true)
	case tar.TypeReg:
	case tar.TypeSymlink:
		return refuse(name, "is a symbolic link; put the file itself in its place")
	case tar.TypeLink:
		return refuse(name, "is a hard link; put the file itself in its place")
	default:
		return refuse(name, "is neither a file nor a folder")
	}
	if h.Size < 0 || h.Size > b.limits.Bytes-b.bytes {
		return b.tooLarge()
	}
	content, err := io.ReadAll(io.LimitReader(in, h.Size))
	if err != nil {
		return err
	}
	return b.file(File{Name: name, Executable: h.Mode&0o111 != 0, Content: content})
}

func (b *builder) damaged(from *counted, err error) error {
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return err
	case from.over:
		return b.tooLarge()
	case from.failed:
		return refuse("", "it is damaged or cut short: %v; send it again", err)
	}
	return refuse("", "it is no tar archive: %v", err)
}

// counted reads at most so much, and knows whether it was the source that failed.
type counted struct {
	from         io.Reader
	left         int64
	over, failed bool
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.over = true
		return 0, fmt.Errorf("too long")
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.from.Read(p)
	c.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.failed = true
	}
	return n, err
}
