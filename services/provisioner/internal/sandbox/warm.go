package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// unpacked is what the slipway program makes in the temporary folder when it
// begins, before any code of ours: Graphviz, which the portal draws with, is
// compiled there once, for seconds. The folder is closed to others, and a
// program that cannot read it does not begin at all.
const unpacked = "go-graphviz"

// temporary is the temporary folder of a runner itself; the module has another.
// As root that is one which every user may read and nobody may write to, with a
// copy of what our own program unpacked; otherwise it is our own.
func (s *Sandbox) temporary() (string, error) {
	if !s.c.Root {
		return s.c.Temp, nil
	}
	dir := filepath.Join(s.c.Dir, "bin", "tmp")
	defer s.lock(dir)() // of nobody's run
	if _, err := os.Stat(filepath.Join(dir, unpacked)); err == nil {
		return dir, nil
	}
	next := dir + ".next"
	if err := errors.Join(removeAll(next), removeAll(dir), os.Mkdir(next, 0o755)); err != nil {
		return "", err
	}
	// Whatever the umask is.
	if err := os.Chmod(next, 0o755); err != nil {
		return "", err
	}
	if err := copyOurs(filepath.Join(s.c.Temp, unpacked), filepath.Join(next, unpacked)); err != nil {
		return "", err
	}
	return dir, os.Rename(next, dir)
}

// copyOurs copies a folder of ours so that everybody may read it. One that is
// not there, or not ours, is left out, and so is what in it is.
func copyOurs(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return errors.Join(os.Mkdir(target, 0o755), os.Chmod(target, 0o755))
		case st.Mode().IsRegular():
			return copyProgram(path, target)
		}
		return nil
	})
}
