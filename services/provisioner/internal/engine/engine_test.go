package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// folder of a stand-in for an engine; see testdata.
func folder(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", name))
	require.NoError(t, err)
	return dir
}

func path(dirs ...string) string { return strings.Join(dirs, string(os.PathListSeparator)) }

func TestChoose_NoWish_IsTofuOnPathElseBesideElseTerraform(t *testing.T) {
	t.Parallel()
	tofu, newer, terraform := folder(t, "tofu"), folder(t, "newer"), folder(t, "terraform")
	for name, c := range map[string]struct {
		finder *engine.Finder
		want   engine.Engine
	}{
		"all three": {&engine.Finder{Path: path(terraform, newer), Beside: tofu},
			engine.Engine{Kind: engine.Tofu, Path: newer + "/tofu", Version: "1.13.0", Found: engine.OnPath}},
		"beside and terraform": {&engine.Finder{Path: terraform, Beside: tofu},
			engine.Engine{Kind: engine.Tofu, Path: tofu + "/tofu", Version: "1.12.6", Found: engine.Beside}},
		"terraform alone": {&engine.Finder{Path: terraform, Beside: folder(t, "terraform")},
			engine.Engine{Kind: engine.Terraform, Path: terraform + "/terraform", Version: "1.11.4", Found: engine.OnPath}},
		"the first on PATH": {&engine.Finder{Path: path(newer, tofu)},
			engine.Engine{Kind: engine.Tofu, Path: newer + "/tofu", Version: "1.13.0", Found: engine.OnPath}},
		"a tofu that does not work": {&engine.Finder{Path: path(folder(t, "broken"), terraform)},
			engine.Engine{Kind: engine.Terraform, Path: terraform + "/terraform", Version: "1.11.4", Found: engine.OnPath}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.finder.Choose(t.Context(), "")
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestChoose_Wish_IsThatEngine(t *testing.T) {
	t.Parallel()
	f := &engine.Finder{Path: path(folder(t, "tofu"), folder(t, "terraform"))}
	for wish, kind := range map[string]engine.Kind{"tofu": engine.Tofu, "terraform": engine.Terraform} {
		got, err := f.Choose(t.Context(), wish)
		require.NoError(t, err)
		require.Equal(t, kind, got.Kind)
	}
	named := filepath.Join(folder(t, "named"), "iac")
	got, err := f.Choose(t.Context(), named)
	require.NoError(t, err)
	require.Equal(t, engine.Engine{Kind: engine.Terraform, Path: named, Version: "1.11.4", Found: engine.ByDefinition}, got, "its kind is what it answers, not how it is called")
}

func TestChoose_NoEngine_SaysWhatToInstall(t *testing.T) {
	t.Parallel()
	f := &engine.Finder{Path: path(t.TempDir(), "relative", ""), Beside: t.TempDir()}
	for _, wish := range []string{"", "tofu", "terraform"} {
		_, err := f.Choose(t.Context(), wish)
		require.ErrorIs(t, err, engine.ErrNone)
		require.ErrorContains(t, err, "make opentofu")
	}
}

func TestChoose_EngineOfTheOtherKind_IsNotTaken(t *testing.T) {
	t.Parallel()
	f := &engine.Finder{Path: folder(t, "terraform")}
	_, err := f.Choose(t.Context(), "tofu")
	require.ErrorContains(t, err, "the engine tofu was not found, only terraform 1.11.4 (on PATH:")
}

func TestChoose_UnknownWish_NamesTheChoices(t *testing.T) {
	t.Parallel()
	f := &engine.Finder{Path: folder(t, "tofu")}
	for _, wish := range []string{"pulumi", "Tofu", "bin/tofu", "../tofu"} {
		_, err := f.Choose(t.Context(), wish)
		require.ErrorIs(t, err, engine.ErrUnknown)
		require.ErrorContains(t, err, "say tofu, terraform, or the absolute path")
	}
}

func TestChoose_ProgramThatIsNoEngine_IsRefusedWithWhatItSaid(t *testing.T) {
	t.Parallel()
	f := &engine.Finder{}
	for name, says := range map[string]string{"broken/tofu": "cannot find my libraries", "silent/tofu": "I am another program", "gone/tofu": "there is no such program", "tofu": "there is no such program"} {
		_, err := f.Choose(t.Context(), folder(t, name))
		require.ErrorContains(t, err, says)
	}
}

func TestChoose_EngineHangs_EndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	f := &engine.Finder{Path: folder(t, "hangs")}
	_, err := f.Choose(ctx, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAsk_AWarningBeforeTheAnswer_IsPassedOverAndTheEnvironmentIsEmpty(t *testing.T) {
	t.Setenv("SLIPWAY_DATA", "not for an engine")
	f := &engine.Finder{Path: folder(t, "noisy")}
	got, err := f.Choose(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "1.12.6", got.Version)
}

func TestAll_BrokenOneAmongOthers_IsNamedAndTheOthersAreListed(t *testing.T) {
	t.Parallel()
	f := &engine.Finder{Path: path(folder(t, "broken"), folder(t, "terraform")), Beside: folder(t, "tofu")}
	all, err := f.All(t.Context())
	require.ErrorContains(t, err, filepath.Join("broken", "tofu")+" does not say its version")
	require.Len(t, all, 2)
	require.Equal(t, engine.Tofu, all[0].Kind)
	require.Equal(t, engine.Terraform, all[1].Kind)
}

func TestAll_SameFileTwice_IsOneEngine(t *testing.T) {
	t.Parallel()
	f := &engine.Finder{Path: folder(t, "tofu"), Beside: folder(t, "tofu")}
	all, err := f.All(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, engine.OnPath, all[0].Found)
}

func TestFinder_AskedAgain_AsksTheProgramOnlyWhenItsFileChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tofu := filepath.Join(dir, "tofu")
	require.NoError(t, os.Symlink(filepath.Join(folder(t, "tofu"), "tofu"), tofu))
	f := &engine.Finder{Path: dir}
	for range 3 {
		got, err := f.Choose(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, "1.12.6", got.Version)
	}
	asked, err := os.ReadFile(tofu + ".asked")
	require.NoError(t, err)
	require.Equal(t, "asked\n", string(asked))

	require.NoError(t, os.Remove(tofu))
	require.NoError(t, os.Symlink(filepath.Join(folder(t, "newer"), "tofu"), tofu))
	got, err := f.Choose(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "1.13.0", got.Version, "another program stands there now")
}
