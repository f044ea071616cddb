package runner

import (
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deaf is an engine that does not end by an interrupt, and what awaits it.
func deaf(t *testing.T, heard time.Time) (r *run, cmd *exec.Cmd, ended chan error) {
	t.Helper()
	r = &run{Job: Job{Grace: 50 * time.Millisecond}, folder: folder(t.TempDir()), log: &lineLog{to: io.Discard}, alive: &beat{every: time.Second}}
	r.alive.heard.Store(heard.UnixNano())
	ready := filepath.Join(t.TempDir(), "ready")
	cmd = exec.Command("/bin/sh", "-c", "trap '' INT; : > "+ready+"; while :; do sleep 0.05; done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	require.Eventually(t, func() bool { return folder(filepath.Dir(ready)).has("ready") }, 30*time.Second, time.Millisecond)
	ended = make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return r, cmd, ended
}

func TestAwait_DeafEngine_IsKilledAfterItsGrace(t *testing.T) {
	t.Parallel()
	r, cmd, ended := deaf(t, time.Now().Add(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, r.await(ctx, cmd.Process.Pid, ended), "killed")
}

func TestAwait_PlatformIsAway_EngineIsLeftTimeToKeepItsState(t *testing.T) {
	t.Parallel()
	r, cmd, ended := deaf(t, time.Now().Add(-time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result := make(chan error, 1)
	go func() { result <- r.await(ctx, cmd.Process.Pid, ended) }()
	select {
	case err := <-result:
		require.FailNow(t, "it was killed", "%v", err)
	case <-time.After(10 * r.Grace):
	}
	r.alive.heard.Store(time.Now().Add(time.Hour).UnixNano()) // the platform is back
	require.ErrorContains(t, <-result, "killed")
}
