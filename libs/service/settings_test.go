package service_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/service"
)

var list = []service.Setting{
	{Name: "addr", Default: "127.0.0.1:1", Usage: "address"},
	{Name: "key", Usage: "key", Secret: true, Check: func(v string) error {
		if v == "bad" {
			return errors.New("is bad")
		}
		return nil
	}},
	{Name: "mode", Default: "a", Usage: "mode", Check: func(v string) error {
		if v != "a" {
			return errors.New("only a is known")
		}
		return nil
	}},
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "slipway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestSettings_FlagBeatsVariableBeatsFileBeatsDefault(t *testing.T) {
	t.Parallel()
	path := file(t, "addr: from-file\n")
	var out bytes.Buffer
	s, err := service.LoadSettings("x", list, []string{"--config", path}, nil, &out)
	require.NoError(t, err)
	require.Equal(t, "from-file", s.Get("addr"))
	s, err = service.LoadSettings("x", list, []string{"--config", path}, []string{"SLIPWAY_ADDR=from-env"}, &out)
	require.NoError(t, err)
	require.Equal(t, "from-env", s.Get("addr"))
	s, err = service.LoadSettings("x", list, []string{"--config", path, "--addr", "from-flag"}, []string{"SLIPWAY_ADDR=from-env"}, &out)
	require.NoError(t, err)
	require.Equal(t, "from-flag", s.Get("addr"))
	require.True(t, s.Explicit("addr"))
	require.False(t, s.Explicit("mode"))
}

func TestSettings_EveryProblemIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := service.LoadSettings("x", list, []string{"--config", file(t, "adr: x\nmode: b\n")}, []string{"SLIPWAY_KEY=bad"}, &bytes.Buffer{})
	require.ErrorContains(t, err, `unknown setting "adr"`)
	require.ErrorContains(t, err, "key (from SLIPWAY_KEY): is bad")
	require.ErrorContains(t, err, "only a is known")
}

func TestSettings_PrintConfig_SaysWhereFrom_AndHidesSecrets(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := service.LoadSettings("x", list, []string{"--print-config"}, []string{"SLIPWAY_KEY=hunter2"}, &out)
	require.ErrorIs(t, err, service.ErrPrinted)
	require.Regexp(t, `addr +127.0.0.1:1 +default`, out.String())
	require.Regexp(t, `key +\(secret\) +SLIPWAY_KEY`, out.String())
	require.NotContains(t, out.String(), "hunter2")
}

func TestSettings_PrintConfig_ShowsAPartlySecretValueAsItMayBeShown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, err := service.LoadSettings("x", service.CommonSettings(), []string{"--print-config"}, []string{"SLIPWAY_STORE=mongodb://ship:hunter2@db:27017/fleet?tls=true"}, &out)
	require.ErrorIs(t, err, service.ErrPrinted)
	require.Regexp(t, `store +mongodb://ship:\(secret\)@db:27017/fleet\?tls=true +SLIPWAY_STORE`, out.String())
	require.NotContains(t, out.String(), "hunter2")
}

func TestSettings_StoreThatCannotBe_SaysWhatToUse(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"postgres://db":             "use sqlite:DIR or mongodb://",
		"mongodb://":                "names no host",
		"mongodb://db/a.b":          "cannot begin a database's name",
		"mongodb://db/?w=1":         "always reads and writes with the majority",
		"mongodb://db?journal=0":    "leave it out",
		"mongodb://db?consistency=": "consistency=test",
		"mongo://db":                "use sqlite:DIR or mongodb://",
		"mongodbs://u:hunter2@db/x": "a MongoDB store is mongodb://",
	} {
		_, err := service.LoadSettings("x", service.CommonSettings(), nil, []string{"SLIPWAY_STORE=" + given}, &bytes.Buffer{})
		require.ErrorContains(t, err, want, given)
		require.NotContains(t, err.Error(), "hunter2", given)
	}
	for _, fine := range []string{"sqlite:x", "mongodb://a:1,b:2/fleet?replicaSet=rs0", "mongodb+srv://u:p@db.example.org", "mongodb://db/?w=majority&consistency=test"} {
		_, err := service.LoadSettings("x", service.CommonSettings(), nil, []string{"SLIPWAY_STORE=" + fine}, &bytes.Buffer{})
		require.NoError(t, err, fine)
	}
}
