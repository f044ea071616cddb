package client

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRuns_EachCall_AsksForWhatItSays(t *testing.T) {
	t.Parallel()
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
		if strings.HasSuffix(r.URL.Path, "/runs") {
			fmt.Fprint(w, `{"items":[{"id":"run-1","counts":{"add":2}}]}`)
			return
		}
		fmt.Fprint(w, `{"id":"run-1","status":"failed","engine":{"kind":"tofu"},"changes":[{"address":"a.b","fields":[{"path":"x","after":3}]}]}`)
	})
	page, err := c.Runs(t.Context(), "shop", RunFilter{Status: "waiting", Environment: "dev", Limit: 5})
	if err != nil || len(page.Items) != 1 || page.Items[0].Counts.Add != 2 {
		t.Fatalf("%v %v", page, err)
	}
	r, err := c.Run(t.Context(), "shop", "run-1")
	if err != nil || !r.Over() || r.Engine.Kind != "tofu" || r.Changes[0].Fields[0].After != 3.0 {
		t.Fatalf("%v %v", r, err)
	}
	for _, call := range []func() (Run, error){
		func() (Run, error) { return c.ApproveRun(t.Context(), "shop", "run-1", "sha256:a") },
		func() (Run, error) { return c.DiscardRun(t.Context(), "shop", "run-1", "too much") },
		func() (Run, error) { return c.CancelRun(t.Context(), "shop", "run-1", "") },
	} {
		if _, err := call(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"GET /api/v1/projects/shop/runs?environment=dev&limit=5&status=waiting",
		"GET /api/v1/projects/shop/runs/run-1",
		`POST /api/v1/projects/shop/runs/run-1/approve {"digest":"sha256:a"}`,
		`POST /api/v1/projects/shop/runs/run-1/discard {"reason":"too much"}`,
		`POST /api/v1/projects/shop/runs/run-1/cancel {"reason":""}`,
	}
	if got := strings.Join(asked, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("asked\n%s", got)
	}
}

func TestRunLog_APiece_SaysWhereTheNextBegins(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Slipway-Log-Offset", "42")
		fmt.Fprint(w, "from "+r.URL.Query().Get("offset"))
	})
	text, next, err := c.RunLog(t.Context(), "shop", "run-1", 17)
	if err != nil || text != "from 17" || next != 42 {
		t.Fatalf("%q %d %v", text, next, err)
	}
}

func TestFollowRun_StreamBreaksOff_GoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		switch r.Header.Get("Last-Event-ID") {
		case "":
			fmt.Fprint(w, "event: run\ndata: {\"status\":\"planning\"}\n\nid: 4\nevent: log\ndata: {\"text\":\"one\\n\"}\n\n: still here\n\n")
		case "4":
			fmt.Fprint(w, "id: 8\nevent: log\ndata: {\"text\":\"two\\n\"}\n\nevent: end\ndata: {\"id\":\"run-1\",\"status\":\"finished\"}\n\n")
		}
	})
	var text string
	var over *Run
	for news, err := range c.FollowRun(t.Context(), "shop", "run-1") {
		if err != nil {
			t.Fatal(err)
		}
		text, over = text+news.Text, news.Run
	}
	if text != "one\ntwo\n" || over == nil || over.Status != "finished" {
		t.Fatalf("%q %v", text, over)
	}
}
