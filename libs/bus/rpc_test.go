package bus

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

func (h *harness) serve(subject string, f func(context.Context, []byte) ([]byte, error)) (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- h.bus.Serve(ctx, subject, "tester", f) }()
	stop = func() { cancel(); <-done }
	h.t.Cleanup(cancel)
	for { // served once somebody answers
		err := h.bus.Request(h.t.Context(), subject, "ping", nil)
		if !errors.Is(err, ErrNoResponder) {
			return stop
		}
	}
}

func TestRequest_AnswerProblemPanicNobodyLate_EachIsToldApart(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	stop := h.serve("rpc.tester.ask", func(_ context.Context, body []byte) ([]byte, error) {
		var what string
		if err := json.Unmarshal(body, &what); err != nil {
			return nil, err
		}
		switch what {
		case "problem":
			return nil, &httpapi.Problem{Type: httpapi.TypePrefix + "not-found", Title: "Not found", Status: http.StatusNotFound, Detail: "no ball"}
		case "secret error":
			return nil, errors.New("password is hunter2")
		case "panic":
			panic("a bug")
		case "hang":
			<-hang
		}
		return json.Marshal(map[string]string{"echo": what})
	})
	var out struct{ Echo string }
	require.NoError(t, h.bus.Request(t.Context(), "rpc.tester.ask", "hello", &out))
	require.Equal(t, "hello", out.Echo)

	var p *httpapi.Problem
	require.ErrorAs(t, h.bus.Request(t.Context(), "rpc.tester.ask", "problem", &out), &p)
	require.Equal(t, http.StatusNotFound, p.Status)
	require.Equal(t, "no ball", p.Detail)

	for _, what := range []string{"secret error", "panic"} {
		err := h.bus.Request(t.Context(), "rpc.tester.ask", what, &out)
		require.ErrorAs(t, err, &p)
		require.Equal(t, http.StatusInternalServerError, p.Status)
		require.NotContains(t, err.Error(), "hunter2")
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.bus.Request(ctx, "rpc.tester.ask", "hang", &out), context.DeadlineExceeded)
	require.ErrorIs(t, h.bus.Request(t.Context(), "rpc.tester.nobody", "x", &out), ErrNoResponder)
	_ = stop
}

func TestServe_Ends_RequestAtWorkIsAnswered(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	entered, release := make(chan struct{}, 1), make(chan struct{})
	stop := h.serve("rpc.tester.slow", func(_ context.Context, body []byte) ([]byte, error) {
		if string(body) == `"slow"` {
			entered <- struct{}{}
			<-release
		}
		return []byte(`"done"`), nil
	})
	answer := make(chan error, 1)
	var out string
	go func() { answer <- h.bus.Request(context.WithoutCancel(t.Context()), "rpc.tester.slow", "slow", &out) }()
	await(t, entered, "the request")
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		require.Fail(t, "did not wait for the request at work")
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	require.NoError(t, await(t, answer, "the answer"))
	require.Equal(t, "done", out)
	await(t, stopped, "the end of Serve")
	require.ErrorIs(t, h.bus.Request(t.Context(), "rpc.tester.slow", "late", &out), ErrNoResponder)
}
