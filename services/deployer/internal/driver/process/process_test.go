package process_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	keeper "github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
	"github.com/slipway-idp/slipway/services/deployer/internal/driver/process"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/supervise"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/targettest"
)

// TestMain runs this test binary as what the platform starts: a supervisor,
// and under it a small program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case supervise.Command:
			if err := supervise.Run(context.Background(), os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		case "program":
			program(os.Args[2])
			return
		}
	}
	os.Exit(m.Run())
}

func program(behaviour string) {
	listen := "127.0.0.1:" + os.Getenv("PORT")
	status := http.StatusOK
	switch behaviour {
	case "exits":
		fmt.Fprintln(os.Stderr, "config: DATABASE_URL is empty")
		os.Exit(3)
	case "never-listen":
		fmt.Fprintln(os.Stdout, "thinking")
		select {}
	case "other-port":
		listen = "127.0.0.1:0"
	case "never-ready":
		status = http.StatusInternalServerError
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintln(w, "queue: no such host")
	})
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.URL.Query().Get("name"))) })
	http.HandleFunc("/say", func(_ http.ResponseWriter, r *http.Request) { fmt.Fprintln(os.Stdout, r.URL.Query().Get("text")) })
	http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	l, err := net.Listen("tcp", listen)
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, "serving")
	_ = http.Serve(l, nil)
}

const scoreText = `apiVersion: score.dev/v1b1
metadata:
  name: orders
  annotations: {slipway.dev/startup: %s, slipway.dev/stop: 500ms}
containers:
  main:
    image: .
    command: [./run]
    args: [%s]
    readinessProbe: {httpGet: {path: /readyz, port: 8080}}
    livenessProbe: {httpGet: {path: /readyz, port: 8080}}
service: {ports: {web: {port: 80, targetPort: 8080}}}
`

type harness struct {
	t    *testing.T
	dir  string
	pack []byte
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, dir: t.TempDir()}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	script := fmt.Sprintf("#!/bin/sh\nexec %s program \"$@\"\n", os.Args[0])
	for name, text := range map[string]string{"run": script, "score.yaml": scoreText} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	h.pack = b.Bytes()
	t.Cleanup(func() {
		d := h.open(t)
		ids, err := d.List(context.Background())
		require.NoError(t, err)
		for _, id := range ids {
			require.NoError(t, d.Stop(context.Background(), id, time.Second))
		}
	})
	return h
}

func (h *harness) keeper(t *testing.T) *keeper.Keeper {
	t.Helper()
	k, err := keeper.Open(filepath.Join(h.dir, "processes"), keeper.Options{})
	require.NoError(t, err)
	return k
}

func (h *harness) open(t *testing.T) *process.Driver {
	t.Helper()
	d, err := process.New(process.Config{
		Keeper: h.keeper(t), Executable: []string{os.Args[0]}, Dir: filepath.Join(h.dir, "instances"), Env: []string{"PATH=" + os.Getenv("PATH")}, Limits: archive.DefaultLimits(),
		Open: func(context.Context, string) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(h.pack)), nil
		},
	})
	require.NoError(t, err)
	return d
}

func spec(t *testing.T, id, behaviour string) target.Spec {
	t.Helper()
	startup := "10s"
	if strings.HasPrefix(behaviour, "never") || behaviour == "other-port" {
		startup = "700ms"
	}
	w, err := score.Load("score.yaml", 1, fmt.Appendf(nil, scoreText, startup, behaviour))
	require.NoError(t, err)
	return target.Spec{ID: id, Name: "orders.1", Project: "shop", Environment: "dev", Workload: "orders", Score: w,
		Variables: map[string]map[string]string{"main": {"GREETING": "hello", "TOKEN": "s3cret-token"}}, Mask: []string{"s3cret-token"}}
}

func start(t *testing.T, d *process.Driver, id, behaviour string) target.Instance {
	t.Helper()
	_, err := d.Start(t.Context(), spec(t, id, behaviour))
	require.NoError(t, err)
	i, err := d.AwaitReady(t.Context(), id)
	require.NoError(t, err)
	return i
}

func get(t *testing.T, i target.Instance, path string) string {
	t.Helper()
	res, err := http.Get("http://" + i.Addr + path)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(b)
}

func TestProcess_IsATarget(t *testing.T) {
	t.Parallel()
	targettest.Run(t, func(t *testing.T) targettest.Harness {
		h := newHarness(t)
		return targettest.Harness{
			Target: h.open(t),
			Reopen: func(t *testing.T) target.Target { return h.open(t) },
			Spec: func(t *testing.T, id string, b targettest.Behaviour) target.Spec {
				return spec(t, id, string(b))
			},
		}
	})
}

func TestStart_Variables_ReachTheProgramAndNoDisk(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	i := start(t, h.open(t), "i-1", "good")
	require.Equal(t, "hello", get(t, i, "/env?name=GREETING"))
	require.Equal(t, "s3cret-token", get(t, i, "/env?name=TOKEN"))
	require.Equal(t, fmt.Sprint(i.Ports["web"]), get(t, i, "/env?name=PORT"))
	require.Equal(t, fmt.Sprint(i.Ports["web"]), get(t, i, "/env?name=PORT_WEB"))
	get(t, i, "/say?text=my+token+is+s3cret-token+indeed")
	require.Eventually(t, func() bool {
		var lines []string
		require.NoError(t, h.open(t).Logs(t.Context(), "i-1", target.LogOptions{Tail: 1}, func(l target.Line) error {
			lines = append(lines, l.Text)
			return nil
		}))
		return len(lines) == 1 && lines[0] == "my token is *** indeed"
	}, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, filepath.WalkDir(h.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NotContains(t, string(b), "s3cret-token", path)
		return err
	}))
}

func TestAwaitReady_ListensOnAnotherPort_SaysOnWhich(t *testing.T) {
	t.Parallel()
	d := newHarness(t).open(t)
	i, err := d.Start(t.Context(), spec(t, "i-1", "other-port"))
	require.NoError(t, err)
	_, err = d.AwaitReady(t.Context(), "i-1")
	var not *target.NotReadyError
	require.ErrorAs(t, err, &not)
	require.Regexp(t, fmt.Sprintf(`^listens on another port: after 700 ms it listens on 127\.0\.0\.1:\d+, and should on %d`, i.Ports["web"]), not.Reason)
	require.Equal(t, []string{"serving"}, not.LogTail)
}

func TestAwaitReady_ProbeAnswers500_SaysWhatItAnswered(t *testing.T) {
	t.Parallel()
	d := newHarness(t).open(t)
	_, err := d.Start(t.Context(), spec(t, "i-1", "never-ready"))
	require.NoError(t, err)
	_, err = d.AwaitReady(t.Context(), "i-1")
	require.ErrorContains(t, err, "orders.1 is not ready after 700 ms: GET /readyz answered 500: queue: no such host")
}

func TestSupervisor_ReadyProgramCrashes_IsStartedAgainOnItsPort(t *testing.T) {
	t.Parallel()
	d := newHarness(t).open(t)
	i := start(t, d, "i-1", "good")
	get(t, i, "/crash")
	require.Eventually(t, func() bool {
		now, _, err := d.Find(t.Context(), "i-1")
		require.NoError(t, err)
		return now.State == target.Ready && now.Restarts == 1
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, "hello", get(t, i, "/env?name=GREETING"), "same port, same variables")
}

func TestStop_ProgramIgnoresTerm_IsKilledAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	d := h.open(t)
	i := start(t, d, "i-1", "stubborn")
	require.NoError(t, d.Stop(t.Context(), "i-1", 5*time.Second))
	_, err := net.Dial("tcp", i.Addr)
	require.Error(t, err)
	left, err := os.ReadDir(filepath.Join(h.dir, "instances"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestStart_SupervisorWasKilled_ProgramEndsAndComesBackOnItsPort(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	d := h.open(t)
	i := start(t, d, "i-1", "good")
	p, ok, err := h.keeper(t).Find("instance/i-1")
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, syscall.Kill(p.PID, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		now, _, err := d.Find(t.Context(), "i-1")
		require.NoError(t, err)
		_, dialErr := net.Dial("tcp", i.Addr)
		return now.State == target.Gone && dialErr != nil
	}, 10*time.Second, 5*time.Millisecond)
	s := spec(t, "i-1", "good")
	s.Recovering = true
	_, err = d.Start(t.Context(), s)
	require.NoError(t, err)
	again, err := d.AwaitReady(t.Context(), "i-1")
	require.NoError(t, err)
	require.Equal(t, i.Addr, again.Addr)
}

func TestCheck_WhatAProcessCannotBe_IsSaid(t *testing.T) {
	t.Parallel()
	d := newHarness(t).open(t)
	for says, change := range map[string][2]string{
		"needs the command to run":                       {"command: [./run]", "args: []"},
		"9090 is none of service.ports (there are: 8080": {"port: 8080}}\n    live", "port: 9090}}\n    live"},
		"runs one container, these are 2":                {"containers:\n", "containers:\n  other: {image: x}\n"},
		"no file system of its own to mount into":        {"    command", "    volumes: {/x: {source: \"${metadata.name}\"}}\n    command"},
	} {
		text := fmt.Sprintf(scoreText, "1s", "good")
		require.Contains(t, text, change[0])
		text = strings.Replace(text, change[0], change[1], 1)
		if strings.Contains(says, "command") {
			text = strings.Replace(text, "    args: [good]\n", "", 1)
		}
		w, err := score.Load("score.yaml", 1, []byte(text))
		require.NoError(t, err, says)
		faults := d.Check(w)
		require.Len(t, faults, 1)
		require.Contains(t, faults[0].String(), says)
	}
	w, err := score.Load("score.yaml", 1, fmt.Appendf(nil, scoreText, "1s", "good"))
	require.NoError(t, err)
	require.Empty(t, d.Check(w))
	require.Empty(t, d.CheckFiles(w, map[string]bool{"run": true}))
	require.Contains(t, d.CheckFiles(w, map[string]bool{"run": false})[0].String(), "is not executable")
	require.Contains(t, d.CheckFiles(w, map[string]bool{"ran": true})[0].String(), "the archive holds no ./run")
}
