package allinone

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folder is the data folder: everything that Slipway keeps on this machine.
type folder struct {
	path string
	lock *os.File
}

// TakenError says that another process works on the data folder.
type TakenError struct {
	Dir string
	PID int // 0 where it is not known
}

func (e *TakenError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("%s is in use by %s; stop it with slipway down --data %s, or name another folder with --data", e.Dir, who, e.Dir)
}

// openFolder makes the folder if need be, locks it against a second process
// and finds out whether it can be written.
func openFolder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, unwritable(path, err)
	}
	f, err := lockFolder(path)
	if err != nil {
		return nil, err
	}
	if err := f.probe(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// lockFolder locks a folder that is there. The lock goes with the process,
// however it ends.
func lockFolder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unwritable(path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		taken := &TakenError{Dir: path, PID: holder(path)}
		return nil, errors.Join(taken, lock.Close())
	}
	return &folder{path: path, lock: lock}, nil
}

// probe finds out now, and not at the first commit, that nothing can be written.
func (f *folder) probe() error {
	if err := f.lock.Truncate(0); err != nil {
		return unwritable(f.path, err)
	}
	if _, err := f.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return unwritable(f.path, err)
	}
	if err := f.lock.Sync(); err != nil {
		return unwritable(f.path, err)
	}
	return nil
}

func unwritable(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the data folder %s is full: nothing was started; free some space or name another with --data", path)
	case errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the data folder %s cannot be written: nothing was started; make it writable or name another with --data", path)
	}
	return fmt.Errorf("the data folder %s: %w", path, err)
}

// holder is the process that wrote its id into the lock last, if it has the
// lock open: an id alone could be somebody else's by now. 0: not known.
func holder(path string) int {
	name := filepath.Join(path, "lock")
	raw, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(fds)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && target == name {
			return pid
		}
	}
	return 0
}

func (f *folder) close() error { return f.lock.Close() }

// sub is a folder of one service, made.
func (f *folder) sub(name string) (string, error) {
	dir := filepath.Join(f.path, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", unwritable(f.path, err)
	}
	return dir, nil
}

// adminToken is the first admin's token, made by generate at the first start.
func (f *folder) adminToken(generate func() (string, error)) (string, error) {
	path := filepath.Join(f.path, "admin.token")
	if raw, err := os.ReadFile(path); err == nil {
		return strings.TrimSpace(string(raw)), nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("the admin's token: %w", err)
	}
	token, err := generate()
	if err != nil {
		return "", err
	}
	// Written beside and renamed: half a token would lock everybody out.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(token+"\n"), 0o600); err != nil {
		return "", unwritable(f.path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", unwritable(f.path, err)
	}
	return token, nil
}
