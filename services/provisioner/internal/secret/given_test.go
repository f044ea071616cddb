package secret_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

func TestOpenGiven_KeyElsewhere_IsMadeOnceAndReadFromThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, usual := filepath.Join(dir, "elsewhere.key"), filepath.Join(dir, "secret.key")
	first, err := secret.OpenGiven(path, usual, false)
	require.NoError(t, err)
	require.NoFileExists(t, usual)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	sealed, err := first.Seal("hush")
	require.NoError(t, err)

	// As age-keygen writes it, comments and all, readable and not to be written.
	key, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append([]byte("# created: today\n# public key: age1…\n"), key...), 0o600))
	require.NoError(t, os.Chmod(path, 0o400))
	again, err := secret.OpenGiven(path, usual, true)
	require.NoError(t, err)
	text, err := again.Unseal(sealed)
	require.NoError(t, err)
	require.Equal(t, "hush", text)
}

func TestOpenGiven_WhatIsWrong_IsToldWithTheWayOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	usual, path := filepath.Join(dir, "secret.key"), filepath.Join(dir, "elsewhere.key")
	refused := func(at, want string) {
		t.Helper()
		_, err := secret.OpenGiven(at, usual, true)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, at)
		require.NotContains(t, err.Error(), "AGE-SECRET-KEY")
	}
	refused(path, "put "+path+" back, which the setting secret-key-file names")
	_, err := secret.OpenVault(usual, false)
	require.NoError(t, err)
	refused(path, "move "+usual+" to "+path)
	_, err = secret.OpenGiven(path, usual, true)
	require.ErrorIs(t, err, secret.ErrNoKey)
	require.NoFileExists(t, path)

	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620} {
		require.NoError(t, os.WriteFile(path, []byte("AGE-SECRET-KEY-1nonsense"), mode))
		require.NoError(t, os.Chmod(path, mode))
		refused(path, "open to others (mode 0")
		refused(path, "chmod 600")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), "an operator's file is not changed")
	}
	require.NoError(t, os.Chmod(path, 0o600))
	refused(path, "is not an age key")
	refused(dir, "is not a file")
	refused(filepath.Join(path, "below"), "named by the setting secret-key-file")
}

func TestOpens_AnotherKey_IsFoundOutAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "p.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	mine, err := secret.OpenVault(filepath.Join(dir, "secret.key"), false)
	require.NoError(t, err)
	other, err := secret.OpenVault(filepath.Join(dir, "other.key"), false)
	require.NoError(t, err)
	require.NoError(t, secret.Opens(t.Context(), db, other), "nothing is sealed yet")
	_, _, err = secret.New(db, mine, time.Now).Set(t.Context(), events.Cause{}, "shop", "x", "hush", secret.Given)
	require.NoError(t, err)
	require.NoError(t, secret.Opens(t.Context(), db, mine))
	require.ErrorIs(t, secret.Opens(t.Context(), db, other), secret.ErrOtherKey)
}
