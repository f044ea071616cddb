package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// removeAll removes whatever is at path: a module may have nested folders deeper
// than names or open files reach, or have taken our rights from them. No link is
// followed. Nobody is at work there any more. What is not there is no error.
func removeAll(path string) error {
	parent, name := filepath.Split(filepath.Clean(path))
	dir, err := unix.Open(parent, unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	defer func() { _ = unix.Close(dir) }()
	if err := removeAt(dir, name); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// removeAt removes one name. The folders in a folder are moved up into it until
// none is left that is not empty, so depth costs nothing but time.
func removeAt(dir int, name string) error {
	done, err := removeFlat(dir, name)
	if done || err != nil {
		return err
	}
	top, err := openDir(dir, name)
	if err != nil {
		return err
	}
	moved := 0
	for {
		names, err := list(top)
		if err != nil {
			return errors.Join(err, unix.Close(top))
		}
		if len(names) == 0 {
			break
		}
		for _, sub := range names {
			if err := lift(top, sub, &moved); err != nil {
				return errors.Join(err, unix.Close(top))
			}
		}
	}
	if err := unix.Close(top); err != nil {
		return err
	}
	return ignoreGone(unix.Unlinkat(dir, name, unix.AT_REMOVEDIR))
}

// lift removes what is in sub, moves its folders up into top, and removes it.
func lift(top int, sub string, moved *int) error {
	done, err := removeFlat(top, sub)
	if done || err != nil {
		return err
	}
	d, err := openDir(top, sub)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(d) }()
	names, err := list(d)
	if err != nil {
		return err
	}
	for _, name := range names {
		done, err := removeFlat(d, name)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		if err := unix.Fchmodat(d, name, 0o700, 0); err != nil { // to be moved it must be ours to change
			return err
		}
		for {
			*moved++
			err := unix.Renameat2(d, name, top, fmt.Sprintf(".gone-%d", *moved), unix.RENAME_NOREPLACE)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EEXIST) {
				return err
			}
		}
	}
	return ignoreGone(unix.Unlinkat(top, sub, unix.AT_REMOVEDIR))
}

// removeFlat removes what is no folder, or an empty one; done is false for a
// folder with something in it.
func removeFlat(dir int, name string) (done bool, err error) {
	err = unix.Unlinkat(dir, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return true, nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return false, err
	}
	err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return true, nil
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		return false, nil
	}
	return false, err
}

// openDir opens a folder of which the module may have taken our rights away.
func openDir(dir int, name string) (int, error) {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_RDONLY
	if err := unix.Fchmodat(dir, name, 0o700, 0); err != nil { // it is a folder: removeFlat saw it
		return -1, err
	}
	return unix.Openat(dir, name, flags, 0)
}

// list is the names in an open folder.
func list(dir int) ([]string, error) {
	again, err := unix.Openat(dir, ".", unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), "folder")
	defer f.Close()
	return f.Readdirnames(-1)
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
