package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
)

// aUser that nobody else on a machine is, another run of these tests neither.
var aUser = 600_000 + os.Getpid()

func TestStart_AnotherUser_RunsAsItWithoutGroupsOrIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := spec("x", f.log, "helper-who")
	s.Argv[0] = reachable(t)
	s.User, s.Dir = &process.User{UID: aUser, GID: aUser}, "/"
	p, err := f.Start(t.Context(), s)
	if os.Getuid() != 0 {
		require.ErrorIs(t, err, syscall.EPERM)
		known, err := f.Known()
		require.NoError(t, err)
		require.Empty(t, known)
		return
	}
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%d %d %d %d []", aUser, aUser, aUser, aUser), f.line(t, "i am "))
	of, err := process.Of(aUser)
	require.NoError(t, err)
	require.Len(t, of, 1)
	require.Equal(t, p.PID, of[0].PID)
	require.Equal(t, p.StartTicks, of[0].StartTicks)
	require.NoError(t, f.Stop(t.Context(), "x", 0))
	of, err = process.Of(aUser)
	require.NoError(t, err)
	require.Empty(t, of)
}

// reachable is this program where any user may start it.
func reachable(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		return os.Args[0]
	}
	dir, err := os.MkdirTemp("/var/tmp", "slipway-process-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "program")
	b, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o755))
	return path
}

func TestStart_UserThatIsRootOrNone_IsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, u := range []process.User{{}, {UID: 5}, {GID: 5}, {UID: -1, GID: 5}, {UID: 1<<32 - 1, GID: 5}} {
		s := spec("x", f.log, "helper-sleep")
		s.User = &u
		_, err := f.Start(t.Context(), s)
		require.ErrorContains(t, err, "no user that a process may be given to", "%+v", u)
	}
}

func TestMembers_FamilyThatLeftSessionAndEnvironment_IsSeenWhileItsParentLives(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-strays"))
	require.NoError(t, err)
	var stray, other int
	_, err = fmt.Sscan(f.line(t, "strays "), &stray, &other)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Kill(other, syscall.SIGKILL) })
	members, err := f.Members("x")
	require.NoError(t, err)
	require.ElementsMatch(t, []int{p.PID, stray}, pids(members), "one that carries another's marker is that one's")
	require.NoError(t, f.Stop(t.Context(), "x", 0))
	require.True(t, ended(stray))
	require.False(t, ended(other))
}

func TestMembers_WhatNeverWas_AreNone(t *testing.T) {
	t.Parallel()
	members, err := newFixture(t).Members("never")
	require.NoError(t, err)
	require.Empty(t, members)
}

func TestMember_SignalAndWait_HitThatProcessAndNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Start(t.Context(), spec("x", f.log, "helper-sleep"))
	require.NoError(t, err)
	members, err := f.Members("x")
	require.NoError(t, err)
	require.Len(t, members, 1)
	m := members[0]
	require.Positive(t, m.Resident())

	earlier := m
	earlier.StartTicks--
	require.False(t, earlier.Alive())
	require.NoError(t, earlier.Signal(syscall.SIGKILL))
	require.NoError(t, earlier.Wait(t.Context()))
	require.True(t, m.Alive(), "a program was hit that only has the number")

	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, m.Wait(short), context.DeadlineExceeded)
	require.NoError(t, m.Signal(syscall.SIGKILL))
	require.NoError(t, m.Wait(t.Context()))
	require.False(t, m.Alive())
	require.NoError(t, m.Signal(syscall.SIGKILL))
	require.Zero(t, m.Resident())
}

func pids(members []process.Member) []int {
	out := []int{}
	for _, m := range members {
		out = append(out, m.PID)
	}
	return out
}
