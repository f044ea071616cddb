package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/services/gateway"
)

const commit = "4f1c2e9d0b7a6c5e8d3f2a1b0c9d8e7f6a5b4c3d"

func run(conclusion string) []byte {
	return fmt.Appendf(nil, `{"action":"completed","workflow_run":{"id":1589141559,"name":"build","head_sha":%q,"conclusion":%q,"html_url":"https://github.com/acme/orders/actions/runs/1589141559","updated_at":"2026-11-20T09:14:01Z"},`+
		`"repository":{"name":"orders","full_name":"acme/orders","html_url":"https://github.com/acme/orders","default_branch":"main"},"sender":{"login":"ada"}}`, commit, conclusion)
}

type receipt struct {
	ID            string `json:"id"`
	Delivery      string `json:"delivery"`
	CorrelationID string `json:"correlationId"`
	Seen          bool   `json:"seen"`
	Events        []struct{ ID, Type string }
}

func TestDelivery_GoodBuild_BecomesRunAndArtifactOfOneStory(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	a := w.deliver("workflow_run", "d-1", run("success"))
	require.Equal(t, http.StatusAccepted, a.status, string(a.body))
	var r receipt
	a.into(t, &r)

	got := w.events(2)
	require.Equal(t, "ext.shop.dev.cdevents.pipelinerun.finished.0.3.0", got[0]["$subject"])
	require.Equal(t, "ext.shop.dev.cdevents.artifact.published.0.3.0", got[1]["$subject"])
	require.Equal(t, r.ID, got[0]["id"])
	story := events.Correlation("https://github.com/acme/orders.git", commit)
	require.Equal(t, story, r.CorrelationID)
	for _, e := range got {
		require.Equal(t, story, e["correlationid"])
		require.Equal(t, "shop", e["project"])
		require.Equal(t, "webhook:shop/github", e["actor"])
		require.Equal(t, "/hooks/shop/github", e["source"])
		require.Equal(t, story, dig(e, "data", "context", "chainId"))
		require.Equal(t, e["id"], dig(e, "data", "context", "id"))
		require.Equal(t, commit, dig(e, "data", "customData", "commit"))
	}
	require.Equal(t, "success", dig(got[0], "data", "subject", "content", "outcome"))
	require.Equal(t, "2026-11-20T09:14:01Z", dig(got[0], "data", "context", "timestamp"))
	require.Equal(t, "pkg:generic/orders@"+commit, dig(got[1], "data", "subject", "id"))
	require.Equal(t, "orders", dig(got[1], "data", "customData", "slipway", "workload"))
	require.Equal(t, "orders:"+commit, dig(got[1], "data", "customData", "slipway", "artifact"))
	links, _ := dig(got[1], "data", "context", "links").([]any)
	require.Len(t, links, 1)
	require.Equal(t, got[0]["id"], dig(links[0].(map[string]any), "target", "contextId"))
}

func dig(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func TestDelivery_SentTwice_AnswersTheSameAndIsOneEvent(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	var first, second receipt
	a := w.deliver("workflow_run", "d-1", run("failure"))
	require.Equal(t, http.StatusAccepted, a.status)
	a.into(t, &first)
	w.Stop() // and remembered over a restart
	w.Start()
	a = w.deliver("workflow_run", "d-1", run("failure"))
	require.Equal(t, http.StatusAccepted, a.status)
	a.into(t, &second)
	require.Equal(t, first.ID, second.ID)
	require.True(t, second.Seen)
	require.Equal(t, 1, w.committed())
	require.Equal(t, 1, w.count())
}

func TestDelivery_ManyAtOnceOfOneID_OneEvent(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			var r receipt
			a := w.deliver("push", "same", []byte(`{"ref":"refs/heads/x"}`))
			if a.status == http.StatusAccepted && json.Unmarshal(a.body, &r) == nil {
				ids[i] = r.ID
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.NotEmpty(t, id)
		require.Equal(t, ids[0], id)
	}
	require.Equal(t, 1, w.committed())
	require.Equal(t, 1, w.count())
}

func TestDelivery_WithoutAnID_IsRecognisedByItsBody(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	var one, two, other receipt
	w.deliver("ping", "", []byte(`{"zen":"a"}`)).into(t, &one)
	w.deliver("ping", "", []byte(`{"zen":"a"}`)).into(t, &two)
	w.deliver("ping", "", []byte(`{"zen":"b"}`)).into(t, &other)
	require.Equal(t, one.ID, two.ID)
	require.NotEqual(t, one.ID, other.ID)
}

func TestDelivery_KindNobodyMaps_IsRecorded(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	require.Equal(t, http.StatusAccepted, w.deliver("star", "s-1", []byte(`{"action":"created"}`)).status)
	require.Equal(t, http.StatusAccepted, w.deliver("brand_new_kind", "s-2", []byte(`{"action":"invented"}`)).status)
	got := w.events(2)
	for _, e := range got {
		require.Equal(t, "evt.shop.dev.slipway.gateway.delivery.recorded.v1", e["$subject"])
	}
	require.Equal(t, "star", dig(got[0], "data", "event"))
	require.Contains(t, dig(got[1], "data", "note"), "not in the table")
}

func TestDelivery_FormEncoded_IsTheSame(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	body := []byte(url.Values{"payload": {string(run("success"))}}.Encode())
	a := w.deliver("workflow_run", "f-1", body, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusAccepted, a.status, string(a.body))
	require.Equal(t, "ext.shop.dev.cdevents.artifact.published.0.3.0", w.events(2)[1]["$subject"])
}

func TestDelivery_MapFails_IsRecordedAndSeenAndNotLost(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	body := []byte(`{"action":"completed","workflow_run":{"id":7,"conclusion":"success"},"repository":{"name":"orders"}}`)
	var r receipt
	w.deliver("workflow_run", "m-1", body).into(t, &r)
	got := w.events(2)
	require.Equal(t, "ext.shop.dev.cdevents.pipelinerun.finished.0.3.0", got[0]["$subject"])
	require.Equal(t, "evt.shop.dev.slipway.gateway.delivery.recorded.v1", got[1]["$subject"])
	require.Contains(t, dig(got[1], "data", "note"), "map[0]: artifact: no such key: head_sha")

	var d struct {
		Problems []string
		Events   []any
	}
	w.get("/api/v1/projects/shop/webhooks/github/deliveries/"+r.Delivery).into(t, &d)
	require.Len(t, d.Problems, 1)
	require.Len(t, d.Events, 2)
}

func TestDelivery_BadOnes_AreRefusedWithoutEffect(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	good := run("success")
	big := bytes.Repeat([]byte("x"), 6<<20)
	for name, tt := range map[string]struct {
		answer answer
		status int
		says   string
	}{
		"no signature":        {w.deliver("push", "b-1", good, "X-Hub-Signature-256", ""), 401, "is missing"},
		"wrong signature":     {w.deliver("push", "b-2", good, "X-Hub-Signature-256", sign("guess", good)), 401, "does not fit the body"},
		"malformed signature": {w.deliver("push", "b-3", good, "X-Hub-Signature-256", "sha256=abc"), 401, "64 hexadecimal digits"},
		"old signature":       {w.deliver("push", "b-4", good, "X-Hub-Signature-256", "sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"), 401, `begin with "sha256="`},
		"undecodable":         {w.deliver("push", "b-5", []byte(`{"ref":`)), 400, "not JSON"},
		"not an object":       {w.deliver("push", "b-6", []byte(`[1]`)), 400, "not an object"},
		"no kind":             {w.deliver("", "b-7", good), 400, "X-GitHub-Event"},
		"form without field":  {w.deliver("push", "b-8", []byte(`a=b`), "Content-Type", "application/x-www-form-urlencoded"), 400, "payload"},
		"too large":           {w.deliver("push", "b-9", big), 413, "5 MiB"},
		"media type":          {w.deliver("push", "b-10", good, "Content-Type", "text/plain"), 415, "application/json"},
		"unknown webhook":     {w.do("POST", "/hooks/shop/gitlab", good, "Content-Type", "application/json"), 404, "shop/gitlab"},
		"unknown project":     {w.do("POST", "/hooks/none/github", good, "Content-Type", "application/json"), 404, "none/github"},
	} {
		require.Equal(t, tt.status, tt.answer.status, "%s: %s", name, tt.answer.body)
		require.Contains(t, tt.answer.problem(t).Detail, tt.says, name)
	}
	require.Equal(t, 0, w.count())
}

func TestDelivery_SecretWasRotated_NewOneCountsAtOnce(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	body := []byte(`{"zen":"x"}`)
	require.Equal(t, 202, w.deliver("ping", "r-1", body).status)
	w.setSecret("shop/github", "another")
	require.Equal(t, 202, w.deliver("ping", "r-2", body, "X-Hub-Signature-256", sign("another", body)).status)
	require.Equal(t, 401, w.deliver("ping", "r-3", body).status, "the old one is no longer good")
}

func TestDelivery_SecretIsNotSet_AsksToComeAgain(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	w.mu.Lock()
	delete(w.secrets, "shop/github")
	w.mu.Unlock()
	a := w.deliver("ping", "n-1", []byte(`{}`))
	require.Equal(t, 503, a.status)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Contains(t, a.problem(t).Detail, "no Secret github")
}

func TestDelivery_TooMany_SaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	w := withWebhook(t, func(c *gateway.Config) { c.HookRate, c.HookBurst = 0.01, 3 })
	for i := range 3 {
		require.Equal(t, 202, w.deliver("ping", fmt.Sprintf("l-%d", i), []byte(`{}`)).status)
	}
	a := w.deliver("ping", "l-4", []byte(`{}`))
	require.Equal(t, 429, a.status)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, 401, w.deliver("ping", "l-5", []byte(`{}`), "X-Hub-Signature-256", "").status, "a stranger learns nothing of it")
}

func TestDelivery_LargeBody_IsKeptAndShownMasked(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	noise := make([]string, 30000)
	for i := range noise {
		noise[i] = fmt.Sprintf("%x", i*7919*104729)
	}
	body, err := json.Marshal(map[string]any{"noise": noise, "hook": map[string]any{"config": map[string]any{"secret": "hunter2", "url": "https://ada:pw@example.org/x"}}, "text": "token ghp_0123456789abcdefghijABCDEFGHIJ"})
	require.NoError(t, err)
	var r receipt
	w.deliver("ping", "big", body).into(t, &r)
	a := w.get("/api/v1/projects/shop/webhooks/github/deliveries/" + r.Delivery)
	require.Equal(t, 200, a.status)
	require.NotContains(t, string(a.body), "hunter2")
	require.NotContains(t, string(a.body), "ghp_0123")
	require.NotContains(t, string(a.body), "ada:pw")
	var d struct{ Payload map[string]any }
	a.into(t, &d)
	require.Len(t, d.Payload["noise"], len(noise))
	require.Equal(t, 404, w.get("/api/v1/projects/other/webhooks/github/deliveries/"+r.Delivery).status)

	var list struct{ Items []map[string]any }
	w.get("/api/v1/projects/shop/webhooks/github/deliveries").into(t, &list)
	require.Len(t, list.Items, 1)
	require.NotContains(t, list.Items[0], "body")
	require.NotContains(t, list.Items[0], "payload")
}

func TestWebhook_Document_IsCheckedWithPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := strings.NewReplacer("secretRef: github", "secretRef: github\n  secretKey: x").Replace(webhookDocument)
	p := w.do("POST", "/api/v1/apply", []byte(bad)).problem(t)
	require.Equal(t, 422, p.Status)
	require.Equal(t, `-:7:3: unknown field "secretKey" (did you mean "secretRef"?)`, p.Errors[0].String())

	bad = strings.NewReplacer("provider: github", "provider: gitub", `event == "workflow_run"`, `evnt == "workflow_run"`).Replace(webhookDocument)
	p = w.do("POST", "/api/v1/apply", []byte(bad)).problem(t)
	require.Len(t, p.Errors, 2)
	require.Contains(t, p.Errors[0].String(), `-:5:13: there is no provider "gitub" (did you mean "github"?)`)
	require.Equal(t, 8, p.Errors[1].Line)
	require.Contains(t, p.Errors[1].Message, "line 1, column 1 of the expression: undeclared reference to 'evnt'")
	require.Equal(t, 404, w.get("/api/v1/projects/shop/webhooks/github").status)
}

func TestWebhook_Deleted_TakesNoMoreDeliveries(t *testing.T) {
	t.Parallel()
	w := withWebhook(t)
	var list struct{ Items []struct{ Name, Path string } }
	w.get("/api/v1/projects/shop/webhooks").into(t, &list)
	require.Len(t, list.Items, 1)
	require.Equal(t, "/hooks/shop/github", list.Items[0].Path)
	require.Equal(t, 204, w.do("DELETE", "/api/v1/projects/shop/webhooks/github", nil).status)
	require.Equal(t, 404, w.deliver("ping", "x", []byte(`{}`)).status)
	require.Equal(t, 404, w.do("DELETE", "/api/v1/projects/shop/webhooks/github", nil).status)
	require.Equal(t, 200, w.do("POST", "/api/v1/apply", []byte(webhookDocument)).status)
	require.Equal(t, 202, w.deliver("ping", "y", []byte(`{}`)).status)
}
