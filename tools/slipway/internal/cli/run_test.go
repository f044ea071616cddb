package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const waitingRun = `{"id":"run-1","project":"shop","environment":"dev","resource":"s3.default.orders","stack":"shop.dev.s3.default.orders",
	"definition":"bucket-opentofu","operation":"apply","status":"waiting","summary":"s","waiting":"an approval is needed: owners: it is much",
	"engine":{"kind":"tofu","version":"1.12.6"},"saga":"env-7","why":"deploy","actor":"user:default/ada","correlationId":"01JE",
	"planned":true,"hasChanges":true,"counts":{"add":1,"change":1,"replace":1,"destroy":1},"planDigest":"sha256:4f1c",
	"changes":[
		{"address":"terraform_data.bucket","type":"terraform_data","name":"bucket","action":"add","fields":[
			{"path":"id","after":"(known after apply)","unknown":true},{"path":"input.password","after":"(secret)","sensitive":true},{"path":"input.size","after":3}]},
		{"address":"terraform_data.pail","type":"terraform_data","name":"pail","action":"change","previousAddress":"terraform_data.tub","fields":[
			{"path":"labels.team","before":"a","after":"b"},{"path":"tags[1]","before":"y"}],"cut":2},
		{"address":"terraform_data.key","type":"terraform_data","name":"key","action":"replace","reason":"replace_because_cannot_update","fields":[
			{"path":"triggers_replace[0]","before":"shop","after":"other","replaces":true}]},
		{"address":"terraform_data.old","type":"terraform_data","name":"old","action":"destroy"}],
	"decision":{"id":"dec-1","result":"needs-approval","reasons":[{"policy":"owners","rule":"require_approval","line":8,"message":"it is much","resource":"terraform_data.old"}]},
	"createdAt":"2026-11-22T11:58:00Z"}`

func TestRunShow_WaitsForAnApproval_ShowsThePlanAsPeopleKnowItAndHowToLetItGoOn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/runs/run-1", 200, waitingRun)
	code, out, errs := p.slipway(t, "run", "show", "run-1")
	require.Zero(t, code, errs)
	require.Equal(t, `run-1    apply of shop.dev.s3.default.orders (tofu 1.12.6)    correlation 01JE
by bucket-opentofu for user:default/ada (deploy), began 2m ago

  +   terraform_data.bucket
        id              (known after apply)
        input.password  (secret)
        input.size      3
  ~   terraform_data.pail   (moved from terraform_data.tub)
        labels.team  "a" → "b"
        tags[1]      "y" → null
        and 2 more fields
  -/+ terraform_data.key   (because it cannot be changed in place)
        triggers_replace[0]  "shop" → "other"   forces replacement
  -   terraform_data.old

Plan: 1 to add, 1 to change, 1 to replace, 1 to destroy.
Policy: needs-approval   dec-1
  owners: require_approval (line 8)  terraform_data.old  it is much
… an approval is needed: owners: it is much
To let exactly this go on:  slipway run approve run-1 --digest sha256:4f1c
To end it:  slipway run discard run-1 --reason WHY
`, out)
}

func TestRunShow_Failed_SaysWhatItLeftAndWhereToLook(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/runs/run-1", 200, `{"id":"run-1","stack":"shop.dev.x","definition":"d","operation":"apply","status":"failed","result":"failed","fault":"cut",
		"reason":"apply: it was cut at its deadline","planned":true,"counts":{"add":2},"made":["a.b"],"unresolved":["a.c"],"saga":"env-7",
		"diagnostics":[{"severity":"error","summary":"No such host","file":"main.tf","line":7,"address":"a.c","detail":"lookup failed\nat once"},{"severity":"warning","summary":"old"}],
		"createdAt":"2026-11-22T11:58:00Z","finishedAt":"2026-11-22T11:58:02.5Z"}`)
	code, out, _ := p.slipway(t, "run", "show", "run-1")
	require.Zero(t, code)
	require.Equal(t, `run-1    apply of shop.dev.x
by d, began 2m ago

Plan: 2 to add.
  ✗ main.tf:7: No such host (a.c): lookup failed
✗ Failed in 2.5 s: apply: it was cut at its deadline
It had made a.b by then.
Whether a.c exists is not known: look, and then  slipway stack unlock shop.dev.x
slipway run logs run-1   slipway saga show env-7
`, out)
}

func TestRunList_AndGetRuns_TellWhatEachDidAndAskAsTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var asked string
	p.mux.HandleFunc("GET /api/v1/projects/shop/runs", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RawQuery
		fmt.Fprint(w, `{"items":[{"id":"run-1","environment":"dev","resource":"s3","operation":"apply","status":"finished","result":"applied","summary":"applied (tofu): 2 to add","planned":true,"counts":{"add":2},"createdAt":"2026-11-22T11:58:00Z"}]}`)
	})
	code, out, _ := p.slipway(t, "run", "list", "--env", "dev", "--status", "finished", "--stack", "s", "-n", "3")
	require.Zero(t, code)
	require.Equal(t, "environment=dev&limit=3&stack=s&status=finished", asked)
	require.Equal(t, `ID      ENVIRONMENT   RESOURCE   OPERATION   STATUS    PLAN       AGE   REASON
run-1   dev           s3         apply       applied   2 to add   2m ago

slipway run show run-1
`, out)
	code, out, _ = p.slipway(t, "get", "runs")
	require.Zero(t, code)
	require.Contains(t, out, "applied (tofu): 2 to add")
}

func TestRunApprove_WithoutADigest_ApprovesThePlanThatItShows(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/runs/run-1", 200, waitingRun)
	var said []string
	for _, what := range []string{"approve", "discard", "cancel"} {
		p.mux.HandleFunc("POST /api/v1/projects/shop/runs/run-1/"+what, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			said = append(said, what+" "+string(body))
			fmt.Fprint(w, `{"id":"run-1","status":"applying"}`)
		})
	}
	code, out, _ := p.slipway(t, "run", "approve", "run-1")
	require.Zero(t, code)
	require.Contains(t, out, "-   terraform_data.old\nPlan: 1 to add, 1 to change, 1 to replace, 1 to destroy.\nRun run-1 goes on: applying.   slipway run logs run-1 -f\n")
	_, _, _ = p.slipway(t, "run", "approve", "run-1", "--digest", "sha256:seen")
	_, out, _ = p.slipway(t, "run", "discard", "run-1", "--reason", "too much")
	require.Equal(t, "Run run-1 is discarded.   slipway run show run-1\n", out)
	_, out, _ = p.slipway(t, "run", "cancel", "run-1")
	require.Equal(t, "Run run-1 is being stopped.   slipway run show run-1\n", out)
	require.Equal(t, []string{
		`approve {"digest":"sha256:4f1c"}`, `approve {"digest":"sha256:seen"}`, `discard {"reason":"too much"}`, `cancel {"reason":""}`,
	}, said)
}

func TestRunLogs_Followed_ExitsAsTheRunStands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		last, says string
		code       int
	}{
		"applied":  {`end {"id":"run-1","status":"finished","result":"applied","createdAt":"2026-11-22T11:58:00Z","finishedAt":"2026-11-22T11:58:01Z"}`, "✓ Applied in 1.0 s.", 0},
		"failed":   {`end {"id":"run-1","status":"failed","fault":"engine","reason":"no"}`, "✗ Failed: no", 1},
		"denied":   {`end {"id":"run-1","status":"failed","fault":"denied","reason":"the plan is denied by owners: deny (line 3): no"}`, "denied by owners: deny (line 3)", 3},
		"waiting":  {`run {"id":"run-1","status":"waiting","planDigest":"sha256:4f1c"}`, "slipway run approve run-1 --digest sha256:4f1c", 4},
		"discards": {`end {"id":"run-1","status":"discarded","reason":"too much"}`, "↺ Discarded", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			event, data, _ := strings.Cut(c.last, " ")
			p.streams("GET /api/v1/projects/shop/runs/run-1/log", "run", `{"id":"run-1","status":"planning"}`, "log", `{"text":"Initializing\n"}`, event, data)
			code, out, _ := p.slipway(t, "run", "logs", "run-1", "-f")
			require.Equal(t, c.code, code)
			require.True(t, strings.HasPrefix(out, "Initializing\n"), out)
			require.Contains(t, out, c.says)
		})
	}
}

func TestRunLogs_NotFollowed_IsWhatThereIs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.mux.HandleFunc("GET /api/v1/projects/shop/runs/run-1/log", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "one\ntwo\n") })
	code, out, _ := p.slipway(t, "run", "logs", "run-1")
	require.Zero(t, code)
	require.Equal(t, "one\ntwo\n", out)
	code, _, errs := p.slipway(t, "run", "logs")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "ID is missing")
}

func TestRun_Completion_OffersRuns(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/runs", 200, `{"items":[{"id":"run-1","operation":"apply","stack":"shop.dev.x","status":"waiting"}]}`)
	code, out, _ := p.slipway(t, "__complete", "run", "approve", "")
	require.Zero(t, code)
	require.Contains(t, out, "run-1\tapply of shop.dev.x, waiting\n")
}

func TestEnvCreate_RunWaitsForAnApproval_SaysHowToGiveItAndExits4(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/environments", 202, accepted+"}")
	p.streams("GET /api/v1/operations/dpl-1", "operation", line(accepted+"}"),
		"step", step("bucket", "waiting", `,"reason":"run run-1 waits for an approval: slipway run approve run-1"`))
	code, out, _ := p.slipway(t, "env", "create", "pr-1", "--type", "preview", "--wait")
	require.Equal(t, 4, code)
	require.Contains(t, out, "… bucket       run run-1 waits for an approval: slipway run approve run-1\nWaiting for an approval.")
}

func TestEnvCreate_PlanIsDenied_SaysWhoAndWhereAndExits3(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/environments", 202, accepted+"}")
	end := strings.Replace(accepted, `"running"`, `"undone"`, 1) + `,"failure":{"step":"bucket","reason":"run run-1 of stack shop.dev.x: the plan is denied by owners: deny (line 3): a.b: no"},"steps":[` +
		step("bucket", "undone", "") + `],"finishedAt":"2026-11-22T12:00:00Z"}`
	p.streams("GET /api/v1/operations/dpl-1", "operation", line(accepted+"}"), "failure", line(end), "end", line(end))
	code, out, _ := p.slipway(t, "env", "create", "pr-1", "--type", "preview", "--wait")
	require.Equal(t, 3, code)
	require.Contains(t, out, "the plan is denied by owners: deny (line 3): a.b: no")
	require.Contains(t, out, "Denied by policy, and undone in 11.3 s. Nothing was left behind.")
}
