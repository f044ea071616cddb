package deployer_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/deployer"
)

// TestMain runs this test binary as what the deployer starts: supervisors, the
// ingress, and under the supervisors a small program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		for _, h := range deployer.Hidden() {
			if h.Name == os.Args[1] {
				if err := h.Run(context.Background(), os.Args[2:]); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				return
			}
		}
		if os.Args[1] == "program" {
			program(os.Args[2])
			return
		}
	}
	os.Exit(m.Run())
}

// program is a workload: it says its version, slowly where it is asked to, and
// ends its requests before it ends itself.
func program(version string) {
	if strings.HasPrefix(version, "broken") {
		fmt.Fprintln(os.Stdout, "config: DATABASE_URL is empty")
		os.Exit(3)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if d, err := time.ParseDuration(r.URL.Query().Get("for")); err == nil {
			timer := time.NewTimer(d)
			<-timer.C
		}
		fmt.Fprint(w, version)
	})
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { _ = s.Serve(l) }()
	<-ctx.Done()
	_ = s.Shutdown(context.Background())
}

// realRelease is orders as a script that runs this test binary.
func realRelease(t *testing.T, version string) []byte {
	t.Helper()
	return archiveOf(t, map[string]string{
		"score.yaml": scoreOf(), "orders": fmt.Sprintf("#!/bin/sh\nexec %s program %s\n", os.Args[0], version),
	})
}

func (p *platform) pushReal(version string) string {
	p.t.Helper()
	code, text := p.call("PUT", project+"/artifacts/orders/"+version, realRelease(p.t, version))
	require.Equal(p.t, 201, code, text)
	return "orders:" + version
}

// ours are the processes that carry this platform's marker or belong to them.
func (p *platform) ours() []string {
	p.t.Helper()
	keeper, err := os.ReadFile(filepath.Join(p.dir, "deployer", "processes", "keeper-id"))
	require.NoError(p.t, err)
	marker := "SLIPWAY_PROCESS=" + strings.TrimSpace(string(keeper))
	entries, err := os.ReadDir("/proc")
	require.NoError(p.t, err)
	var out []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && strings.Contains(string(env), marker) {
			out = append(out, e.Name())
		}
	}
	return out
}

func TestReal_UpgradeRestartAndFailureUnderLoad_NoRequestFailsAndDownLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newRealPlatform(t)
	data := filepath.Join(p.dir, "deployer")
	t.Cleanup(func() {
		p.stop() // first: a service at work brings its ingress back
		require.NoError(t, deployer.StopProcesses(context.Background(), data))
	})
	require.Equal(t, "done", p.ended(p.deploy(p.pushReal("v1"))).Outcome)
	var where struct{ Listen string }
	p.get("/api/v1/ingress", &where)

	var failed, answered atomic.Int64
	var said sync.Map
	ask := func(query string) {
		req, err := http.NewRequest(http.MethodGet, "http://"+where.Listen+"/"+query, nil)
		if err != nil {
			failed.Add(1)
			return
		}
		req.Host = "orders.dev.shop.localhost"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			failed.Add(1)
			return
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			said.Store(fmt.Sprint(res.StatusCode, " ", string(b)), true)
			failed.Add(1)
			return
		}
		said.Store(string(b), true)
		answered.Add(1)
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() { // open loop: as a client that does not wait for answers
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			query := ""
			if n%20 == 0 {
				query = "?for=1s"
			}
			load.Go(func() { ask(query) })
		}
	})

	two := p.pushReal("v2")
	id := p.deploy(two)
	p.at(id, "verify")
	p.crash() // in the middle of it
	p.start()
	require.Equal(t, "done", p.ended(id).Outcome)
	d := p.ended(p.deploy(p.pushReal("broken")))
	require.Equal(t, "failed", d.Outcome)
	require.Contains(t, d.Reason, "exited with code 3")
	require.Equal(t, []string{"config: DATABASE_URL is empty"}, d.LogTail)
	require.Equal(t, "done", p.ended(p.deploy(p.pushReal("v4"))).Outcome)
	close(stop)
	load.Wait()
	var versions []string
	said.Range(func(k, _ any) bool { versions = append(versions, k.(string)); return true })
	require.Zero(t, failed.Load(), "of %d: %v", answered.Load(), versions)
	require.ElementsMatch(t, []string{"v1", "v2", "v4"}, versions)
	require.Len(t, p.ours(), 3, "ingress, supervisor, program")

	p.stop()
	require.Len(t, p.ours(), 3, "they outlive the platform")
	require.NoError(t, deployer.StopProcesses(context.Background(), data))
	require.Empty(t, p.ours())
	require.NoDirExists(t, filepath.Join(data, "instances"))
	_, err := net.Dial("tcp", where.Listen)
	require.Error(t, err)

	// Started again, what should run runs again.
	p.start()
	p.get("/api/v1/ingress", &where)
	require.Eventually(t, func() bool {
		before := answered.Load()
		ask("")
		return answered.Load() > before
	}, 10*time.Second, 10*time.Millisecond)
}
