package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/gateway"
)

// sse is one frame of a live stream.
type sse struct{ id, event, data, comment string }

// follow opens a live stream and returns its frames; stop ends the client.
func (w *world) follow(path string, header ...string) (frames <-chan sse, stop func()) {
	w.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	resp := w.Open(ctx, "GET", path, nil, append([]string{"Accept", "text/event-stream"}, header...)...)
	require.Equal(w.T, 200, resp.StatusCode)
	require.Equal(w.T, "text/event-stream", resp.Header.Get("Content-Type"))
	out := make(chan sse, 100)
	go func() {
		defer close(out)
		defer func() { _ = resp.Body.Close() }()
		var f sse
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			line := lines.Text()
			name, value, _ := strings.Cut(line, ": ")
			switch {
			case line == "":
				out <- f
				f = sse{}
			case name == "":
				f.comment = value
			case name == "id":
				f.id = value
			case name == "event":
				f.event = value
			case name == "data":
				f.data = value
			}
		}
	}()
	w.T.Cleanup(cancel)
	return out, cancel
}

// next awaits the next frame that is not a comment.
func next(t *testing.T, frames <-chan sse) sse {
	t.Helper()
	for {
		select {
		case f, open := <-frames:
			require.True(t, open, "the stream ended")
			if f.data != "" {
				return f
			}
		case <-time.After(10 * time.Second):
			require.Fail(t, "nothing came")
		}
	}
}

func (w *world) state(id, typ string) {
	w.T.Helper()
	a := w.do("POST", "/events?project=shop", []byte(`{}`), binary(id, typ, "Ce-Subject", "about-"+id)...)
	require.Equal(w.T, 202, a.status, string(a.body))
}

func TestRead_Live_ComesAsItHappensAndResumesWithoutGap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.state("before", "a.b")
	w.events(1)
	frames, stop := w.follow("/events")
	first := <-frames
	require.Equal(t, "events from here on", first.comment)
	w.state("1", "a.b")
	f := next(t, frames)
	require.Contains(t, f.data, `"id":"1"`)
	stop()
	w.state("2", "a.b")
	w.state("3", "a.b")
	frames, _ = w.follow("/events", "Last-Event-ID", f.id)
	require.Contains(t, next(t, frames).data, `"id":"2"`)
	require.Contains(t, next(t, frames).data, `"id":"3"`)

	// The sequence alone is a place in the stream as it is now.
	frames, _ = w.follow("/events", "Last-Event-ID", f.id[strings.LastIndexByte(f.id, '-')+1:])
	require.Contains(t, next(t, frames).data, `"id":"2"`)
}

func TestRead_Live_NothingHappens_SaysThatItLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	frames, _ := w.follow("/events")
	<-frames
	f := <-frames
	require.Equal(t, "still here", f.comment)
}

func TestRead_Live_ServiceStops_StreamEndsCleanly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	frames, _ := w.follow("/events")
	<-frames
	began := time.Now()
	w.Stop()
	for range frames { // ends
	}
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestRead_Page_FiltersAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.state(fmt.Sprint(i), "com.example.odd")
		w.state(fmt.Sprint("e", i), "com.example.even")
	}
	w.events(10)
	type page struct {
		Items []struct{ ID, Type string }
		Next  string `json:"nextCursor"`
		Last  string
	}
	var p page
	w.get("/events?type=com.example.ev&limit=3").into(t, &p)
	require.Len(t, p.Items, 3)
	require.NotEmpty(t, p.Next)
	var q page
	w.get("/events?type=com.example.ev&limit=3&cursor="+url.QueryEscape(p.Next)).into(t, &q)
	require.Len(t, q.Items, 2)
	require.Equal(t, "e3", q.Items[0].ID)
	require.Empty(t, q.Next)

	w.get("/events?filter="+url.QueryEscape("subject LIKE 'about-e%' AND type = 'com.example.even'")).into(t, &p)
	require.Len(t, p.Items, 5)
	w.get("/events?project=other").into(t, &p)
	require.Empty(t, p.Items)
	w.get("/events?since=8").into(t, &p)
	require.Len(t, p.Items, 2)
	w.get("/events?since=1h").into(t, &p)
	require.Len(t, p.Items, 10)
	w.get("/events?since="+url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))).into(t, &p)
	require.Empty(t, p.Items)

	// A page's last place is where a live stream goes on.
	w.get("/events").into(t, &p)
	frames, _ := w.follow("/events", "Last-Event-ID", p.Last)
	w.state("new", "com.example.odd")
	require.Contains(t, next(t, frames).data, `"id":"new"`)
}

func TestRead_Page_PlacesEndWhereTheirEventsDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.state(fmt.Sprint(i), "a.b")
	}
	w.events(4)
	seen := map[string]bool{}
	cursor := ""
	for range 10 {
		var p struct {
			Items []struct{ ID string }
			Next  string `json:"nextCursor"`
		}
		w.get("/events?limit=1&cursor="+url.QueryEscape(cursor)).into(t, &p)
		for _, e := range p.Items {
			require.False(t, seen[e.ID], "%s came twice", e.ID)
			seen[e.ID] = true
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	require.Len(t, seen, 4)
}

func TestRead_BadQueries_SayWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for query, tt := range map[string]struct {
		status int
		says   string
	}{
		"cursor=zzz-4":        {410, "made anew"},
		"since=zzz-4":         {410, "made anew"},
		"cursor=nonsense":     {400, "is not a cursor"},
		"since=yesterday":     {400, "is not a time"},
		"filter=subject+LIKE": {400, "is not a CESQL expression"},
		"filter=" + url.QueryEscape(strings.Repeat("NOT ", 500)+"TRUE"): {400, "longer than 1024"},
		"project=a.b": {400, "letters, digits"},
		"type=a..b":   {400, "empty part"},
		"limit=0":     {400, "limit=0"},
	} {
		a := w.get("/events?" + query)
		require.Equal(t, tt.status, a.status, "%s: %s", query, a.body)
		p := a.problem(t)
		require.Contains(t, p.Error()+p.Detail, tt.says, query)
	}
	require.Equal(t, 410, w.get("/events", "Accept", "text/event-stream", "Last-Event-ID", "old-9").status)
}

func TestContracts_AreForEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var types struct {
		Items []struct{ Type, Schema, Summary string }
	}
	w.get("/events/types", "Authorization", "").into(t, &types)
	require.Greater(t, len(types.Items), 60)
	for _, e := range types.Items {
		a := w.get(e.Schema, "Authorization", "")
		require.Equal(t, 200, a.status, e.Type)
		require.NotEmpty(t, e.Summary, e.Type)
		require.NotContains(t, e.Type, "ensure-resources", "commands are nobody else's business")
	}
	require.Contains(t, w.get("/events/types/dev.cdevents.service.deploy.0.3.0/schema").problem(t).Detail, "Did you mean")
	require.Contains(t, string(w.get("/asyncapi.yaml", "Authorization", "").body), "asyncapi: ")
	require.Contains(t, string(w.get("/schemas/webhook.json", "Authorization", "").body), `"secretRef"`)
	require.Equal(t, 404, w.get("/schemas/Webhok.json").status)
	api := string(w.get("/openapi.yaml", "Authorization", "").body)
	for _, path := range []string{"/hooks/{project}/{webhook}:", "/api/v1/policy:", "/api/v1/deployer:"} {
		require.Contains(t, api, path)
	}
	page := w.get("/", "Authorization", "")
	require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"))
	require.Equal(t, 200, w.get("/healthz", "Authorization", "").status)
	require.Equal(t, 200, w.get("/readyz", "Authorization", "").status)
	require.Contains(t, string(w.get("/metrics", "Authorization", "").body), "slipway_http_request_seconds")
}

func TestRead_Live_ReaderTakesNothing_IsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) { c.SlowClient = 100 * time.Millisecond })
	conn, err := w.Client().Transport.(*http.Transport).DialContext(t.Context(), "", "")
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: gateway\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n", w.token)
	require.NoError(t, err)
	answer := bufio.NewReader(conn)
	status, err := answer.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, status, "200")
	w.state("1", "a.b") // nobody reads it
	// The first byte is taken by the server's look at the connection, the
	// second by nobody: writing it ends when the server has hung up.
	_, err = conn.Write([]byte("xy"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}
