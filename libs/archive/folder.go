package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// ReadFolder reads a folder. skip, where it is given, leaves entries out by
// their name in the folder: a folder with all that is in it. It fails with
// *RefusedError where the folder holds what it must not.
func ReadFolder(dir string, l Limits, skip func(name string) bool) (Tree, error) {
	if info, err := os.Lstat(dir); err != nil {
		return nil, err
	} else if info.Mode()&fs.ModeSymlink != 0 {
		return nil, refuse("", "it is a symbolic link; name the folder itself")
	} else if !info.IsDir() {
		return nil, refuse("", "it is no folder")
	}
	// A root follows nothing out of the folder, whatever changes meanwhile.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	b := builder{limits: l, seen: map[string]bool{}}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case skip != nil && skip(name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return b.enter(name, true)
		case d.Type()&fs.ModeSymlink != 0:
			return refuse(name, "is a symbolic link; put the file itself in its place")
		case !d.Type().IsRegular():
			return refuse(name, "is neither a file nor a folder")
		}
		f, err := b.read(root, name)
		if err != nil {
			return err
		}
		return b.file(f)
	})
	if err != nil {
		return nil, err
	}
	return b.tree(), nil
}

func (b *builder) read(root *os.Root, name string) (File, error) {
	f, err := root.Open(name)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	if !info.Mode().IsRegular() {
		return File{}, refuse(name, "is neither a file nor a folder")
	}
	left := b.limits.Bytes - b.bytes
	content, err := io.ReadAll(io.LimitReader(f, left+1))
	if err != nil {
		return File{}, err
	}
	if int64(len(content)) > left {
		return File{}, b.tooLarge()
	}
	return File{Name: name, Executable: info.Mode()&0o111 != 0, Content: content}, nil
}

// WriteFolder writes the tree into a folder, which is made where it is not
// there; files that are there already are an error. Modes are 0755 for folders
// and what can be executed, 0644 otherwise.
func (t Tree) WriteFolder(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, f := range t {
		if err := checkName(f.Name); err != nil {
			return err
		}
		if above := path.Dir(f.Name); above != "." {
			if err := root.MkdirAll(filepath.FromSlash(above), 0o755); err != nil {
				return err
			}
		}
		if err := write(root, f); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name, err)
		}
	}
	return nil
}

func write(root *os.Root, f File) error {
	out, err := root.OpenFile(filepath.FromSlash(f.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.mode())
	if err != nil {
		return err
	}
	_, err = out.Write(f.Content)
	return errors.Join(err, out.Close())
}
