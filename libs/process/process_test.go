package process_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
)

// The test binary is its own helper program: with a first argument "helper-…"
// it is that program instead of the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "helper-") {
		os.Exit(helper(os.Args[1], os.Args[2:]))
	}
	os.Exit(m.Run())
}

func helper(what string, args []string) int {
	switch what {
	case "helper-sleep": // until it is killed
		say("ready")
		select {}
	case "helper-stubborn": // does not hear TERM
		signal.Ignore(syscall.SIGTERM)
		say("ready")
		select {}
	case "helper-exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "helper-listen": // on a free port of each family that there is
		l, err := net.Listen("tcp", args[0])
		if err != nil {
			say(err.Error())
			return 1
		}
		say("listening " + l.Addr().String())
		select {}
	case "helper-echo": // standard input, to the end
		b, _ := io.ReadAll(os.Stdin)
		say("read " + string(b))
		select {}
	case "helper-family": // a child in the session, one in a session of its own with no environment
		same := exec.Command(os.Args[0], "helper-stubborn")
		away := exec.Command(os.Args[0], "helper-sleep")
		away.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		bare := exec.Command(os.Args[0], "helper-stubborn")
		bare.Env = []string{"NOTHING=1"}
		bare.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		for _, c := range []*exec.Cmd{same, away, bare} {
			if err := c.Start(); err != nil {
				say(err.Error())
				return 1
			}
		}
		say(fmt.Sprintf("family %d %d %d", same.Process.Pid, away.Process.Pid, bare.Process.Pid))
		if len(args) > 0 { // leave them alone
			return 0
		}
		select {}
	case "helper-who":
		groups, _ := os.Getgroups()
		say(fmt.Sprintf("i am %d %d %d %d %v", os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), groups))
		select {}
	case "helper-strays": // one that left everything behind, and one that belongs to another id
		stray := exec.Command(os.Args[0], "helper-sleep")
		other := exec.Command(os.Args[0], "helper-sleep")
		stray.Env, other.Env = []string{"NOTHING=1"}, []string{process.Marker + "=another/id"}
		for _, c := range []*exec.Cmd{stray, other} {
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := c.Start(); err != nil {
				say(err.Error())
				return 1
			}
		}
		say(fmt.Sprintf("strays %d %d", stray.Process.Pid, other.Process.Pid))
		select {}
	case "helper-platform": // a platform that starts one process and is killed
		k, err := process.Open(args[0], process.Options{})
		if err != nil {
			say(err.Error())
			return 1
		}
		p, err := k.Start(context.Background(), spec("one", args[1], "helper-sleep"))
		if err != nil {
			say(err.Error())
			return 1
		}
		say("started " + strconv.Itoa(p.PID))
		select {}
	}
	return 64
}

func say(line string) { fmt.Fprintln(os.Stdout, line) }

func spec(id, log string, argv ...string) process.Spec {
	return process.Spec{
		ID: id, Argv: append([]string{os.Args[0]}, argv...), Log: log,
		Labels: map[string]string{"role": "test"},
	}
}

type fixture struct {
	*process.Keeper
	dir, log string
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	dir := t.TempDir()
	f := fixture{Keeper: open(t, dir), dir: dir, log: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() {
		known, err := f.Known()
		require.NoError(t, err)
		for id := range known {
			require.NoError(t, open(t, dir).Stop(context.Background(), id, 0))
		}
	})
	return f
}

func open(t *testing.T, dir string) *process.Keeper {
	t.Helper()
	k, err := process.Open(dir, process.Options{})
	require.NoError(t, err)
	return k
}

// line waits for a line with the prefix in the log of an outside process.
func (f fixture) line(t *testing.T, prefix string) string {
	t.Helper()
	var found string
	require.Eventually(t, func() bool {
		file, err := os.Open(f.log)
		if err != nil {
			return false
		}
		defer file.Close()
		for s := bufio.NewScanner(file); s.Scan(); {
			if strings.HasPrefix(s.Text(), prefix) {
				found = strings.TrimSpace(strings.TrimPrefix(s.Text(), prefix))
				return true
			}
		}
		return false
	}, 10*time.Second, 2*time.Millisecond, "no line %q in the log", prefix)
	return found
}

// there tells whether a process exists at all, as a zombie too.
func there(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestStart_TwiceWithOneID_IsOneProcess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, err := f.Start(t.Context(), spec("a/b", f.log, "helper-sleep"))
	require.NoError(t, err)
	second, err := f.Start(t.Context(), spec("a/b", f.log, "helper-sleep"))
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Equal(t, map[string]string{"role": "test"}, second.Labels)
	all, err := f.List()
	require.NoError(t, err)
	require.Equal(t, []process.Process{first}, all)
}

func TestStart_ProgramThatIsNotThere_IsAnErrorAndLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Start(t.Context(), process.Spec{ID: "x", Argv: []string{"/nowhere/at-all"}})
	require.ErrorContains(t, err, "/nowhere/at-all")
	known, err := f.Known()
	require.NoError(t, err)
	require.Empty(t, known)
}

func TestStart_BadSpec_IsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, s := range map[string]process.Spec{
		"no id":      {Argv: []string{"x"}},
		"NUL in id":  {ID: "a\x00b", Argv: []string{"x"}},
		"no program": {ID: "a"},
	} {
		_, err := f.Start(t.Context(), s)
		require.Error(t, err, name)
	}
}

func TestStart_StandardInputGiven_IsReadToItsEndAndNotKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := spec("in", f.log, "helper-echo")
	s.Stdin = []byte("hush-hush")
	_, err := f.Start(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, "hush-hush", f.line(t, "read "))
	entries, err := os.ReadDir(f.dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(f.dir, e.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(b), "hush-hush")
	}
}

func TestStart_InputOfThePlatforms_EndsWithThePlatform(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	s := spec("x", f.log, "helper-echo")
	s.Input = r
	_, err = f.Start(t.Context(), s)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = w.WriteString("told later")
	require.NoError(t, err)
	require.NoError(t, w.Close(), "as when the platform dies")
	require.Equal(t, "told later", f.line(t, "read "))
}

func TestFind_ProcessEnded_IsNotFoundAndItsExitIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-exit", "7"))
	require.NoError(t, err)
	exit, err := f.Wait(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, process.Exit{Known: true, Code: 7}, exit)
	_, ok, err := f.Find("x")
	require.NoError(t, err)
	require.False(t, ok)
	require.False(t, there(p.PID), "a zombie is left")
}

func TestFind_NumberGivenToAnother_IsNotTakenForIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-sleep"))
	require.NoError(t, err)
	path := filepath.Join(f.dir, "p-x.json")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	was := fmt.Sprintf(`"startTicks": %d`, p.StartTicks)
	require.Contains(t, string(b), was)
	older := strings.Replace(string(b), was, fmt.Sprintf(`"startTicks": %d`, p.StartTicks-1), 1)
	require.NoError(t, os.WriteFile(path, []byte(older), 0o600))
	_, ok, err := open(t, f.dir).Find("x")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestFind_PlatformKilledBetweenForkAndRecord_ProcessIsFoundByItsMarker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-family"))
	require.NoError(t, err)
	f.line(t, "family ") // its descendants carry the marker as well
	path := filepath.Join(f.dir, "p-x.json")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	intent := strings.Replace(string(b), fmt.Sprintf(`"pid": %d`, p.PID), `"pid": 0`, 1)
	require.NotEqual(t, string(b), intent)
	require.NoError(t, os.WriteFile(path, []byte(intent), 0o600))

	later := open(t, f.dir)
	found, ok, err := later.Find("x")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, p.PID, found.PID)
	require.Equal(t, p.StartTicks, found.StartTicks)
	again, err := later.Start(t.Context(), spec("x", f.log, "helper-sleep"))
	require.NoError(t, err)
	require.Equal(t, p.PID, again.PID, "it was started a second time")
}

func TestFind_IntentThatWasNeverForked_IsNotFoundAndStops(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "p-x.json"), []byte(`{"id":"x"}`), 0o600))
	_, ok, err := f.Find("x")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, f.Stop(t.Context(), "x", time.Second))
	known, err := f.Known()
	require.NoError(t, err)
	require.Empty(t, known)
}

func TestStop_WhatNeverWas_IsNoError(t *testing.T) {
	t.Parallel()
	require.NoError(t, newFixture(t).Stop(t.Context(), "never", time.Second))
}

func TestStop_WholeFamily_NobodyIsLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-family"))
	require.NoError(t, err)
	var same, away, bare int
	_, err = fmt.Sscan(f.line(t, "family "), &same, &away, &bare)
	require.NoError(t, err)
	require.NoError(t, f.Stop(t.Context(), "x", 20*time.Millisecond))
	require.False(t, there(p.PID), "a zombie of our own child is left")
	for _, pid := range []int{same, away, bare} {
		require.True(t, ended(pid), "descendant %d is left", pid)
	}
}

func TestStop_LeaderEndedItself_DescendantsAreStoppedToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-family", "and-leave"))
	require.NoError(t, err)
	var same, away, bare int
	_, err = fmt.Sscan(f.line(t, "family "), &same, &away, &bare)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Kill(bare, syscall.SIGKILL) }) // no leader, no marker: nobody's
	_, err = f.Wait(t.Context(), p)
	require.NoError(t, err)
	require.NoError(t, f.Stop(t.Context(), "x", 0))
	require.True(t, ended(same))
	require.True(t, ended(away))
}

func TestStop_DeafToTerm_IsKilledAfterGrace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-stubborn"))
	require.NoError(t, err)
	f.line(t, "ready")
	began := time.Now()
	require.NoError(t, f.Stop(t.Context(), "x", 50*time.Millisecond))
	require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)
	require.False(t, there(p.PID))
}

func TestStop_ContextEnds_RecordStaysSoThatItCanBeRepeated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Start(t.Context(), spec("x", f.log, "helper-stubborn"))
	require.NoError(t, err)
	f.line(t, "ready")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, f.Stop(ctx, "x", time.Hour), context.DeadlineExceeded)
	_, ok, err := f.Find("x")
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, f.Stop(t.Context(), "x", 0))
}

func TestPlatformKilled_ProcessLivesOnAndIsFoundAwaitedAndStopped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	out := filepath.Join(t.TempDir(), "platform")
	log, err := os.Create(out)
	require.NoError(t, err)
	platform := exec.Command(os.Args[0], "helper-platform", f.dir, f.log)
	platform.Stdout = log
	require.NoError(t, platform.Start())
	require.NoError(t, log.Close())
	pid, err := strconv.Atoi(fixture{log: out}.line(t, "started "))
	require.NoError(t, err)
	require.NoError(t, platform.Process.Kill())
	_ = platform.Wait()

	k := open(t, f.dir)
	p, ok, err := k.Find("one")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, pid, p.PID)
	waited := make(chan error, 1)
	go func() {
		_, err := k.Wait(context.Background(), p)
		waited <- err
	}()
	require.NoError(t, k.Stop(t.Context(), "one", time.Second))
	require.NoError(t, <-waited)
	require.True(t, ended(pid))
}

func TestListeners_PortsOfTheWholeSession_AreSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p, err := f.Start(t.Context(), spec("x", f.log, "helper-listen", "127.0.0.1:0"))
	require.NoError(t, err)
	addr := netip.MustParseAddrPort(f.line(t, "listening "))
	got, err := process.Listeners(p.PID)
	require.NoError(t, err)
	require.Equal(t, []netip.AddrPort{addr}, got)
	require.NoError(t, f.Stop(t.Context(), "x", time.Second))
	got, err = process.Listeners(p.PID)
	require.NoError(t, err)
	require.Empty(t, got)
}

// ended: gone, or a zombie that whoever adopted it has yet to reap.
func ended(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	return strings.Contains(string(b), ") Z ")
}
