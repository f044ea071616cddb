package github_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	cdevents "github.com/cdevents/sdk-go/pkg/api"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
	"github.com/slipway-idp/slipway/services/gateway/internal/provider/github"
)

const (
	sha        = "5f2b8f3ce3a47b1f9c0d1d8f2f2a4a9be7d0c6aa"
	repository = `"repository":{"name":"orders","full_name":"acme/orders","html_url":"https://github.com/acme/orders","clone_url":"https://github.com/acme/orders.git","default_branch":"main","owner":{"login":"acme"},"created_at":1700000000},"sender":{"login":"ada"}`
	pull       = `"pull_request":{"number":12,"title":"Faster","merged":false,"head":{"sha":"` + sha + `","ref":"faster"},"created_at":"2026-11-20T09:00:00Z","updated_at":"2026-11-20T09:00:00Z"}`
	issue      = `"issue":{"number":7,"title":"It is slow","html_url":"https://github.com/acme/orders/issues/7","user":{"login":"bob"},"labels":[{"name":"bug"}],"assignees":[{"login":"ada"}],"state_reason":"not_planned"}`
	job        = `"workflow_job":{"id":5,"run_id":9,"run_attempt":2,"name":"test","head_sha":"` + sha + `","conclusion":"timed_out","html_url":"https://github.com/acme/orders/actions/runs/9/job/5"}`
)

func decode(t *testing.T, event, body string) provider.Delivery {
	t.Helper()
	d, err := github.New().Decode(request(event, body))
	require.NoError(t, err)
	return d
}

func request(event, body string) provider.Request {
	return provider.Request{Body: []byte(body), Header: http.Header{
		"Content-Type": {"application/json"}, "X-Github-Event": {event}, "X-Github-Delivery": {"d-1"},
	}}
}

// valid completes a fact as the gateway does and checks it by the SDK's schema.
func valid(t *testing.T, f provider.Fact) string {
	t.Helper()
	f.Event.SetId("e-1")
	f.Event.SetSource("/hooks/shop/github")
	f.Event.SetChainId("c-1")
	f.Event.SetTimestamp(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	require.NoError(t, f.Event.SetCustomData("application/json", f.Custom))
	require.NoError(t, cdevents.Validate(f.Event))
	text, err := cdevents.AsJsonString(f.Event)
	require.NoError(t, err)
	return text
}

func TestTranslate_MappedKinds_AreValidCDEvents(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		event, body, want, subject string
		commit                     string
		says                       []string
	}{
		"push to the default branch": {"push", `{"ref":"refs/heads/main","after":"` + sha + `","head_commit":{"id":"` + sha + `","timestamp":"2026-11-20T10:00:00+01:00"},` + repository + `}`,
			"dev.cdevents.change.merged.0.3.0", sha, sha, []string{`"branch":"main"`, `"commit":"` + sha}},
		"branch made":          {"create", `{"ref":"faster","ref_type":"branch",` + repository + `}`, "dev.cdevents.branch.created.0.3.0", "faster", "", nil},
		"branch removed":       {"delete", `{"ref":"faster","ref_type":"branch",` + repository + `}`, "dev.cdevents.branch.deleted.0.3.0", "faster", "", nil},
		"pull request opened":  {"pull_request", `{"action":"opened",` + pull + `,` + repository + `}`, "dev.cdevents.change.created.0.4.0", "acme/orders/pull/12", sha, []string{`"description":"Faster"`}},
		"pull request pushed":  {"pull_request", `{"action":"synchronize",` + pull + `,` + repository + `}`, "dev.cdevents.change.updated.0.3.0", "acme/orders/pull/12", sha, nil},
		"pull request dropped": {"pull_request", `{"action":"closed",` + pull + `,` + repository + `}`, "dev.cdevents.change.abandoned.0.3.0", "acme/orders/pull/12", sha, nil},
		"pull request merged": {"pull_request", `{"action":"closed",` + strings.Replace(pull, `"merged":false`, `"merged":true,"merge_commit_sha":"`+strings.Repeat("a1", 20)+`"`, 1) + `,` + repository + `}`,
			"dev.cdevents.change.merged.0.3.0", "acme/orders/pull/12", strings.Repeat("a1", 20), nil},
		"review":              {"pull_request_review", `{"action":"submitted","review":{"state":"approved"},` + pull + `,` + repository + `}`, "dev.cdevents.change.reviewed.0.3.0", "acme/orders/pull/12", sha, []string{`"review":"approved"`}},
		"issue opened":        {"issues", `{"action":"opened",` + issue + `,` + repository + `}`, "dev.cdevents.ticket.created.0.2.0", "acme/orders/issues/7", "", []string{`"creator":"bob"`, `"labels":["bug"]`}},
		"issue labeled":       {"issues", `{"action":"labeled",` + issue + `,` + repository + `}`, "dev.cdevents.ticket.updated.0.2.0", "acme/orders/issues/7", "", []string{`"updatedBy":"ada"`}},
		"issue closed":        {"issues", `{"action":"closed",` + issue + `,` + repository + `}`, "dev.cdevents.ticket.closed.0.2.0", "acme/orders/issues/7", "", []string{`"resolution":"withdrawn"`}},
		"repository made":     {"repository", `{"action":"created",` + repository + `}`, "dev.cdevents.repository.created.0.3.0", "acme/orders", "", []string{`"owner":"acme"`}},
		"repository renamed":  {"repository", `{"action":"renamed",` + repository + `}`, "dev.cdevents.repository.modified.0.3.0", "acme/orders", "", nil},
		"repository removed":  {"repository", `{"action":"deleted",` + repository + `}`, "dev.cdevents.repository.deleted.0.3.0", "acme/orders", "", nil},
		"run queued":          {"workflow_run", `{"action":"requested","workflow_run":{"id":9,"name":"build","head_sha":"` + sha + `"},` + repository + `}`, "dev.cdevents.pipelinerun.queued.0.3.0", "actions/runs/9", sha, nil},
		"run started":         {"workflow_run", `{"action":"in_progress","workflow_run":{"id":9,"run_attempt":1,"head_sha":"` + sha + `"},"workflow":{"name":"build"},` + repository + `}`, "dev.cdevents.pipelinerun.started.0.3.0", "actions/runs/9", sha, []string{`"pipelineName":"build"`}},
		"run cancelled":       {"workflow_run", `{"action":"completed","workflow_run":{"id":9,"run_attempt":2,"head_sha":"` + sha + `","conclusion":"cancelled"},` + repository + `}`, "dev.cdevents.pipelinerun.finished.0.3.0", "actions/runs/9/attempts/2", sha, []string{`"outcome":"cancel"`}},
		"run neither":         {"workflow_run", `{"action":"completed","workflow_run":{"id":9,"conclusion":"neutral"},` + repository + `}`, "dev.cdevents.pipelinerun.finished.0.3.0", "actions/runs/9", "", []string{`"conclusion":"neutral"`}},
		"job started":         {"workflow_job", `{"action":"in_progress",` + job + `,` + repository + `}`, "dev.cdevents.taskrun.started.0.3.0", "actions/runs/9/attempts/2/jobs/5", sha, []string{`"pipelineRun":{"id":"actions/runs/9/attempts/2"`}},
		"job finished":        {"workflow_job", `{"action":"completed",` + job + `,` + repository + `}`, "dev.cdevents.taskrun.finished.0.3.0", "actions/runs/9/attempts/2/jobs/5", sha, []string{`"outcome":"failure"`, "time limit"}},
		"release published":   {"release", `{"action":"published","release":{"tag_name":"v1.4.0","author":{"login":"ada"}},` + repository + `}`, "dev.cdevents.artifact.published.0.3.0", "pkg:github/acme/orders@v1.4.0", "", nil},
		"release deleted":     {"release", `{"action":"deleted","release":{"tag_name":"v1.4.0"},` + repository + `}`, "dev.cdevents.artifact.deleted.0.2.0", "pkg:github/acme/orders@v1.4.0", "", nil},
		"npm package":         {"package", `{"action":"published","package":{"name":"@acme/cart","package_type":"npm","package_version":{"version":"1.0.0","target_oid":"` + sha + `"}},` + repository + `}`, "dev.cdevents.artifact.published.0.3.0", "pkg:npm/%40acme/cart@1.0.0", sha, nil},
		"maven package":       {"package", `{"action":"published","package":{"name":"org.acme.cart","package_type":"maven","package_version":{"version":"1.0"}},` + repository + `}`, "dev.cdevents.artifact.published.0.3.0", "pkg:maven/org.acme/cart@1.0", "", nil},
		"container":           {"package", `{"action":"published","package":{"name":"orders","package_type":"CONTAINER","owner":{"login":"acme"},"package_version":{"version":"sha256:ab"}},` + repository + `}`, "dev.cdevents.artifact.published.0.3.0", "pkg:docker/acme/orders@sha256:ab?repository_url=ghcr.io", "", nil},
		"package of any kind": {"package", `{"action":"published","package":{"name":"orders","package_version":{"version":"1"}},` + repository + `}`, "dev.cdevents.artifact.published.0.3.0", "pkg:generic/acme/orders@1", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := github.New().Translate(decode(t, tt.event, tt.body))
			require.Len(t, got.Facts, 1, got.Note)
			text := valid(t, got.Facts[0])
			require.Equal(t, tt.want, got.Facts[0].Event.GetType().String())
			require.Equal(t, tt.subject, got.Facts[0].Event.GetSubjectId())
			require.Equal(t, tt.commit, got.Commit)
			require.Equal(t, "https://github.com/acme/orders", got.Repository)
			for _, part := range tt.says {
				require.Contains(t, text, part)
			}
		})
	}
}

func TestTranslate_RecordedOnly_SaysWhy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ event, body, why string }{
		"push to another branch":   {"push", `{"ref":"refs/heads/faster","after":"` + sha + `",` + repository + `}`, "to another branch"},
		"push that deletes":        {"push", `{"ref":"refs/heads/main","after":"0000000000000000000000000000000000000000","deleted":true,` + repository + `}`, "deletion"},
		"tag":                      {"create", `{"ref":"v1","ref_type":"tag",` + repository + `}`, "a tag"},
		"draft deleted":            {"release", `{"action":"deleted","release":{"draft":true,"tag_name":"v1"},` + repository + `}`, "draft"},
		"new action":               {"issues", `{"action":"teleported",` + repository + `}`, `the action "teleported" of "issues" is not in the table`},
		"new kind":                 {"quantum_leap", `{}`, `the kind "quantum_leap" is not in the table`},
		"deployment without more":  {"deployment", `{` + repository + `}`, "does not say which service"},
		"mapped, but without a PR": {"pull_request", `{"action":"opened",` + repository + `}`, "it would be change.created, but the payload lacks"},
		"ticket without address":   {"issues", `{"action":"closed","issue":{"number":1}}`, "lacks the issue's address"},
		"release without a tag":    {"release", `{"action":"published","release":{}}`, "lacks"},
		"package without version":  {"package", `{"action":"published","package":{"name":"x"}}`, "lacks the package's name or version"},
		"odd shapes":               {"workflow_run", `{"action":"completed","workflow_run":[1,2],"repository":"acme/orders","sender":7}`, "lacks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := github.New().Translate(decode(t, tt.event, tt.body))
			require.Empty(t, got.Facts)
			require.Contains(t, got.Note, tt.why)
		})
	}
}

func TestTranslate_OlderServers_RepositoryIsFoundAllTheSame(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"repository":{"url":"https://api.github.com/repos/acme/orders"}}`:          "https://github.com/acme/orders",
		`{"repository":{"url":"https://ghe.acme.org/api/v3/repos/acme/orders"}}`:     "https://ghe.acme.org/acme/orders",
		`{"repository":{"url":"https://github.com/acme/orders"}}`:                    "https://github.com/acme/orders",
		`{"repository":{"html_url":"` + strings.Repeat("https://x.y/", 1000) + `"}}`: "",
	} {
		require.Equal(t, want, github.New().Translate(decode(t, "ping", body)).Repository)
	}
}

func TestVerify_OnlyTheRightSignatureIsGood(t *testing.T) {
	t.Parallel()
	// The example of GitHub's documentation.
	r := provider.Request{Body: []byte("Hello, World!"), Header: http.Header{}}
	r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	require.NoError(t, github.New().Verify([]byte("It's a Secret to Everybody"), r))
	require.Error(t, github.New().Verify([]byte("it's a secret to everybody"), r))
	r.Header.Add("X-Hub-Signature-256", "sha256=00")
	require.ErrorContains(t, github.New().Verify([]byte("It's a Secret to Everybody"), r), "more than once")
}

func TestDecode_Numbers_KeepEveryDigit(t *testing.T) {
	t.Parallel()
	d := decode(t, "ping", `{"id":9007199254740993,"ratio":0.5,"huge":1e400}`)
	require.Equal(t, int64(9007199254740993), d.Payload["id"])
	require.Equal(t, 0.5, d.Payload["ratio"])
	require.Equal(t, "1e400", d.Payload["huge"])
}

// FuzzDelivery: whatever comes, decoding and translating end, and what comes
// out is a valid CDEvent or nothing.
func FuzzDelivery(f *testing.F) {
	f.Add("push", "application/json", `{"ref":"refs/heads/main","after":"`+sha+`",`+repository+`}`)
	f.Add("workflow_run", "application/x-www-form-urlencoded", "payload="+url.QueryEscape(`{"action":"completed","workflow_run":{"id":1,"conclusion":"success"}}`))
	f.Add("package", "application/json", `{"action":"published","package":{"name":"a/b","package_type":"npm","package_version":{"version":"1"}}}`)
	f.Add("issues", "application/json", `{"action":"closed",`+issue+`}`)
	g := github.New()
	f.Fuzz(func(t *testing.T, event, media, body string) {
		mac := hmac.New(sha256.New, []byte("k"))
		mac.Write([]byte(body))
		r := provider.Request{Body: []byte(body), Header: http.Header{"Content-Type": {media}, "X-Github-Event": {event},
			"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}}
		if err := g.Verify([]byte("k"), r); err != nil {
			t.Fatal(err)
		}
		d, err := g.Decode(r)
		if err != nil {
			return
		}
		for _, fact := range g.Translate(d).Facts {
			if fact.Event.GetSubjectId() == "" {
				t.Fatalf("%s without a subject", fact.Event.GetType())
			}
		}
	})
}
