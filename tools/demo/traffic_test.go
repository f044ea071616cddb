package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clientOf makes a traffic that talks to a server of the test's.
func clientOf(server *httptest.Server) *traffic {
	return &traffic{ingress: strings.TrimPrefix(server.URL, "http://"), host: "orders", late: 50 * time.Millisecond,
		versions: map[string]int{}, streams: map[string]int{}}
}

func TestTraffic_GoodAnswers_AreCountedOnOneKeptConnection(t *testing.T) {
	t.Parallel()
	from := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from[r.RemoteAddr] = true
		fmt.Fprint(w, `{"version":"v1"}`)
	}))
	defer server.Close()
	c := clientOf(server)
	for range 5 {
		c.one("/", 0)
	}
	if len(c.failures) > 0 || c.versions["v1"] != 5 || len(from) != 1 {
		t.Fatalf("failures %v, versions %v, connections %d", c.failures, c.versions, len(from))
	}
}

func TestTraffic_RefusedCutLateOrWrong_EachCountsAsFailed(t *testing.T) {
	t.Parallel()

	for word, handler := range map[string]http.HandlerFunc{
		"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"late": func(w http.ResponseWriter, r *http.Request) {
			<-time.After(100 * time.Millisecond) // twice what is allowed
			fmt.Fprint(w, `{"version":"v1"}`)
		},
		"answered 502":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"answered something else": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
	} {
		server := httptest.NewServer(handler)
		c := clientOf(server)
		c.one("/", 0)
		server.Close()
		if len(c.failures) != 1 || !strings.Contains(c.failures[0], word) {
			t.Errorf("%s: %v", word, c.failures)
		}
		c.one("/", 0)
		if len(c.failures) != 2 {
			t.Errorf("after %s the server is gone, and that was no failure: %v", word, c.failures)
		}
	}
}

func TestTraffic_KeptConnectionWasClosed_CountsAsFailedAndIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	served := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served++
		fmt.Fprint(w, `{"version":"v1"}`)
	}))
	defer server.Close()
	c := clientOf(server)
	c.one("/", 0)
	server.CloseClientConnections()
	c.one("/", 0)
	if len(c.failures) != 1 || served != 1 {
		t.Fatalf("failures %v, served %d", c.failures, served)
	}
}

func TestDifference_NamesWhatCameAndWhatWent(t *testing.T) {
	t.Parallel()
	before := picture{processes: []string{"1 a"}, ports: []string{"80"}, folders: []string{"x"}}
	after := picture{processes: []string{"1 a", "2 b"}, folders: []string{"x"}}
	got := strings.Join(before.difference(after), "; ")
	if got != "process that was not there: 2 b; port that is gone: 80" {
		t.Fatal(got)
	}
	if left := before.difference(before); len(left) > 0 {
		t.Fatal(left)
	}
}

func TestMachine_ProcessOfTheFolder_IsSeenAndEnded(t *testing.T) {
	t.Parallel()
	m := &machine{root: t.TempDir()}
	onlooker := exec.Command("sleep", "60")
	onlooker.Dir = m.root
	cmd := exec.Command("sleep", "60")
	cmd.Dir = m.root
	cmd.Env = append(cmd.Environ(), "SLIPWAY_PROCESS=a/b")
	for _, c := range []*exec.Cmd{onlooker, cmd} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = onlooker.Process.Kill(); _ = onlooker.Wait() }()
	seen := m.processes()
	if len(seen) != 1 || seen[0].pid != cmd.Process.Pid || seen[0].what != "sleep 60" {
		t.Errorf("seen: %v", seen)
	}
	if n := m.end(); n != 1 {
		t.Errorf("%d were ended", n)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	if err := onlooker.Process.Signal(syscall.Signal(0)); err != nil {
		t.Error("somebody who only looks at the folder was ended")
	}
	if seen := m.processes(); len(seen) > 0 {
		t.Errorf("still seen: %v", seen)
	}
}
