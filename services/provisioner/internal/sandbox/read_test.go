package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// planted has a finished run whose folder a hostile module may have changed.
func planted(t *testing.T, b *bench, plant func(dir string)) {
	t.Helper()
	b.files = doing("true")
	b.planned()
	b.start(runner.Apply)
	_, ok := b.wait()
	require.True(t, ok)
	plant(b.work())
}

func TestRead_WhatIsNoFileOfTheRuns_IsNotFollowed(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(t *testing.T, path, secret string){
		"a symbolic link": func(t *testing.T, path, secret string) { require.NoError(t, os.Symlink(secret, path)) },
		"a hard link":     func(t *testing.T, path, secret string) { require.NoError(t, os.Link(secret, path)) },
		"a pipe":          func(t *testing.T, path, _ string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) },
		"a folder":        func(t *testing.T, path, _ string) { require.NoError(t, os.Mkdir(path, 0o700)) },
		"something huge":  func(t *testing.T, path, _ string) { require.NoError(t, os.Truncate(path, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onOne(t, func(t *testing.T, b *bench) {
				secret := filepath.Join(b.dir, "secret")
				require.NoError(t, os.WriteFile(secret, []byte(`{"ok": true, "phase": "apply", "reason": "secret"}`+"\n"), 0o600))
				names := []string{runner.FileResult, runner.FileApply, runner.FilePlan, runner.FileJSON, runner.FileModule + "/" + runner.FileErrored}
				planted(t, b, func(dir string) {
					for _, one := range names {
						path := filepath.Join(dir, one)
						_ = os.Remove(path)
						if name == "something huge" {
							require.NoError(t, os.WriteFile(path, nil, 0o600))
							require.NoError(t, os.Truncate(path, 1<<40))
							require.NoError(t, os.Lchown(path, b.owner(), b.owner()))
							continue
						}
						plant(t, path, secret)
					}
				})
				r, ok, err := b.Result(aRun)
				require.NoError(t, err)
				require.False(t, ok, "%+v", r)
				_, err = b.Sandbox.Apply(aRun)
				require.Error(t, err)
				_, _, err = b.Plan(aRun)
				require.Error(t, err)
				_, _, err = b.ErroredState(aRun)
				require.Error(t, err)
			})
		})
	}
}

// owner of what a module writes.
func (b *bench) owner() int {
	if b.config.Root {
		return b.uid
	}
	return os.Geteuid()
}

func TestPrepare_FolderFullOfTraps_IsMadeAnewAndNothingElseIsTouched(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		outside := filepath.Join(b.dir, "outside")
		require.NoError(t, os.WriteFile(outside, []byte("as it was"), 0o600))
		b.files = doing("true")
		b.prepare(nil)
		b.start(runner.Plan)
		r, ok := b.wait()
		require.True(t, ok && r.OK)
		bin, _, err := b.Plan(aRun)
		require.NoError(t, err)
		for _, name := range []string{runner.FileInputs, runner.FilePlan + ".new", "home", runner.FileLocks} {
			path := b.work(name)
			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, os.Symlink(outside, path))
		}
		require.NoError(t, os.RemoveAll(b.work(runner.FileModule)))
		require.NoError(t, os.Symlink(b.dir, b.work(runner.FileModule)))
		b.inputs, b.job.PlanDigest = map[string]any{}, r.PlanDigest
		b.prepare(bin)
		text, err := os.ReadFile(outside)
		require.NoError(t, err)
		require.Equal(t, "as it was", string(text))
		require.NoFileExists(t, filepath.Join(b.dir, "main.tf"))
		b.start(runner.Apply)
		r, ok = b.wait()
		require.True(t, ok && r.OK, "%+v", r)
	})
}

func TestPrepare_CutInBetween_IsRepeated(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		b.files = doing("true")
		b.planned()
		// As it is when the platform dies between taking the old folder away and
		// putting the new one in its place.
		require.NoError(t, os.Rename(b.work(), b.work()+".last"))
		require.NoError(t, os.Mkdir(b.work()+".next", 0o700))
		b.reopen()
		bin, err := os.ReadFile(b.work() + ".last/" + runner.FilePlan)
		require.NoError(t, err)
		b.prepare(bin)
		require.NoDirExists(t, b.work()+".last")
		require.DirExists(t, b.work(runner.FileData), "what init made is kept")
		b.start(runner.Apply)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v", r)
	})
}

func TestRemove_WhateverAModuleLeft_IsGone(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		outside := filepath.Join(b.dir, "outside")
		require.NoError(t, os.Mkdir(outside, 0o700))
		require.NoError(t, os.WriteFile(outside+"/file", nil, 0o600))
		planted(t, b, func(dir string) {
			// Deeper than a path may be long.
			wd := dir
			for range 3 {
				wd = filepath.Join(wd, strings.Repeat("d/", 150))
				if os.MkdirAll(wd, 0o700) != nil {
					break
				}
			}
			require.NoError(t, os.MkdirAll(dir+"/closed/in/there", 0o700))
			require.NoError(t, os.WriteFile(dir+"/closed/in/file", nil, 0o000))
			require.NoError(t, os.Chmod(dir+"/closed/in/there", 0o000))
			require.NoError(t, os.Chmod(dir+"/closed/in", 0o000))
			require.NoError(t, os.Chmod(dir+"/closed", 0o000))
			require.NoError(t, os.Symlink(outside, dir+"/link"))
			require.NoError(t, os.Symlink(outside, dir+"/closed-link"))
			require.NoError(t, syscall.Mkfifo(dir+"/pipe", 0o600))
			require.NoError(t, os.MkdirAll(dir+"/.gone-1/.gone-2/.gone-1/x", 0o700))
		})
		require.NoError(t, b.Remove(aRun))
		require.NoDirExists(t, b.work())
		require.FileExists(t, outside+"/file")
		require.NoError(t, b.Remove(aRun), "again is no error")
	})
}
