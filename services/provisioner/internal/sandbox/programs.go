package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// reachable is a program where any user may start it: itself, or a link or copy
// in a folder of ours, because the folders that it is in are closed to others.
func (s *Sandbox) reachable(program string) (string, error) {
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return "", err
	}
	if openToAll(real) && filepath.Base(real) == filepath.Base(program) {
		return real, nil
	}
	st, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	sys := st.Sys().(*syscall.Stat_t)
	id := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %d %d", real, sys.Dev, sys.Ino, st.Size(), st.ModTime().UnixNano()))
	// A program may go by its name: that stays in front.
	to := filepath.Join(s.c.Dir, "bin", filepath.Base(program)+"-"+hex.EncodeToString(id[:6]))
	defer s.lock(to)() // of nobody's run
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	// A link shows the same bytes as long as nobody writes into the program
	// itself; build tools replace it.
	if st.Mode().Perm()&0o555 == 0o555 && os.Link(real, to) == nil {
		return to, nil
	}
	return to, copyProgram(real, to)
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := to + ".new"
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Chmod(0o755), out.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, to)
}

// openToAll: everybody may pass its folders, and run it.
func openToAll(program string) bool {
	st, err := os.Stat(program)
	if err != nil || st.Mode().Perm()&0o005 != 0o005 {
		return false
	}
	for dir := filepath.Dir(program); ; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err != nil || st.Mode().Perm()&fs.FileMode(0o001) == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}
