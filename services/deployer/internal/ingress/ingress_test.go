package ingress_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/deployer/internal/ingress"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ingress.Command {
		if err := ingress.Run(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func launcher(t *testing.T, dir string) ingress.Launcher {
	t.Helper()
	k, err := process.Open(filepath.Join(dir, "processes"), process.Options{})
	require.NoError(t, err)
	l := ingress.Launcher{Keeper: k, Executable: []string{os.Args[0]}, Dir: filepath.Join(dir, "ingress"), Listen: "127.0.0.1:0"}
	t.Cleanup(func() { require.NoError(t, l.Stop(context.Background())) })
	return l
}

func backend(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text, " ", r.Host) }
}

func route(workload, id, addr string) ingress.Route {
	return ingress.Route{Project: "shop", Environment: "dev", Workload: workload, Backend: id, Addr: addr}
}

func get(t *testing.T, listen, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+listen+"/", nil)
	require.NoError(t, err)
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

func TestIngress_Hosts_LeadToTheirWorkloads(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, status, err := launcher(t, t.TempDir()).Ensure(ctx)
	require.NoError(t, err)
	code, body := get(t, status.Listen, "orders.dev.shop.localhost")
	require.Equal(t, 404, code)
	require.Contains(t, body, "Nothing is deployed yet")

	other := route("storefront", "i-3", backend(t, says("other")))
	other.Project = "outlet"
	require.NoError(t, c.SetRoutes(ctx, []ingress.Route{
		route("orders", "i-1", backend(t, says("orders"))), route("storefront", "i-2", backend(t, says("shop"))), other,
		{Project: "shop", Environment: "dev", Workload: "halted", Note: "it is being replaced"},
		route("dead", "i-4", "127.0.0.1:1"),
	}))
	code, body = get(t, status.Listen, "orders.dev.shop.localhost")
	require.Equal(t, 200, code)
	require.Equal(t, "orders orders.dev.shop.localhost", body, "the workload sees the host it was asked by")
	code, _ = get(t, status.Listen, "Orders.dev.localhost:8088")
	require.Equal(t, 200, code, "short, with port, in capitals")
	code, body = get(t, status.Listen, "storefront.dev.localhost")
	require.Equal(t, 404, code)
	require.Contains(t, body, "use one of storefront.dev.outlet.localhost, storefront.dev.shop.localhost")
	code, body = get(t, status.Listen, "halted.dev.shop.localhost")
	require.Equal(t, 503, code)
	require.Contains(t, body, "it is being replaced")
	code, body = get(t, status.Listen, "dead.dev.shop.localhost")
	require.Equal(t, 502, code)
	require.Contains(t, body, "slipway logs dead --env dev")
}

func TestIngress_RoutesChangeUnderLoad_NoRequestFailsAndTheCountIsExact(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, status, err := launcher(t, t.TempDir()).Ensure(ctx)
	require.NoError(t, err)
	var live [2]atomic.Int64
	addrs := [2]string{}
	for i := range addrs {
		addrs[i] = backend(t, func(w http.ResponseWriter, _ *http.Request) {
			live[i].Add(1)
			defer live[i].Add(-1)
			fmt.Fprint(w, strings.Repeat("x", 1000))
		})
	}
	set := func(i int) {
		require.NoError(t, c.SetRoutes(ctx, []ingress.Route{route("orders", fmt.Sprint("i-", i), addrs[i])}))
	}
	set(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var failed, done atomic.Int64
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if code, body := get(t, status.Listen, "orders.dev.shop.localhost"); code != 200 || len(body) != 1000 {
					failed.Add(1)
				}
				done.Add(1)
			}
		})
	}
	for n := range 20 {
		before := done.Load()
		require.Eventually(t, func() bool { return done.Load() > before+20 }, 10*time.Second, time.Millisecond)
		set((n + 1) % 2)
		// The old one is gone from the count exactly when nothing of it is left.
		require.Eventually(t, func() bool {
			count, err := c.InFlight(ctx)
			require.NoError(t, err)
			if count[fmt.Sprint("i-", n%2)] > 0 {
				return false
			}
			require.Zero(t, live[n%2].Load())
			return true
		}, 10*time.Second, time.Millisecond)
	}
	close(stop)
	wg.Wait()
	require.Zero(t, failed.Load())
}

func TestIngress_Streams_PassBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, status, err := launcher(t, t.TempDir()).Ensure(ctx)
	require.NoError(t, err)
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintf(w, "data: %s\n\n", lines.Text())
			_ = rc.Flush()
		}
	})
	require.NoError(t, c.SetRoutes(ctx, []ingress.Route{route("orders", "i-1", addr)}))
	up, in := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+status.Listen, up)
	require.NoError(t, err)
	req.Host = "orders.dev.shop.localhost"
	answered := make(chan *http.Response, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			answered <- res
		}
	}()
	_, err = io.WriteString(in, "one\n")
	require.NoError(t, err)
	res := <-answered
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	require.True(t, lines.Scan())
	require.Equal(t, "data: one", lines.Text(), "the answer comes before the request has ended")
	count, err := c.InFlight(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, count["i-1"])
	// Routes change: the stream stays where it is, and stays counted.
	require.NoError(t, c.SetRoutes(ctx, nil))
	_, err = io.WriteString(in, "two\n")
	require.NoError(t, err)
	require.True(t, lines.Scan())
	require.True(t, lines.Scan())
	require.Equal(t, "data: two", lines.Text())
	require.NoError(t, in.Close())
	require.Eventually(t, func() bool {
		count, err := c.InFlight(ctx)
		require.NoError(t, err)
		_, there := count["i-1"]
		return !there
	}, 5*time.Second, time.Millisecond)
}

func TestIngress_Upgrade_PassesAndIsCounted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, status, err := launcher(t, t.TempDir()).Ensure(ctx)
	require.NoError(t, err)
	addr := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, "echo ", line)
		_ = rw.Flush()
	})
	require.NoError(t, c.SetRoutes(ctx, []ingress.Route{route("orders", "i-1", addr)}))
	conn, err := net.Dial("tcp", status.Listen)
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: orders.dev.shop.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, 101, res.StatusCode)
	count, err := c.InFlight(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, count["i-1"])
	fmt.Fprint(conn, "hello\n")
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "echo hello\n", line)
}

func TestLauncher_PlatformStartsAgain_TheSameIngressIsAdopted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := launcher(t, dir)
	c, first, err := l.Ensure(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.SetRoutes(t.Context(), []ingress.Route{route("orders", "i-1", backend(t, says("orders")))}))

	_, again, err := launcher(t, dir).Ensure(t.Context())
	require.NoError(t, err)
	require.Equal(t, first.PID, again.PID)
	require.Equal(t, first.Listen, again.Listen)

	// Killed, it comes back with its routes.
	require.NoError(t, syscall.Kill(first.PID, syscall.SIGKILL))
	require.Eventually(t, func() bool { _, ok, _ := l.Keeper.Find(ingress.ProcessID); return !ok }, 5*time.Second, time.Millisecond)
	_, third, err := l.Ensure(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first.PID, third.PID)
	code, _ := get(t, third.Listen, "orders.dev.shop.localhost")
	require.Equal(t, 200, code)
}

func TestLauncher_PortIsTaken_ExplicitFailsDefaultFallsBack(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	l := launcher(t, t.TempDir())
	l.Listen, l.Explicit = other.Addr().String(), true
	_, _, err = l.Ensure(t.Context())
	require.ErrorContains(t, err, "the port is taken")
	require.ErrorContains(t, err, l.Listen)
	l.Explicit = false
	_, status, err := l.Ensure(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, other.Addr().String(), status.Listen)
}

func TestLauncher_LongFolder_SocketIsElsewhereAndRemoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-name-", 12))
	l := launcher(t, dir)
	_, _, err := l.Ensure(t.Context())
	require.NoError(t, err)
	socket := ingress.SocketPath(l.Dir)
	require.Less(t, len(socket), 100)
	require.FileExists(t, socket)
	require.NoError(t, l.Stop(t.Context()))
	require.NoDirExists(t, filepath.Dir(socket))
	require.NoDirExists(t, l.Dir)
}
