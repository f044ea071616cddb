package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/run"
)

// runsOf are runs in memory, with a log that grows.
type runsOf struct {
	mu    sync.Mutex
	all   map[string]run.Run
	log   []byte
	over  bool
	rung  chan struct{}
	asked run.Filter
	votes []string
}

func (r *runsOf) Get(_ context.Context, id string) (run.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.all[id]
	if !ok {
		return run.Run{}, fmt.Errorf("run %s: %w", id, store.ErrNotFound)
	}
	return one, nil
}

func (r *runsOf) List(_ context.Context, f run.Filter) ([]run.Run, string, error) {
	r.asked = f
	return []run.Run{r.all["run-1"]}, "more", nil
}

func (r *runsOf) Log(_ context.Context, _ string, offset int64) ([]byte, int64, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	piece := r.log[min(int(offset), len(r.log)):]
	piece = piece[:min(len(piece), 7)] // the real one gives pieces too
	next := offset + int64(len(piece))
	return piece, next, r.over && int(next) == len(r.log), nil
}

func (r *runsOf) write(text string, over bool) {
	r.mu.Lock()
	r.log, r.over = append(r.log, text...), over
	r.mu.Unlock()
	r.rung <- struct{}{}
}

func (r *runsOf) Watch(string) (<-chan struct{}, func()) { return r.rung, func() {} }

func (r *runsOf) vote(what, id, word string) (run.Run, error) {
	r.votes = append(r.votes, what+" "+id+" "+word)
	if word == "sha256:other" {
		return run.Run{}, httpapi.Conflict("another plan")
	}
	return r.all[id], nil
}

func (r *runsOf) Approve(_ context.Context, _ events.Cause, id, digest string) (run.Run, error) {
	return r.vote("approve", id, digest)
}

func (r *runsOf) Discard(_ context.Context, _ events.Cause, id, reason string) (run.Run, error) {
	return r.vote("discard", id, reason)
}

func (r *runsOf) Cancel(_ context.Context, _ events.Cause, id, reason string) (run.Run, error) {
	return r.vote("cancel", id, reason)
}

func runsServer(t *testing.T) (*runsOf, string) {
	t.Helper()
	runs := &runsOf{rung: make(chan struct{}, 100), all: map[string]run.Run{"run-1": {
		ID: "run-1", Project: "shop", Environment: "dev", Resource: "s3.default.orders", Stack: "shop.dev.s3.default.orders",
		Operation: "apply", Status: run.Waiting, Waits: "an approval is needed: owners: it is much", Planned: true, HasChanges: true,
		Engine: engine.Engine{Kind: engine.Tofu, Version: "1.12.6", Path: "/somewhere/of/this/machine"}, PlanDigest: "sha256:this",
		Token: "hash-of-a-token", Counts: plan.Counts{Add: 2, Replace: 1}, Changes: []plan.Change{{Address: "a.b", Action: plan.Add}},
		Decision: &run.Decision{ID: "dec-1", Result: "needs-approval"}, CreatedAt: time.Unix(1, 0),
	}}}
	a := &API{Runs: runs}
	s := httpapi.NewSurface(nil)
	a.runRoutes(s)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return runs, server.URL + "/api/v1/projects"
}

func ask(t *testing.T, method, url, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text), res.Header
}

func TestRuns_Shown_SayWhatWouldBeDoneAndNothingOfThisMachine(t *testing.T) {
	t.Parallel()
	_, at := runsServer(t)
	status, text, _ := ask(t, "GET", at+"/shop/runs/run-1", "")
	require.Equal(t, 200, status)
	var v Run
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	require.Equal(t, "run run-1 waits for an approval: slipway run approve run-1 (tofu): 2 to add, 1 to replace", v.Summary)
	require.Len(t, v.Changes, 1)
	require.Equal(t, "/api/v1/decisions/dec-1", v.Links["decision"])
	require.NotContains(t, text, "/somewhere")
	require.NotContains(t, text, "hash-of-a-token")

	status, text, _ = ask(t, "GET", at+"/other/runs/run-1", "")
	require.Equal(t, 404, status, "another project's run is not there")
	require.Contains(t, text, "slipway run list")
	status, _, _ = ask(t, "GET", at+"/shop/runs/run-2", "")
	require.Equal(t, 404, status)
}

func TestRuns_Listed_AreFilteredAndWithoutTheirPlans(t *testing.T) {
	t.Parallel()
	runs, at := runsServer(t)
	status, text, _ := ask(t, "GET", at+"/shop/runs?stack=s&environment=dev&status=waiting&limit=7&cursor=c", "")
	require.Equal(t, 200, status)
	require.Equal(t, run.Filter{Project: "shop", Stack: "s", Environment: "dev", Status: run.Waiting, Limit: 7, Cursor: "c"}, runs.asked)
	require.Contains(t, text, `"nextCursor":"more"`)
	require.NotContains(t, text, `"changes"`)
	status, text, _ = ask(t, "GET", at+"/shop/runs?status=wating", "")
	require.Equal(t, 400, status)
	require.Contains(t, text, "waiting")
}

func TestRuns_ApproveDiscardCancel_CarryWhatWasSaid(t *testing.T) {
	t.Parallel()
	runs, at := runsServer(t)
	for _, c := range []struct {
		what, body string
		status     int
	}{
		{"approve", `{"digest":"sha256:this"}`, 200},
		{"approve", `{"digest":"sha256:other"}`, 409},
		{"approve", `{}`, 422},
		{"discard", `{"reason":"too much"}`, 200},
		{"cancel", `{}`, 200},
		{"cancel", `{"raison":"x"}`, 422},
	} {
		status, text, _ := ask(t, "POST", at+"/shop/runs/run-1/"+c.what, c.body)
		require.Equal(t, c.status, status, "%s %s: %s", c.what, c.body, text)
	}
	require.Equal(t, []string{"approve run-1 sha256:this", "approve run-1 sha256:other", "discard run-1 too much", "cancel run-1 "}, runs.votes)
	for _, what := range []string{"approve", "discard", "cancel"} {
		status, _, _ := ask(t, "POST", at+"/other/runs/run-1/"+what, `{"digest":"sha256:this"}`)
		require.Equal(t, map[string]int{"approve": 404, "discard": 422, "cancel": 422}[what], status, "of another project")
	}
	require.Len(t, runs.votes, 4)
}

func TestRunLog_AsText_IsAllFromAnOffset(t *testing.T) {
	t.Parallel()
	runs, at := runsServer(t)
	runs.write("first line\nsecönd line\n", false)
	status, text, h := ask(t, "GET", at+"/shop/runs/run-1/log", "")
	require.Equal(t, 200, status)
	require.Equal(t, "first line\nsecönd line\n", text)
	require.Equal(t, "text/plain; charset=utf-8", h.Get("Content-Type"))
	require.Equal(t, "false", h.Get(LogOverHeader))
	runs.write("third\n", true)
	status, text, h = ask(t, "GET", at+"/shop/runs/run-1/log?offset="+h.Get(LogOffsetHeader), "")
	require.Equal(t, 200, status)
	require.Equal(t, "third\n", text)
	require.Equal(t, "true", h.Get(LogOverHeader))
	status, _, _ = ask(t, "GET", at+"/shop/runs/run-1/log?offset=-1", "")
	require.Equal(t, 400, status)
}

func TestRunLog_Followed_IsSentAsItIsWrittenUntilTheRunIsOver(t *testing.T) {
	t.Parallel()
	runs, at := runsServer(t)
	runs.write("änfang\n", false)
	req, err := http.NewRequestWithContext(t.Context(), "GET", at+"/shop/runs/run-1/log", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var text, last string
	ended, waits := false, false
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		l := lines.Text()
		if id, ok := strings.CutPrefix(l, "id: "); ok {
			last = id
		}
		if l == "event: end" {
			ended = true
		}
		data, ok := strings.CutPrefix(l, "data: ")
		if !ok || ended || strings.Contains(l, `"id":"run-1"`) {
			waits = waits || strings.Contains(l, `"status":"waiting"`)
			continue
		}
		var piece LogPiece
		require.NoError(t, json.Unmarshal([]byte(data), &piece))
		require.NotContains(t, piece.Text, "\uFFFD", "no character is torn apart")
		text += piece.Text
		if text == "änfang\n" {
			runs.write("ünd mehr äöü\n", true)
		}
	}
	require.True(t, ended)
	require.True(t, waits, "a follower is told how far the run is")
	require.Equal(t, "änfang\nünd mehr äöü\n", text)
	require.Equal(t, fmt.Sprint(len(text)), last, "a broken stream goes on from there")
}
