package e2e

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/tests/platform"
)

// exitCode of a command's error: 0 done, -1 not run.
func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	if err == nil {
		return 0
	}
	return -1
}

func TestUp_SecondOnTheSameFolder_RefusedAndTheFirstGoesOn(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	out, err := p.Run("up", "--data", p.Dir, "--listen", "127.0.0.1:0", "--nats-listen", "off", "--ingress-listen", "127.0.0.1:0")
	require.Equal(t, 1, exitCode(err), out)
	require.Contains(t, out, p.Dir)
	require.Contains(t, out, "in use")
	require.NoError(t, p.Client().Ready(p.Context()))
}

func TestUp_GivenPortTaken_RefusedSayingWhich(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() }) // after the parallel ones below
	taken := l.Addr().String()
	for _, flag := range []string{"--listen", "--nats-listen", "--ingress-listen"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			p := platform.New(t, binaries)
			addresses := map[string]string{"--listen": "127.0.0.1:0", "--nats-listen": "127.0.0.1:0", "--ingress-listen": "127.0.0.1:0"}
			addresses[flag] = taken
			args := []string{"up", "--data", p.Dir}
			for k, v := range addresses {
				args = append(args, k, v)
			}
			out, err := p.Run(args...)
			require.Equal(t, 1, exitCode(err), out)
			require.Contains(t, out, taken)
			require.Contains(t, out, "taken")
			require.Contains(t, out, flag)
		})
	}
}

func TestUp_DefaultPortsTaken_TakesFreeOnesAndSaysSo(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.1:4222", "127.0.0.1:8088"} {
		l, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // somebody else has it, which is as good
		}
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
	}
	p := platform.New(t, binaries)
	p.Listen, p.NATS, p.Ingress = "", "", ""
	p.Spawn()
	p.Await("the announcement", func() bool { return strings.Contains(p.Output(), "try ") })
	for _, taken := range []string{"8080 was taken", "4222 was taken", "8088 was taken"} {
		require.Contains(t, p.Output(), taken)
	}
	address := regexp.MustCompile(`portal +http://(\S+)`).FindStringSubmatch(p.Output())
	require.Len(t, address, 2, p.Output())
	p.Listen = address[1]
	require.NoError(t, p.Client().Ready(p.Context()))
	p.Stop()
}

func TestUp_WrongUse_ExitCodeTwo(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries)
	for _, args := range [][]string{{"up", "--no-such-flag"}, {"up", "--listen", "nonsense"}, {"no-such-command"}} {
		out, err := p.Run(args...)
		require.Equal(t, 2, exitCode(err), "%v: %s", args, out)
	}
}

func TestUp_StoppedAndStartedAgain_KnowsWhatItKnew(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	p.ApplyShop("")
	token := p.Token()
	p.Restart()
	require.Equal(t, token, p.Token())
	project, err := p.Client().Get(p.Context(), "/api/v1/projects/shop")
	require.NoError(t, err)
	require.Contains(t, text(t, project), "A small shop")
	info, err := os.Stat(p.Dir + "/admin.token")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.False(t, strings.Contains(p.Output(), token), "the token is not printed")
}
