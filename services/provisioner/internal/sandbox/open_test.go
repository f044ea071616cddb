package sandbox_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/sandbox"
)

func TestOpen_FolderThatIsNotOurs_IsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for _, name := range []string{"link", "file"} {
		_, err := sandbox.Open(sandbox.Config{Dir: filepath.Join(dir, name)})
		require.ErrorContains(t, err, "is no folder of this platform's")
		require.ErrorContains(t, err, filepath.Join(dir, name))
	}
	if os.Geteuid() == 0 {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "theirs"), 0o700))
		require.NoError(t, os.Chown(filepath.Join(dir, "theirs"), nextUID(), -1))
		_, err := sandbox.Open(sandbox.Config{Dir: filepath.Join(dir, "theirs"), Root: true})
		require.ErrorContains(t, err, "is no folder of this platform's")
	}
}

func TestNames_ThatClimb_AreRefused(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		none := func(string) error { return nil }
		for _, name := range []string{"", "..", ".", "a/b", "../x", "a\x00b", ".hidden"} {
			require.Error(t, b.Prepare(t.Context(), name, b.uid, none), "%q", name)
			require.Error(t, b.Remove(name), "%q", name)
			require.Error(t, b.RemoveStack(name), "%q", name)
			require.Error(t, b.Start(t.Context(), name, b.uid, b.job), "%q", name)
			job := b.job
			job.Stack = name
			require.Error(t, b.Start(t.Context(), aRun, b.uid, job), "%q", name)
		}
	})
}

func TestStart_ProgramThatIsNotThere_IsAnErrorAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		b.files = doing("true")
		b.prepare(nil)
		b.config.Executable = []string{filepath.Join(b.dir, "nothing")}
		b.reopen()
		b.job.Phase = runner.Plan
		require.ErrorContains(t, b.Start(t.Context(), aRun, b.uid, b.job), "nothing")
		b.config.Executable = []string{program.Path(t)}
		b.reopen()
		b.start(runner.Plan)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v", r)
	})
}

func TestUserID_OfAnotherPlatform_IsRefusedUntilThatIsGone(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		if !b.config.Root {
			return // then there are no user ids
		}
		none := func(string) error { return nil }
		other := b.config
		other.Dir = filepath.Join(b.dir, "others")
		o, err := sandbox.Open(other)
		require.NoError(t, err)
		require.NoError(t, o.Prepare(t.Context(), "run-9", b.uid, none))
		err = b.Prepare(t.Context(), aRun, b.uid, none)
		require.ErrorContains(t, err, "in use by another Slipway")
		require.ErrorContains(t, err, other.Dir)
		require.ErrorContains(t, err, strconv.Itoa(b.uid))
		require.NoError(t, os.RemoveAll(other.Dir))
		require.NoError(t, b.Prepare(t.Context(), aRun, b.uid, none))
		require.NoError(t, b.Prepare(t.Context(), aRun, b.uid, none))
		for _, uid := range []int{0, -1, 999} {
			require.ErrorContains(t, b.Prepare(t.Context(), aRun, uid, none), "cannot be a stack's")
		}
	})
}
