package provisioner_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

func TestSettings_KeyFile_ReachesTheServiceAndIsShown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s, err := service.LoadSettings("provisioner", provisioner.Settings(), []string{"--print-config"},
		[]string{"SLIPWAY_SECRET_KEY_FILE=/etc/slipway/secret.key"}, &out)
	require.ErrorIs(t, err, service.ErrPrinted)
	require.Equal(t, "/etc/slipway/secret.key", provisioner.OptionsOf(s).SecretKeyFile)
	require.Contains(t, out.String(), "secret-key-file")
	require.Contains(t, out.String(), "/etc/slipway/secret.key")
}

func TestNew_KeyThatCannotBeUsed_IsToldBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "p.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	key := filepath.Join(dir, "elsewhere.key")
	vault, err := secret.OpenVault(key, false)
	require.NoError(t, err)
	_, _, err = secret.New(db, vault, time.Now).Set(t.Context(), events.Cause{}, "shop", "x", "hush", secret.Given)
	require.NoError(t, err)
	refused := func(file, want string) {
		t.Helper()
		_, err := provisioner.New(provisioner.Config{
			Deps: service.Deps{Store: db, DataDir: filepath.Join(dir, "data")}, Options: provisioner.Options{SecretKeyFile: file},
		})
		require.ErrorContains(t, err, want)
	}
	refused("", "is not there")
	refused(filepath.Join(dir, "nothing.key"), "is not there")
	other := filepath.Join(dir, "other.key")
	_, err = secret.OpenVault(other, false)
	require.NoError(t, err)
	refused(other, "other.key: the key is not the one")
	require.NoError(t, os.Chmod(key, 0o644))
	refused(key, "open to others")
}
