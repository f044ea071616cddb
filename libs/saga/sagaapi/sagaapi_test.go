package sagaapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/stretchr/testify/require"
)

// owner is a service with one saga of two steps: make, then start, which waits
// for gate and then fails if told so.
type owner struct {
	*runner.Runner
	srv  *httptest.Server
	gate chan error
}

func newOwner(t *testing.T) *owner {
	t.Helper()
	o := &owner{gate: make(chan error, 1)}
	fine := func(_ context.Context, c saga.Call) (saga.Result, error) {
		return saga.Result{Note: string(c.Direction) + " " + c.StepID, Output: map[string]string{"password": "hunter2"}}, nil
	}
	start := func(ctx context.Context, c saga.Call) (saga.Result, error) {
		select {
		case err := <-o.gate:
			return saga.Result{Note: "orders.2 ready"}, err
		case <-ctx.Done():
			return saga.Result{}, ctx.Err()
		}
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"), sqlite.Options{})
	require.NoError(t, err)
	o.Runner, err = runner.New(runner.Config{Store: s, Service: "deployer", Definitions: []saga.Definition{{
		Name: "deployment",
		Steps: map[string]saga.StepKind{
			"make":  {Do: fine, Undo: fine, Compensation: saga.DestroyCreated, Timeout: time.Minute},
			"start": {Do: start, Undo: fine, Compensation: saga.DestroyCreated, Timeout: time.Minute},
		},
	}}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	mux := http.NewServeMux()
	sagaapi.Config{Runner: o.Runner, Details: func(s saga.Saga) map[string]string { return map[string]string{"workload": "orders"} }}.Routes(mux)
	o.srv = httptest.NewServer(mux)
	t.Cleanup(func() {
		o.srv.Close()
		cancel()
		<-ended
		_ = s.Close()
	})
	_, err = o.Start(t.Context(), runner.Start{
		ID: "dpl-1", Definition: "deployment", Project: "shop", Subject: "dev/orders",
		Plan:  saga.Plan{Steps: []saga.PlannedStep{{ID: "make", Kind: "make"}, {ID: "start", Kind: "start", After: []string{"make"}}}},
		Cause: events.Cause{CorrelationID: "c0ffee", Actor: "user:default/ada"},
	})
	require.NoError(t, err)
	return o
}

func (o *owner) get(t *testing.T, path string, into any) int {
	t.Helper()
	res, err := http.Get(o.srv.URL + path)
	require.NoError(t, err)
	defer res.Body.Close()
	if into != nil {
		require.NoError(t, json.NewDecoder(res.Body).Decode(into))
	}
	return res.StatusCode
}

// follow opens the operation's stream; next returns the next event's name and data.
func (o *owner) follow(t *testing.T, id string) (next func() (string, string)) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, o.srv.URL+"/api/v1/operations/"+id, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return func() (name, data string) {
		for lines.Scan() {
			switch key, value, _ := strings.Cut(lines.Text(), ": "); key {
			case "event":
				name = value
			case "data":
				data = value
			case "":
				if data != "" {
					return name, data
				}
			}
		}
		return "", ""
	}
}

func TestFollow_FailingStep_ArrivesAsItHappensUntilAllIsUndone(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	next := o.follow(t, "dpl-1")
	name, data := next()
	require.Equal(t, "operation", name)
	require.Contains(t, data, `"details":{"workload":"orders"}`)
	require.Contains(t, data, `"timeline":"/api/v1/timelines/c0ffee"`)

	var told []string
	for sent := false; ; {
		name, data = next()
		if name == "failure" {
			told = append(told, "failure")
			require.Contains(t, data, "not ready after 10 s")
			continue
		}
		if name != "step" {
			break
		}
		var st sagaapi.Step
		require.NoError(t, json.Unmarshal([]byte(data), &st))
		told = append(told, st.ID+" "+string(st.Status))
		if st.ID == "start" && !sent {
			sent = true
			o.gate <- saga.Fail(errors.New("not ready after 10 s")) // only now: the stream was ahead of the end
		}
	}
	require.Equal(t, "end", name)
	require.Contains(t, told, "make done")
	require.Contains(t, told, "start doing")
	require.Contains(t, told, "failure")
	require.Equal(t, "make undone", told[len(told)-1])
	var op sagaapi.Operation
	require.NoError(t, json.Unmarshal([]byte(data), &op))
	require.Equal(t, saga.Undone, op.Status)
	require.Equal(t, "not ready after 10 s", op.Failure.Reason)
	require.NotContains(t, data, "hunter2", "outputs are the owner's business")
}

func TestSagas_ListAndShow_FilterAndTellTheJournal(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	var page struct{ Items []sagaapi.Operation }
	require.Equal(t, 200, o.get(t, "/api/v1/sagas?status=running&project=shop", &page))
	require.Len(t, page.Items, 1)
	require.Equal(t, 200, o.get(t, "/api/v1/sagas?status=parked", &page))
	require.Empty(t, page.Items)
	require.Equal(t, 400, o.get(t, "/api/v1/sagas?limit=0", nil))
	var op sagaapi.Operation
	require.Equal(t, 200, o.get(t, "/api/v1/sagas/dpl-1", &op))
	require.NotEmpty(t, op.Journal)
	require.Equal(t, 404, o.get(t, "/api/v1/sagas/dpl-2", nil))
}

func TestRequests_WhatTheStateDoesNotAllow_IsRefusedWithWords(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	post := func(path, body string) (int, string) {
		res, err := http.Post(o.srv.URL+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		defer res.Body.Close()
		var p struct{ Detail string }
		require.NoError(t, json.NewDecoder(res.Body).Decode(&p))
		return res.StatusCode, p.Detail
	}
	code, detail := post("/api/v1/sagas/dpl-1/retry", "")
	require.Equal(t, 409, code)
	require.Contains(t, detail, "only what is stuck can be retried")
	code, _ = post("/api/v1/sagas/dpl-1/skip", `{}`)
	require.Equal(t, 422, code)
	code, detail = post("/api/v1/sagas/dpl-1/explode", `{}`)
	require.Equal(t, 404, code)
	require.Contains(t, detail, "retry, skip, adopt, abort")
	code, _ = post("/api/v1/sagas/dpl-9/abort", `{}`)
	require.Equal(t, 404, code)

	code, _ = post("/api/v1/sagas/dpl-1/abort", `{"reason":"wrong artifact"}`)
	require.Equal(t, 202, code)
	next := o.follow(t, "dpl-1")
	for name, data := next(); ; name, data = next() {
		if name == "end" {
			require.Contains(t, data, `"status":"undone"`)
			require.Contains(t, data, "wrong artifact")
			return
		}
		require.NotEmpty(t, name)
	}
}
