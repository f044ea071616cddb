package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
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
