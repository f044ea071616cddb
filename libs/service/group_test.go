package service_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/service"
)

func TestGroup_Stop_EndsPartsLastFirst(t *testing.T) {
	t.Parallel()
	var (
		g     service.Group
		mu    sync.Mutex
		ended []string
		ready sync.WaitGroup
	)
	for _, name := range []string{"relay", "consumers", "http"} {
		ready.Add(1)
		g.Add(name, func(ctx context.Context) error {
			ready.Done()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, name)
			return ctx.Err()
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ready.Wait(); cancel() }()
	require.NoError(t, g.Run(ctx))
	require.Equal(t, []string{"http", "consumers", "relay"}, ended)
}

func TestGroup_PartFails_OthersStopAndTheErrorNamesIt(t *testing.T) {
	t.Parallel()
	var g service.Group
	g.Add("steady", func(ctx context.Context) error { <-ctx.Done(); return nil })
	g.Add("broken", func(context.Context) error { return errors.New("no bus") })
	require.EqualError(t, g.Run(t.Context()), "broken: no bus")
}

func TestGroup_PartEndsByItself_IsAnError(t *testing.T) {
	t.Parallel()
	var g service.Group
	g.Add("short", func(context.Context) error { return nil })
	require.ErrorContains(t, g.Run(t.Context()), "short: ended before it was asked to")
}

func TestServe_InMemory_AnswersHealthAndReadiness_AndEndsStreamsOnStop(t *testing.T) {
	t.Parallel()
	l := service.NewMemoryListener("thing")
	mux := http.NewServeMux()
	streaming := make(chan struct{})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "one\n")
		_ = http.NewResponseController(w).Flush()
		close(streaming)
		<-r.Context().Done()
	})
	notReady := errors.New("no bus yet")
	var mu sync.Mutex
	serve := service.Serve(service.Deps{Name: "thing", Listener: l, Log: zerolog.Nop()}, mux, func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		return notReady
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- serve(ctx) }()

	owner := l.Owner()
	client := &http.Client{Transport: owner.Transport}
	get := func(path string) (int, string) {
		res, err := client.Get(owner.BaseURL + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	code, _ := get("/healthz")
	require.Equal(t, http.StatusOK, code)
	code, body := get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "no bus yet")
	mu.Lock()
	notReady = nil
	mu.Unlock()
	code, _ = get("/readyz")
	require.Equal(t, http.StatusOK, code)
	code, body = get("/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "go_goroutines")

	res, err := client.Get(owner.BaseURL + "/stream")
	require.NoError(t, err)
	defer res.Body.Close()
	<-streaming
	read := make(chan string, 1)
	go func() {
		body, _ := io.ReadAll(res.Body)
		read <- string(body)
	}()
	cancel()
	require.NoError(t, <-stopped)
	require.Equal(t, "one\n", <-read)
	_, err = client.Get(owner.BaseURL + "/healthz")
	require.Error(t, err)
}
