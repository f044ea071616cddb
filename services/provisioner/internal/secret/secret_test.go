package secret_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

func open(t *testing.T) (*secret.Secrets, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "p.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	v, err := secret.OpenVault(filepath.Join(dir, "secret.key"), false)
	require.NoError(t, err)
	return secret.New(s, v, time.Now), dir
}

func TestSet_ValueIsNowhereInTheFolderAndResolvesByName(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	info, changed, err := s.Set(t.Context(), events.Cause{Actor: "user:default/ada"}, "shop", "github", "hush-hush-hush", secret.Given)
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, 1, info.Version)
	values, missing, err := s.Resolve(t.Context(), "shop", []string{"github", "nothing", "nothing"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"github": "hush-hush-hush"}, values)
	require.Equal(t, []string{"nothing"}, missing)
	shown, _, err := s.List(t.Context(), "shop", 10, "")
	require.NoError(t, err)
	text, err := json.Marshal(shown)
	require.NoError(t, err)
	require.NotContains(t, string(text), "hush")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		require.False(t, strings.Contains(string(b), "hush-hush-hush"), f)
	}
	st, err := os.Stat(filepath.Join(dir, "secret.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
}

func TestSet_SameValueAgain_ChangesNothing(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for i, want := range []int{1, 1, 2} {
		value := map[int]string{0: "a", 1: "a", 2: "b"}[i]
		info, changed, err := s.Set(t.Context(), events.Cause{}, "shop", "x", value, secret.Given)
		require.NoError(t, err)
		require.Equal(t, want, info.Version)
		require.Equal(t, i != 1, changed)
	}
	same, err := s.Same(t.Context(), "shop", "x", "b")
	require.NoError(t, err)
	require.True(t, same)
}

func TestSet_BadNameOrValue_IsRefusedWithoutSayingTheValue(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for _, name := range []string{"", "a/b", "-x", "resource/dev/cache/password", strings.Repeat("x", 200)} {
		_, _, err := s.Set(t.Context(), events.Cause{}, "shop", name, "v", secret.Given)
		require.Error(t, err, name)
	}
	_, _, err := s.Set(t.Context(), events.Cause{}, "shop", "x", strings.Repeat("hush", 20000), secret.Given)
	require.ErrorContains(t, err, "bytes")
	require.NotContains(t, err.Error(), "hushhush")
	_, _, err = s.Set(t.Context(), events.Cause{}, "shop", secret.OfResource("dev", "orders.cache", "password"), "v", secret.Made)
	require.NoError(t, err)
}

func TestOpenVault_KeyGoneWhileThereAreSecrets_IsAnErrorAndMakesNoNewOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	_, err := secret.OpenVault(path, true)
	require.ErrorIs(t, err, secret.ErrNoKey)
	require.NoFileExists(t, path)
	require.NoError(t, os.WriteFile(path, []byte("AGE-SECRET-KEY-nonsense"), 0o600))
	_, err = secret.OpenVault(path, true)
	require.ErrorContains(t, err, "backup")
	require.NotContains(t, err.Error(), "nonsense")
}

func TestDelete_IsGoneAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	_, _, err := s.Set(t.Context(), events.Cause{}, "shop", "x", "v", secret.Given)
	require.NoError(t, err)
	for _, want := range []bool{true, false} {
		existed, err := s.Delete(t.Context(), events.Cause{}, "shop", "x")
		require.NoError(t, err)
		require.Equal(t, want, existed)
	}
	_, err = s.Get(t.Context(), "shop", "x")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestServe_OnlyThoseWhoMay(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	_, _, err := s.Set(t.Context(), events.Cause{}, "shop", "x", "v", secret.Given)
	require.NoError(t, err)
	answer, err := s.Serve(t.Context(), []byte(`{"project":"shop","names":["x","y"],"service":"deployer"}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"values":{"x":"v"},"missing":["y"]}`, string(answer))
	for body, want := range map[string]string{
		`{"project":"shop","names":["x"],"service":"catalog"}`: "may not resolve",
		`{"names":["x"],"service":"deployer"}`:                 "no project",
		`nonsense`:                                             "not JSON",
	} {
		_, err := s.Serve(t.Context(), []byte(body))
		require.ErrorContains(t, err, want)
	}
}
