// Package platform is a running Slipway as a value: the built binary on a
// fresh data folder and free ports, to be run, killed, restarted and taken
// down by a test, and asked through its public API.
package platform

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
)

// Patience bounds every wait for the platform.
const Patience = 60 * time.Second

// Platform is one data folder with the process that works on it, when it runs.
type Platform struct {
	T       testing.TB
	Dir     string // data folder
	Listen  string // host:port of the gateway
	NATS    string
	Ingress string
	Binary  string
	Args    []string // more of them, for `up`
	Env     []string // more of the environment ("K=V"), for every command; the last of a name counts

	HTTP *http.Client

	home string
	cmd  *exec.Cmd
	done chan struct{} // closed when it ended, with exit set before
	exit error
	logs int
}

// Option changes a platform before it runs.
type Option func(*Platform)

// InDir uses a data folder that is there, such as a small file system.
func InDir(dir string) Option { return func(p *Platform) { p.Dir = dir } }

// New prepares a platform on a fresh folder and ports that are free. Whatever
// it leaves running is taken down at the end of the test.
func New(t testing.TB, b *Binaries, options ...Option) *Platform {
	t.Helper()
	p := &Platform{T: t, Binary: b.Slipway(t), home: t.TempDir(), HTTP: &http.Client{Timeout: Patience}, Dir: filepath.Join(t.TempDir(), "data")}
	ports := FreePorts(t, 3)
	p.Listen, p.NATS, p.Ingress = ports[0], ports[1], ports[2]
	for _, o := range options {
		o(p)
	}
	t.Cleanup(p.cleanup)
	return p
}

// FreePorts are addresses on which nobody listens now.
func FreePorts(t testing.TB, n int) []string {
	t.Helper()
	var (
		addresses []string
		listeners []net.Listener
	)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners = append(listeners, l)
		addresses = append(addresses, l.Addr().String())
	}
	for _, l := range listeners {
		require.NoError(t, l.Close())
	}
	return addresses
}

// Start starts `slipway up` and waits until it is ready.
func (p *Platform) Start() *Platform {
	p.T.Helper()
	p.Spawn()
	p.AwaitReady()
	return p
}

// Spawn starts `slipway up` without waiting for anything.
func (p *Platform) Spawn() {
	p.T.Helper()
	args := append([]string{"up", "--data", p.Dir}, p.Args...)
	for flag, address := range map[string]string{"--listen": p.Listen, "--nats-listen": p.NATS, "--ingress-listen": p.Ingress} {
		if address != "" { // otherwise the platform's default
			args = append(args, flag, address)
		}
	}
	p.logs++
	log, err := os.Create(filepath.Join(p.home, fmt.Sprintf("up-%d.log", p.logs)))
	require.NoError(p.T, err)
	cmd := p.command(args...)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(p.T, cmd.Start())
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		p.exit = cmd.Wait()
		_ = log.Close()
		close(done)
	}()
}

// command runs the binary as a user of its own would: nothing of this one's
// configuration reaches it.
func (p *Platform) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.Binary, args...)
	cmd.Env = append([]string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, p.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// AwaitReady waits until the gateway says that it is, or fails with what the
// process said when it ended.
func (p *Platform) AwaitReady() {
	p.T.Helper()
	deadline := time.After(Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if response, err := p.HTTP.Get("http://" + p.Listen + "/readyz"); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-p.done:
			p.cmd = nil
			require.FailNow(p.T, "slipway up ended", "%v\n%s", p.exit, p.Output())
		case <-deadline:
			require.FailNow(p.T, "slipway up is not ready", p.Output())
		case <-tick.C:
		}
	}
}

// Output is what the last `up` printed.
func (p *Platform) Output() string {
	text, _ := os.ReadFile(filepath.Join(p.home, fmt.Sprintf("up-%d.log", p.logs)))
	return string(text)
}

// PID of the running `up`.
func (p *Platform) PID() int { return p.cmd.Process.Pid }

// Kill9 kills `up` where it stands. Its workloads go on.
func (p *Platform) Kill9() {
	p.T.Helper()
	require.NoError(p.T, p.cmd.Process.Kill())
	<-p.done
	p.cmd = nil
}

// Stop ends `up` as Ctrl-C does. Its workloads go on.
func (p *Platform) Stop() {
	p.T.Helper()
	require.NoError(p.T, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
		p.cmd = nil // it is gone, whatever it said: the cleanup must not wait for it
		require.NoError(p.T, p.exit, "slipway up did not end well:\n%s", p.Output())
	case <-time.After(Patience):
		require.FailNow(p.T, "slipway up does not stop", p.Output())
	}
}

// Restart ends `up` as Ctrl-C does and starts it again.
func (p *Platform) Restart() {
	p.T.Helper()
	p.Stop()
	p.Start()
}

// Down runs `slipway down`: workloads, ingress and resources end too.
func (p *Platform) Down() {
	p.T.Helper()
	out, err := p.Run("down", "--data", p.Dir)
	require.NoError(p.T, err, out)
	if p.cmd != nil {
		select {
		case <-p.done:
		case <-time.After(Patience):
			require.FailNow(p.T, "slipway down left slipway up running", p.Output())
		}
		p.cmd = nil
	}
}

// Run runs a command of the CLI to its end and returns what it printed.
func (p *Platform) Run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := p.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	return out.String(), err
}

// Token is the first admin's.
func (p *Platform) Token() string {
	p.T.Helper()
	text, err := os.ReadFile(filepath.Join(p.Dir, "admin.token"))
	require.NoError(p.T, err)
	return strings.TrimSpace(string(text))
}

// Client asks the platform as the first admin.
func (p *Platform) Client() *client.Client {
	p.T.Helper()
	c, err := client.New(client.Config{URL: "http://" + p.Listen, Token: p.Token()})
	require.NoError(p.T, err)
	return c
}

// Context bounds a question by Patience.
func (p *Platform) Context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	p.T.Cleanup(cancel)
	return ctx
}

// races fails the test for what a binary built with -race reported.
func (p *Platform) races() {
	for n := 1; n <= p.logs; n++ {
		text, _ := os.ReadFile(filepath.Join(p.home, fmt.Sprintf("up-%d.log", n)))
		if bytes.Contains(text, []byte("WARNING: DATA RACE")) {
			p.T.Errorf("slipway up has a data race:\n%s", text)
		}
	}
}

// cleanup takes down what a test left, and shows the logs of one that failed.
func (p *Platform) cleanup() {
	p.races()
	if p.T.Failed() {
		p.T.Logf("slipway up printed:\n%s", p.Output())
		if text, err := os.ReadFile(filepath.Join(p.Dir, "logs", "slipway.log")); err == nil {
			p.T.Logf("its log ends with:\n%s", tail(string(text), 60))
		}
	}
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.done
		p.cmd = nil
	}
	if _, err := os.Stat(filepath.Join(p.Dir, "lock")); err == nil {
		if out, err := p.Run("down", "--data", p.Dir); err != nil {
			p.T.Logf("slipway down at the end of the test: %v\n%s", err, out)
		}
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
