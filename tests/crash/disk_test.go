//go:build mount

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/platform"
)

// smallDisk mounts a tmpfs of so many MiB.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib))
	require.NoError(t, err, "mounting a small file system needs root: run this as root")
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill takes all room that is left, and returns how to give it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	require.NoError(t, err)
	chunk := bytes.Repeat([]byte{1}, 64<<10)
	for size := len(chunk); size >= 1; {
		if _, err := f.Write(chunk[:size]); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else {
			require.NoError(t, err)
		}
	}
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(name)) }
}

func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return -1
}

func up(p *platform.Platform) (string, error) {
	return p.Run("up", "--data", p.Dir, "--listen", p.Listen, "--nats-listen", p.NATS, "--ingress-listen", p.Ingress)
}

func TestDisk_FullAtStart_SaysSoAndStartsOnceThereIsRoom(t *testing.T) {
	disk := smallDisk(t, 128)
	free := fill(t, disk)
	p := platform.New(t, binaries, platform.InDir(filepath.Join(disk, "data")))
	out, err := up(p)
	require.Equal(t, 1, exitCode(err), out)
	require.Contains(t, out, "full")
	require.Contains(t, out, disk)
	free()
	p.Start()
}

func TestDisk_ReadOnly_SaysSo(t *testing.T) {
	disk := smallDisk(t, 128)
	p := platform.New(t, binaries, platform.InDir(filepath.Join(disk, "data")))
	p.Start()
	p.Down() // the ingress would have its log open
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	out, err := up(p)
	require.Equal(t, 1, exitCode(err), out)
	require.Contains(t, out, "cannot be written")
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, ""))
	p.Start()
}

func TestDisk_FullWhileRunning_RefusesWithAProblemLosesNothingAndGoesOnOnceThereIsRoom(t *testing.T) {
	disk := smallDisk(t, 256)
	p := platform.New(t, binaries, platform.InDir(filepath.Join(disk, "data")))
	p.Start()
	p.Apply("", project("before"))
	free := fill(t, disk)

	var pr *client.Problem
	err := p.TryApply("", project("meanwhile"))
	require.True(t, errors.As(err, &pr), "%v", err)
	require.Equal(t, http.StatusInsufficientStorage, pr.Status, pr.Error())
	_, err = p.Client().Get(p.Context(), "/api/v1/projects/before")
	require.NoError(t, err, "reading goes on")
	_, err = p.Client().Get(p.Context(), "/api/v1/projects/meanwhile")
	require.True(t, client.IsNotFound(err), "%v", err)

	free()
	p.Await("writing to go on", func() bool { return p.TryApply("", project("after")) == nil })
	ctx, cancel := context.WithTimeout(context.Background(), platform.Patience)
	defer cancel()
	p.Await("the platform to be ready", func() bool { return p.Client().Ready(ctx) == nil })

	// The bus goes on as well: what is accepted from now on is published.
	p.Apply("", "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: survivors}\nspec: {type: team, children: []}\n")
	p.Await("its event", func() bool {
		var page struct{ Items []json.RawMessage }
		err := p.Client().Do(ctx, client.Request{Path: "/events", Query: map[string][]string{"type": {"dev.slipway.catalog.entity.changed."}}}, &page)
		return err == nil && slices.ContainsFunc(page.Items, func(e json.RawMessage) bool { return bytes.Contains(e, []byte("survivors")) })
	})

	// Nothing is stuck: a restart knows all that was accepted, and no more.
	p.Restart()
	for name, there := range map[string]bool{"before": true, "after": true, "meanwhile": false} {
		_, err := p.Client().Get(p.Context(), "/api/v1/projects/"+name)
		require.Equal(t, there, err == nil, name)
	}
}

func project(name string) string {
	return fmt.Sprintf("apiVersion: slipway.dev/v1alpha1\nkind: Project\nmetadata: {name: %s}\nspec: {description: a test}\n", name)
}
