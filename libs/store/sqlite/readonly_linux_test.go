package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/slipway-idp/slipway/libs/store"
)

// asNobody runs fn on a thread to which the file system is that of somebody
// without rights: permissions mean nothing to root otherwise. The thread ends
// with the goroutine, because it stays locked to it.
func asNobody(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			_, _ = unix.SetfsgidRetGid(65534)
			_, _ = unix.SetfsuidRetUid(65534)
		}
		fn()
	}()
	<-done
}

func TestOpen_FolderCannotBeWritten_IsReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500)) //nolint:gosec // a folder
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	for _, path := range []string{filepath.Join(dir, "s.db"), filepath.Join(dir, "sub", "s.db")} {
		var err error
		asNobody(func() { _, err = Open(context.Background(), path, Options{}) })
		require.ErrorIs(t, err, store.ErrReadOnly)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "make the folder and the file writable")
	}
}

func TestOpen_ExistingFileCannotBeWritten_IsReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	require.NoError(t, open(t, path).Close())
	require.NoError(t, os.Chmod(path, 0o400))
	require.NoError(t, os.Chmod(dir, 0o500)) //nolint:gosec // a folder
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	var err error
	asNobody(func() { _, err = Open(context.Background(), path, Options{}) })
	require.ErrorIs(t, err, store.ErrReadOnly)
}

// filesOf counts this process's open files below dir.
func filesOf(t *testing.T, dir string) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	n := 0
	for _, f := range open {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(to, dir+"/") {
			n++
		}
	}
	return n
}

func TestClose_AndRefusedOpen_LeaveNoFileOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	s := open(t, path)
	require.NoError(t, put(s, "a"))
	require.Positive(t, filesOf(t, dir))
	require.NoError(t, s.Close())
	require.Zero(t, filesOf(t, dir))
	require.NoFileExists(t, path+"-wal", "the log is merged into the file")
	rawSQL(t, path, "UPDATE slipway_schema SET version = 7")
	_, err := Open(context.Background(), path, Options{})
	require.Error(t, err)
	require.Zero(t, filesOf(t, dir))
}
