package openloop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server answers as orders does, and each n-th GET / as wrong says.
func server(t *testing.T, wrong http.HandlerFunc) Config {
	t.Helper()
	var n atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if wrong != nil && n.Add(1)%10 == 0 {
			wrong(w, r)
			return
		}
		fmt.Fprint(w, `{"version":"v1"}`)
	})
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"v1"}`) })
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, `{"bytes":%d}`, got)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range streamFor / eventsEvery {
			fmt.Fprint(w, "event: order\ndata: {}\n\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
			}
		}
		fmt.Fprint(w, "event: end\ndata: {}\n\n")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return Config{Address: strings.TrimPrefix(s.URL, "http://"), Host: "orders.localhost", Every: 2 * time.Millisecond, Late: 200 * time.Millisecond}
}

// asked runs a client until so many answers came.
func asked(t *testing.T, c Config, answers int) Report {
	t.Helper()
	o := Start(t, c)
	require.Eventually(t, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.report.Sent >= answers
	}, 20*time.Second, 5*time.Millisecond)
	o.mu.Lock()
	report := Report{Sent: o.report.Sent, Failures: append([]string(nil), o.report.Failures...)}
	o.mu.Unlock()
	return report
}

func TestClient_ServerIsWell_NothingFails(t *testing.T) {
	t.Parallel()
	require.Empty(t, asked(t, server(t, nil), 100).Failures)
}

func TestClient_ServerMisbehavesNowAndThen_EachTimeCounts(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		wrong http.HandlerFunc
		says  string
	}{
		"error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }, "502"},
		"cut before the answer": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
		}, "GET /"},
		"cut in the answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"vers`)
		}, "cut"},
		"late": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "late"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			failures := asked(t, server(t, c.wrong), 200).Failures
			require.GreaterOrEqual(t, len(failures), 5)
			require.Contains(t, strings.Join(failures, "\n"), c.says)
		})
	}
}

func TestClient_NobodyListens_EveryRequestIsRefused(t *testing.T) {
	t.Parallel()
	report := asked(t, Config{Address: "127.0.0.1:1", Host: "orders.localhost", Every: 5 * time.Millisecond}, 20)
	require.GreaterOrEqual(t, len(report.Failures), 20)
	require.Contains(t, report.Failures[0], "refused")
}
