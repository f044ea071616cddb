package allinone

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFolder_SecondProcess_IsToldWhoHasIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := openFolder(dir)
	require.NoError(t, err)
	_, err = openFolder(dir)
	var taken *TakenError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, os.Getpid(), taken.PID)
	require.ErrorContains(t, err, "slipway down")
	require.NoError(t, first.close())
	again, err := openFolder(dir)
	require.NoError(t, err)
	require.NoError(t, again.close())
}

func TestFolder_IDOfAProcessThatIsGone_IsNotBelieved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lock"), []byte("1\n"), 0o600))
	require.Zero(t, holder(dir))
}

func TestAdminToken_IsMadeOnce_AndForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	f, err := openFolder(t.TempDir())
	require.NoError(t, err)
	defer f.close()
	made := 0
	generate := func() (string, error) {
		made++
		return fmt.Sprintf("slp_%d", made), nil
	}
	token, err := f.adminToken(generate)
	require.NoError(t, err)
	again, err := f.adminToken(generate)
	require.NoError(t, err)
	require.Equal(t, token, again)
	info, err := os.Stat(filepath.Join(f.path, "admin.token"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestListen_TakenDefaultMoves_TakenGivenIsAnError(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	l, moved, err := listen("the portal", other.Addr().String(), false, "--listen")
	require.NoError(t, err)
	defer l.Close()
	require.True(t, moved)
	_, _, err = listen("the portal", other.Addr().String(), true, "--listen")
	require.ErrorContains(t, err, "the port is taken")
	require.ErrorContains(t, err, "--listen")
}

func TestDown_WhereNothingRan_SaysSo(t *testing.T) {
	t.Parallel()
	err := Down(t.Context(), filepath.Join(t.TempDir(), "nowhere"), func(string) {})
	require.ErrorContains(t, err, "no platform has run")
	require.NoDirExists(t, filepath.Join(t.TempDir(), "nowhere"))
}
