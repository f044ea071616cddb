package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers with handler and returns a client of it that does not dawdle.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	c, err := New(Config{URL: srv.URL + "/", Token: "slp_x"})
	if err != nil {
		t.Fatal(err)
	}
	c.retry = time.Millisecond
	return c
}

func TestNew_NoAddress_IsRefusedWithAnExample(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:8080", "ftp://x", "http://"} {
		if _, err := New(Config{URL: address}); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:8080") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestDo_Problem_IsATypedErrorWithItsFaults(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer slp_x" {
			t.Error("the token was not sent")
		}
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(422)
		fmt.Fprint(w, `{"type":"https://slipway.dev/problems/invalid","title":"Not valid.","detail":"One thing is wrong.","errors":[{"source":"a.yaml","line":14,"column":5,"message":"unknown field \"contaners\"","hint":"did you mean \"containers\"?"}]}`)
	})
	_, err := c.Get(t.Context(), "/api/v1/x")
	var p *Problem
	if !errors.As(err, &p) || p.Status != 422 || p.Slug() != "invalid" || p.RetryAfter != 3*time.Second {
		t.Fatalf("%#v", err)
	}
	if got, want := p.Error(), `One thing is wrong: a.yaml:14:5: unknown field "contaners" (did you mean "containers"?)`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestDo_AnswerOfSomethingElse_IsAProblemThatSaysSo(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	_, err := c.Get(t.Context(), "/api/v1/x")
	var p *Problem
	if !errors.As(err, &p) || p.Error() != "GET /api/v1/x answered 502 Bad Gateway" {
		t.Fatalf("%v", err)
	}
}

func TestDo_NobodyListens_IsUnreachable(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c, err := New(Config{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); !IsUnreachable(err) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Fatalf("%v", err)
	}
}

func TestList_SeveralPages_AreAllFetched(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("kind") != "a" {
			t.Error("the query was lost")
		}
		if r.URL.Query().Get("cursor") == "" {
			fmt.Fprint(w, `{"items":[{"name":"one"}],"nextCursor":"c1"}`)
			return
		}
		fmt.Fprint(w, `{"items":[{"name":"two"}]}`)
	})
	all, err := c.List(t.Context(), "/api/v1/x", map[string][]string{"kind": {"a"}})
	if err != nil || len(all) != 2 || all[1]["name"] != "two" {
		t.Fatalf("%v %v", all, err)
	}
}

func TestFollow_StreamBreaksOff_GoesOnWithoutRepeating(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := opened.Add(1)
		if n == 2 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: operation\ndata: {\"id\":\"dpl-1\",\"status\":\"running\"}\n\n: comment\n\n")
		fmt.Fprint(w, "event: step\ndata: {\"id\":\"decide\",\"status\":\"done\"}\n\n")
		if n == 1 {
			return // cut
		}
		fmt.Fprint(w, "event: step\ndata: {\"id\":\"start\",\"status\":\"done\"}\n\n")
		fmt.Fprint(w, "event: end\ndata: {\"id\":\"dpl-1\",\"status\":\"done\"}\n\n")
	})
	var told []string
	for u, err := range c.Follow(t.Context(), "dpl-1") {
		if err != nil {
			t.Fatal(err)
		}
		if u.Step != nil {
			told = append(told, u.Step.ID)
		} else {
			told = append(told, u.Operation.Status)
		}
	}
	if got := strings.Join(told, " "); got != "running decide start done" {
		t.Fatalf("told %s", got)
	}
}

func TestFollow_NoSuchOperation_EndsAtOnce(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		fmt.Fprint(w, `{"type":"https://slipway.dev/problems/not-found","title":"No."}`)
	})
	if _, err := c.Wait(t.Context(), "dpl-1"); !IsNotFound(err) {
		t.Fatalf("%v", err)
	}
}

func TestTailEvents_StreamBreaksOff_ResumesAfterTheLastSeen(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") == "" {
			fmt.Fprint(w, "id: e1-7\ndata: {\"id\":\"a\",\"type\":\"t\",\"ours\":1}\n\n")
			return
		}
		fmt.Fprintf(w, "id: e1-8\ndata: {\"id\":\"after %s\"}\n\n", r.Header.Get("Last-Event-ID"))
	})
	var ids []string
	for e, err := range c.TailEvents(t.Context(), EventFilter{Project: "shop"}) {
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, e.ID); len(ids) == 2 {
			break
		}
		if string(e.Raw) != `{"id":"a","type":"t","ours":1}` || e.Position != "e1-7" {
			t.Errorf("%s at %s", e.Raw, e.Position)
		}
	}
	if ids[1] != "after e1-7" {
		t.Fatalf("%v", ids)
	}
}

func TestStream_SlipwayStaysAway_GivesUpWithAnError(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) })
	for _, err := range c.TailEvents(t.Context(), EventFilter{}) {
		if err == nil {
			t.Fatal("an event from nowhere")
		}
		return
	}
	t.Fatal("it ended without a word")
}

func TestStream_ContextEnds_EndsQuietly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	for _, err := range c.TailEvents(ctx, EventFilter{}) {
		t.Fatal(err)
	}
}

func TestReadLogs_EveryForm_IsRead(t *testing.T) {
	t.Parallel()
	for media, body := range map[string]string{
		"text/plain":           "hello\n",
		"application/x-ndjson": `{"line":"hello","instance":"orders.2"}` + "\n",
		"application/json":     `{"items":[{"line":"hello"}]}`,
		"text/event-stream":    "data: {\"line\":\"hello\"}\n\n",
	} {
		var got []string
		if err := readLogs(media, strings.NewReader(body), func(l LogLine) bool { got = append(got, l.Line); return true }); err != nil || len(got) != 1 || got[0] != "hello" {
			t.Errorf("%s: %v %v", media, got, err)
		}
	}
}
