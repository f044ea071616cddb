package sandbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

func TestStart_WhatTheProgramUnpacked_IsReadableByTheRunner(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		temp := filepath.Join(b.dir, "temp")
		closed := filepath.Join(temp, "go-graphviz", "compiled")
		require.NoError(t, os.MkdirAll(closed, 0o700))
		require.NoError(t, os.WriteFile(closed+"/ours", []byte("code"), 0o600))
		require.NoError(t, os.WriteFile(closed+"/theirs", []byte("planted"), 0o600))
		if b.config.Root {
			require.NoError(t, os.Chown(closed+"/theirs", nextUID(), -1))
		}
		b.config.Temp = temp
		b.reopen()
		b.files = doing("true")
		b.prepare(nil)
		b.start(runner.Plan)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v", r)
		if !b.config.Root {
			require.NoDirExists(t, filepath.Join(b.config.Dir, "bin", "tmp"), "the same user reads it where it is")
			return
		}
		dir := filepath.Join(b.config.Dir, "bin", "tmp", "go-graphviz", "compiled")
		st, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o755), st.Mode().Perm())
		st, err = os.Stat(dir + "/ours")
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o004), st.Mode().Perm()&0o004)
		require.NoFileExists(t, dir+"/theirs")
	})
}
