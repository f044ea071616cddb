package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func binary(id, typ string, more ...string) []string {
	return append([]string{"Ce-Specversion", "1.0", "Ce-Id", id, "Ce-Source", "https://ci.example/7", "Ce-Type", typ, "Content-Type", "application/json"}, more...)
}

const published = `{"context":{"specversion":"0.5.1","id":"a1","source":"https://ci.example/7","type":"dev.cdevents.artifact.published.0.3.0","timestamp":"2026-11-20T09:00:00Z"},` +
	`"subject":{"id":"pkg:generic/orders@1.4.0","content":{}},"customData":{"repository":"https://github.com/acme/orders","commit":"abc"},"customDataContentType":"application/json"}`

func TestPublish_BinaryMode_IsPublishedAsAnOutsidersStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do("POST", "/events?project=shop", []byte(`{"n":1}`), binary("e-1", "com.example.build.done", "Ce-Subject", "orders",
		"Ce-Actor", "user:default/root", "Ce-Project", "other", "Ce-Correlationid", "story-7", "Ce-Mine", "a%20b")...)
	require.Equal(t, http.StatusAccepted, a.status, string(a.body))
	var r struct {
		ID  string
		IDs []string
	}
	a.into(t, &r)
	require.Equal(t, "e-1", r.ID)
	e := w.events(1)[0]
	require.Equal(t, "ext.shop.com.example.build.done", e["$subject"])
	require.Equal(t, "shop", e["project"], "the gateway's word, not the sender's")
	require.Equal(t, "user:default/admin", e["actor"])
	require.Equal(t, "story-7", e["correlationid"])
	require.Equal(t, "https://ci.example/7", e["statedsource"])
	require.Equal(t, "/outside/shop/user:default%2Fadmin?source=https%3A%2F%2Fci.example%2F7", e["source"])
	require.Equal(t, "a b", e["mine"])
	require.Equal(t, map[string]any{"n": 1.0}, e["data"])
}

func TestPublish_OtherMedia_PassThroughUnchanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do("POST", "/events?project=shop", []byte("<a>1</a>"), binary("x-1", "com.example.xml", "Content-Type", "application/xml")...)
	require.Equal(t, http.StatusAccepted, a.status, string(a.body))
	e := w.events(1)[0]
	require.Equal(t, "application/xml", e["datacontenttype"])
	require.Equal(t, "<a>1</a>", e["data"])
}

func TestPublish_StructuredCDEvent_IsValidatedAndJoinsItsStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := fmt.Sprintf(`{"specversion":"1.0","id":"a1","source":"https://ci.example/7","type":"dev.cdevents.artifact.published.0.3.0","datacontenttype":"application/json","data":%s}`, published)
	a := w.do("POST", "/events?project=shop", []byte(body), "Content-Type", "application/cloudevents+json; charset=utf-8")
	require.Equal(t, http.StatusAccepted, a.status, string(a.body))
	e := w.events(1)[0]
	require.Len(t, e["correlationid"], 32, "derived from repository and commit")

	broken := strings.Replace(body, `"subject":{"id":"pkg:generic/orders@1.4.0"`, `"subject":{"idd":"x"`, 1)
	p := w.do("POST", "/events?project=shop", []byte(broken), "Content-Type", "application/cloudevents+json").problem(t)
	require.Equal(t, 422, p.Status)
	var at []string
	for _, f := range p.Errors {
		at = append(at, f.Pointer)
	}
	require.Contains(t, at, "/data/subject")
	require.Equal(t, 1, w.count())
}

func TestPublish_Batch_AllOrNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := func(id, typ string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/ci","type":%q,"data":{}}`, id, typ)
	}
	p := w.do("POST", "/events?project=shop", []byte("["+one("1", "a.b")+","+one("2", "a b")+","+one("3", "a.>")+"]"), "Content-Type", "application/cloudevents-batch+json").problem(t)
	require.Equal(t, 422, p.Status)
	require.Equal(t, "/1/type", p.Errors[0].Pointer)
	require.Equal(t, "/2/type", p.Errors[1].Pointer)
	require.Equal(t, 0, w.count())

	a := w.do("POST", "/events?project=shop", []byte("["+one("1", "a.b")+","+one("2", "a.c")+"]"), "Content-Type", "application/cloudevents-batch+json")
	require.Equal(t, 202, a.status, string(a.body))
	var r struct{ IDs []string }
	a.into(t, &r)
	require.Equal(t, []string{"1", "2"}, r.IDs)
	require.Equal(t, 2, w.count())
}

func TestPublish_StatedTwice_IsOneEvent_ButAnotherSourceIsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		require.Equal(t, 202, w.do("POST", "/events?project=shop", []byte(`{}`), binary("same", "a.b")...).status)
	}
	require.Equal(t, 202, w.do("POST", "/events?project=shop", []byte(`{}`), binary("same", "a.b", "Ce-Source", "/other")...).status)
	require.Equal(t, 2, w.committed())
	require.Equal(t, 2, w.count())
}

func TestPublish_BadOnes_AreRefusedWithoutEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	post := func(path, body string, header ...string) answer { return w.do("POST", path, []byte(body), header...) }
	for name, tt := range map[string]struct {
		answer answer
		status int
		says   string
	}{
		"ours":            {post("/events?project=shop", `{}`, binary("1", "dev.slipway.policy.approval.granted.v1")...), 403, "Slipway's services"},
		"no project":      {post("/events", `{}`, binary("1", "a.b")...), 400, "?project="},
		"unknown project": {post("/events?project=shp", `{}`, binary("1", "a.b")...), 404, `Did you mean "shop"?`},
		"bad project":     {post("/events?project=a.b", `{}`, binary("1", "a.b")...), 400, "project"},
		"wildcard":        {post("/events?project=shop", `{}`, binary("1", "a.*")...), 422, "wildcard"},
		"white space":     {post("/events?project=shop", `{}`, binary("1", "a b")...), 422, "white space"},
		"no id":           {post("/events?project=shop", `{}`, binary("", "a.b", "Ce-Id", "")...), 422, "id"},
		"no event":        {post("/events?project=shop", `{}`, "Content-Type", "application/json"), 415, "ce-"},
		"not JSON":        {post("/events?project=shop", `{`, "Content-Type", "application/cloudevents+json"), 400, "JSON"},
		"data not JSON":   {post("/events?project=shop", `{`, binary("1", "a.b")...), 422, "not JSON"},
		"large event":     {post("/events?project=shop", `"`+strings.Repeat("x", 300<<10)+`"`, binary("1", "a.b")...), 413, "256 KiB"},
		"large body":      {post("/events?project=shop", strings.Repeat("x", 6<<20), "Content-Type", "application/cloudevents-batch+json"), 413, "5 MiB"},
		"other format":    {post("/events?project=shop", ``, "Content-Type", "application/cloudevents+avro"), 415, "cloudevents+json"},
		"empty batch":     {post("/events?project=shop", `[]`, "Content-Type", "application/cloudevents-batch+json"), 400, "empty"},
	} {
		require.Equal(t, tt.status, tt.answer.status, "%s: %s", name, tt.answer.body)
		p := tt.answer.problem(t)
		require.Contains(t, p.Error()+p.Detail, tt.says, name)
	}
	require.Equal(t, 0, w.count())
}

func TestPublish_OlderCDEvents_AreKnownToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := `{"context":{"version":"0.3.0","id":"1","source":"/ci","type":"dev.cdevents.pipelinerun.started.0.1.1","timestamp":"2026-11-20T09:00:00Z"},"subject":{"id":"run-1","type":"pipelineRun","content":{"pipelineName":"p","url":"https://x"}}}`
	a := w.do("POST", "/events?project=shop", []byte(data), binary("1", "dev.cdevents.pipelinerun.started.0.1.1")...)
	require.Equal(t, 202, a.status, string(a.body))
	var stated map[string]any
	require.NoError(t, json.Unmarshal([]byte(data), &stated))
	require.Equal(t, stated, w.events(1)[0]["data"], "as it was stated: an older schema knows no chainId")
}
