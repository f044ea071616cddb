package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
)

// Blobs keeps archives in a folder, by digest.
type Blobs struct {
	dir    string
	limits archive.Limits
}

// OpenBlobs makes the folder and removes what uploads cut short left there.
func OpenBlobs(dir string, l archive.Limits) (*Blobs, error) {
	b := &Blobs{dir: dir, limits: l}
	if err := os.RemoveAll(b.incoming()); err != nil {
		return nil, fmt.Errorf("artifact folder: %w", err)
	}
	for _, d := range []string{b.incoming(), filepath.Join(dir, "sha256")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("artifact folder: %w", err)
		}
	}
	return b, nil
}

func (b *Blobs) incoming() string { return filepath.Join(b.dir, "incoming") }

func (b *Blobs) path(digest string) string {
	return filepath.Join(b.dir, "sha256", strings.TrimPrefix(digest, "sha256:")+".tar.gz")
}

// Open reads an archive.
func (b *Blobs) Open(_ context.Context, digest string) (io.ReadCloser, error) {
	if !digestPattern.MatchString(digest) {
		return nil, fmt.Errorf("%q is not a digest", digest)
	}
	f, err := os.Open(b.path(digest))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("artifact %s is no longer kept: push it again", short(digest))
	}
	return f, err
}

// Upload is an archive that was received and is not yet kept.
type Upload struct {
	Digest   string
	Size     int64
	Manifest archive.Manifest
	path     string
	blobs    *Blobs
}

// Receive takes an archive from a stream to disk and looks into it. A refused
// one is *archive.RefusedError and leaves nothing. Keep or Discard ends it.
func (b *Blobs) Receive(r io.Reader) (_ *Upload, err error) {
	f, err := os.CreateTemp(b.incoming(), "upload-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, b.limits.Compressed+1))
	if err != nil {
		return nil, err
	}
	if n > b.limits.Compressed {
		return nil, &archive.RefusedError{TooLarge: true, Reason: fmt.Sprintf("it has more than %d MiB", b.limits.Compressed>>20)}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	m, err := archive.Inspect(f, b.limits)
	if err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return &Upload{Digest: digestOf(sum), Size: n, Manifest: m, path: f.Name(), blobs: b}, nil
}

func digestOf(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

// Keep puts the archive in its place, durably.
func (u *Upload) Keep() error {
	to := u.blobs.path(u.Digest)
	if err := os.Rename(u.path, to); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Discard removes what was received and not kept.
func (u *Upload) Discard() { os.Remove(u.path) }

// Remove deletes an archive; one that is not there is nil.
func (b *Blobs) Remove(digest string) error {
	if err := os.Remove(b.path(digest)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Digests are those of all archives that are kept.
func (b *Blobs) Digests() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, "sha256"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if hex, ok := strings.CutSuffix(e.Name(), ".tar.gz"); ok {
			out = append(out, "sha256:"+hex)
		}
	}
	return out, nil
}
