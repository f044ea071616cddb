package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/gateway"
)

const (
	frame    = "apiVersion: slipway.dev/v1alpha1\n"
	project  = frame + "kind: Project\nmetadata: {name: fresh}\nspec: {description: new}\n"
	pipeline = frame + "kind: Pipeline\nmetadata: {name: orders}\nspec: {workload: orders}\n"
)

type operation struct {
	ID, Status    string
	CorrelationID string
	DryRun        bool
	Results       []struct {
		Kind, Name, Project, Result string
		Changes                     []map[string]any
	}
	Problem *httpapi.Problem
}

func (o operation) lines() (out []string) {
	for _, r := range o.Results {
		out = append(out, strings.TrimSpace(r.Project+" "+r.Kind+"/"+r.Name+" "+r.Result))
	}
	return out
}

func (w *world) apply(query string, docs ...string) answer {
	w.T.Helper()
	return w.do("POST", "/api/v1/apply?"+query, []byte(strings.Join(docs, "---\n")), "Content-Type", "application/yaml")
}

func TestApply_SeveralKinds_InOrderOfDependenceAndRepeatable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := strings.Replace(webhookDocument, ", project: shop", "", 1)
	a := w.apply("project=fresh", hook, pipeline, project)
	require.Equal(t, 200, a.status, string(a.body))
	var op operation
	a.into(t, &op)
	require.Equal(t, "done", op.Status)
	require.Equal(t, []string{"Project/fresh created", "fresh Pipeline/orders created", "fresh Webhook/github created"}, op.lines())
	require.Equal(t, "/api/v1/operations/"+op.ID, a.header.Get("Location"))

	w.apply("project=fresh", hook, pipeline, project).into(t, &op)
	require.Equal(t, []string{"Project/fresh unchanged", "fresh Pipeline/orders unchanged", "fresh Webhook/github unchanged"}, op.lines())

	var again operation
	w.get("/api/v1/operations/"+op.ID).into(t, &again)
	require.Equal(t, op.lines(), again.lines())
	var list struct{ Items []operation }
	w.get("/api/v1/operations").into(t, &list)
	require.Len(t, list.Items, 2)
	require.Equal(t, op.ID, list.Items[0].ID)
}

func TestApply_AnythingIsWrong_EverythingIsToldAndNothingDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.apply("project=shop", project,
		strings.Replace(pipeline, "workload:", "worklod:", 1),
		strings.Replace(pipeline, "Pipeline", "Pipelin", 1),
		strings.Replace(pipeline, "{name: orders}", "{name: other, project: shp}", 1),
		frame+"kind: Stack\nmetadata: {name: s}\n",
		pipeline,
		"a: [1\n")
	require.Equal(t, 422, a.status)
	var got []string
	for _, f := range a.problem(t).Errors {
		got = append(got, f.String())
	}
	require.Len(t, got, 6, strings.Join(got, "\n"))
	require.Equal(t, `-:9:8: unknown field "worklod" (did you mean "workload"?)`, got[0])
	require.Equal(t, `-:12:7: unknown kind "Pipelin" (did you mean "Pipeline"?)`, got[1])
	require.Equal(t, `-:18:34: there is no project "shp" (did you mean "shop"?)`, got[2])
	require.Contains(t, got[3], `-:22:7: unknown kind "Stack" (known are API, Channel, Component`)
	require.Contains(t, got[4], `Pipeline/orders is in what was sent twice`)
	require.Contains(t, got[5], `-:29:`)
	require.False(t, w.policy.has("Project/fresh"))
	for _, asked := range append(w.policy.requests(), w.deployer.requests()...) {
		require.NotContains(t, asked, "/documents/apply")
	}
}

func TestApply_DryRun_ChecksAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var op operation
	w.apply("project=shop&dryRun=true", pipeline).into(t, &op)
	require.True(t, op.DryRun)
	require.Equal(t, []string{"shop Pipeline/orders valid"}, op.lines())
	require.False(t, w.deployer.has("Pipeline/orders"))
	var list struct{ Items []operation }
	w.get("/api/v1/operations").into(t, &list)
	require.Empty(t, list.Items)
	require.Equal(t, 400, w.apply("dryRun=perhaps", pipeline).status)
}

func TestApply_DryRun_SaysOfEachDocumentWhatWouldChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := webhookDocument
	require.Equal(t, 200, w.apply("project=shop", hook).status)
	changed := strings.Replace(hook, "secretRef: github", "secretRef: other", 1)
	require.NotEqual(t, hook, changed)
	var op operation
	w.apply("project=shop&dryRun=true", changed, strings.Replace(hook, "{name: github", "{name: more", 1), project).into(t, &op)
	require.Equal(t, []string{"Project/fresh valid", "shop Webhook/github updated", "shop Webhook/more created"}, op.lines())
	require.Equal(t, []map[string]any{{"field": "/spec/secretRef", "old": "github", "new": "other"}}, op.Results[1].Changes)

	w.apply("project=shop&dryRun=true", hook).into(t, &op)
	require.Equal(t, []string{"shop Webhook/github unchanged"}, op.lines(), "the dry run before it changed nothing")
}

func TestApply_AllOwners_AreToldOneCorrelationID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.apply("project=fresh", project, pipeline)
	var op operation
	a.into(t, &op)
	require.NotEmpty(t, op.CorrelationID)
	require.Equal(t, op.CorrelationID, a.header.Get(httpapi.CorrelationHeader))
	for _, o := range []*owner{w.policy, w.deployer} {
		require.Equal(t, op.CorrelationID, o.lastHeader().Get(httpapi.CorrelationHeader))
	}
}

func TestApply_OwnerRefusesHalfWay_SaysHowFarItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deployer.refuse["Pipeline/orders"] = httpapi.Conflict("It is being deleted.")
	a := w.apply("project=fresh", project, pipeline, strings.Replace(webhookDocument, "shop", "fresh", 1))
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.problem(t).Detail, "Pipeline/orders was not applied, nor what comes after it")
	var op operation
	w.get(a.header.Get("Location")).into(t, &op)
	require.Equal(t, "failed", op.Status)
	require.Equal(t, []string{"Project/fresh created", "fresh Pipeline/orders not applied", "fresh Webhook/github not applied"}, op.lines())
}

func TestApply_OwnerIsAway_SaysWhichAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) {
		c.Owners = map[string]service.Owner{"policy": c.Owners["policy"]}
	})
	a := w.apply("project=shop", project, pipeline)
	require.Equal(t, 503, a.status)
	require.Contains(t, a.problem(t).Detail, "deployer")
	require.False(t, w.policy.has("Project/fresh"))
}

func TestApply_SeveralFiles_FaultsNameTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, text := range map[string]string{"deploy/good.yaml": pipeline, "deploy/bad.yaml": "# a comment\n" + strings.Replace(pipeline, "spec", "spce", 1)} {
		part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="` + name + `"`}})
		require.NoError(t, err)
		_, err = part.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, form.Close())
	p := w.do("POST", "/api/v1/apply?project=shop", body.Bytes(), "Content-Type", form.FormDataContentType()).problem(t)
	require.Equal(t, 422, p.Status)
	var all []string
	for _, f := range p.Errors {
		all = append(all, f.String())
	}
	require.Contains(t, strings.Join(all, "\n"), `deploy/bad.yaml:5:1: unknown field "spce" (did you mean "spec"?)`)
}

func TestApply_SameIdempotencyKey_IsOneOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var one, two operation
	w.do("POST", "/api/v1/apply?project=shop", []byte(pipeline), "Idempotency-Key", "k-1").into(t, &one)
	before := len(w.deployer.requests())
	w.do("POST", "/api/v1/apply?project=shop", []byte(pipeline), "Idempotency-Key", "k-1").into(t, &two)
	require.Equal(t, one.ID, two.ID)
	require.Len(t, w.deployer.requests(), before)
}

func TestApply_Secret_IsPassedOnAndKeptNowhereHere(t *testing.T) {
	t.Parallel()
	var keeper *owner
	w := newWorld(t, func(c *gateway.Config) {
		keeper = newOwner(t, c.Identity, "provisioner", "Secret")
		c.Owners["provisioner"] = keeper.way()
	})
	secret := "correct-horse-battery-staple"
	a := w.apply("project=shop", frame+"kind: Secret\nmetadata: {name: github}\nspec: {value: "+secret+"}\n")
	require.Equal(t, 200, a.status, string(a.body))
	require.True(t, keeper.has("Secret/github"))
	require.NotContains(t, string(a.body), secret)
	w.Stop()
	require.NoError(t, filepath.WalkDir(w.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		require.NotContains(t, string(text), secret, path)
		return err
	}))
}

func TestApply_NothingOrTooMuch_IsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Equal(t, 400, w.apply("project=shop", "").status)
	require.Equal(t, 413, w.apply("project=shop", strings.Repeat("x", 6<<20)).status)
	a := w.apply("", pipeline)
	require.Equal(t, 422, a.status)
	require.Contains(t, a.problem(t).Errors[0].Message, "belongs to a project")
}

func TestPass_Request_ArrivesAsTheActorAndWithoutForgedHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	forged, err := w.Identity.Sign(httpapi.Actor{Name: "user:default/mallory"})
	require.NoError(t, err)
	a := w.do("PUT", "/api/v1/projects/shop/artifacts/orders/1.0", bytes.Repeat([]byte("z"), 9<<20),
		httpapi.IdentityHeader, forged, "X-Remote-User", "root", httpapi.CorrelationHeader, "story-1", "Cookie", "a=b")
	require.Equal(t, 200, a.status, string(a.body))
	var got struct {
		Owner, Path string
		Actor       httpapi.Actor
		Size        int
	}
	a.into(t, &got)
	require.Equal(t, "deployer", got.Owner)
	require.Equal(t, "user:default/admin", got.Actor.Name)
	require.Equal(t, 9<<20, got.Size)
	h := w.deployer.lastHeader()
	require.Equal(t, "story-1", h.Get(httpapi.CorrelationHeader))
	require.Empty(t, h.Get("Authorization"), "the token stays at the gateway")
	require.Empty(t, h.Get("Cookie"))
	require.Empty(t, h.Get("X-Remote-User"))
	require.Equal(t, "story-1", a.header.Get(httpapi.CorrelationHeader))
}

func TestPass_OwnerAwayOrUnknown_IsAProblem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.get("/api/v1/entities")
	require.Equal(t, 503, a.status)
	require.Contains(t, a.problem(t).Detail, "catalog")
	require.Equal(t, 404, w.get("/api/v1/projects/shop/nonsense").status)
	require.Equal(t, 404, w.get("/nonsense").status)
	require.Equal(t, 404, w.do("POST", "/documents/apply", []byte(`{}`)).status, "what is for the inside is not here")
	require.Equal(t, 404, w.do("POST", "/api/documents/apply", []byte(`{}`)).status)
}

func TestPass_Stream_ComesThroughAsItIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	frames, _ := w.follow("/api/v1/operations/dpl-1")
	f := next(t, frames)
	require.Equal(t, "step", f.event)
	w.Stop()
	for range frames { // ends, although the saga goes on
	}
}

func TestSagas_OneServiceIsAway_OthersAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var page struct {
		Items []struct{ ID string }
		Away  []string
	}
	w.get("/api/v1/sagas").into(t, &page)
	require.Len(t, page.Items, 1)
	require.Equal(t, []string{"provisioner"}, page.Away)
	require.Equal(t, 404, w.get("/api/v1/sagas/xyz-1").status)
	require.Equal(t, 404, w.get("/api/v1/operations/xyz-1").status)
	require.Equal(t, 404, w.get("/api/v1/operations/apl-none").status)
	require.Equal(t, 200, w.do("POST", "/api/v1/sagas/dpl-1/retry", []byte(`{}`)).status)
}

func TestTokens_WithoutOne_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, header := range map[string]string{"none": "", "basic": "Basic YTpi", "cut": "Bearer slp_short", "mistyped": "Bearer " + w.token[:len(w.token)-1] + "!", "foreign": "Bearer ghp_x"} {
		a := w.get("/api/v1/whoami", "Authorization", header)
		require.Equal(t, 401, a.status, name)
		require.Contains(t, a.problem(t).Detail, "slipway login", name)
		require.NotContains(t, string(a.body), w.token[5:20], name)
	}
	unknown, err := gateway.NewToken(strings.NewReader(strings.Repeat("entropy of another kind ", 10)))
	require.NoError(t, err)
	require.Contains(t, w.get("/events", "Authorization", "Bearer "+unknown).problem(t).Detail, "not known, or was revoked")
}

func TestTokens_MadeUsedRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do("POST", "/api/v1/tokens", []byte(`{"name":"ci","actor":"service:ci"}`))
	require.Equal(t, 201, a.status, string(a.body))
	var made struct{ ID, Token string }
	a.into(t, &made)
	require.NoError(t, gateway.CheckToken(made.Token))

	var who httpapi.Actor
	w.get("/api/v1/whoami", "Authorization", "Bearer "+made.Token).into(t, &who)
	require.Equal(t, "service:ci", who.Name)
	list := w.get("/api/v1/tokens")
	require.NotContains(t, string(list.body), made.Token)
	require.Contains(t, string(list.body), `"lastUsed"`)

	require.Equal(t, 204, w.do("DELETE", "/api/v1/tokens/"+made.ID, nil).status)
	require.Equal(t, 401, w.get("/api/v1/whoami", "Authorization", "Bearer "+made.Token).status)
	require.Equal(t, 404, w.do("DELETE", "/api/v1/tokens/"+made.ID, nil).status)

	p := w.do("POST", "/api/v1/tokens", []byte(`{"name":"","actor":"root","roles":["king"]}`)).problem(t)
	require.Len(t, p.Errors, 3)
}

func TestDeadLetters_UnknownOne_IsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var page struct{ Items []any }
	w.get("/api/v1/dead-letters").into(t, &page)
	require.Empty(t, page.Items)
	require.Equal(t, 404, w.do("POST", "/api/v1/dead-letters/deployer-commands/7/redrive", nil).status)
	require.Equal(t, 400, w.do("POST", "/api/v1/dead-letters/deployer-commands/x/redrive", nil).status)
	require.Equal(t, 404, w.do("POST", "/api/v1/projects/shop/dead-letters/deployer-commands/7/redrive", nil).status)
}

func TestDeadLetters_Redriven_ComeToTheirConsumerAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	handled := make(chan string, 10)
	mended := make(chan struct{})
	consumer := bus.OnAll("tester", []string{"ext.>"}, func(_ context.Context, m bus.Message[events.Event]) error {
		handled <- m.Event.ID()
		select {
		case <-mended:
			return nil
		default:
			return bus.Permanent(errors.New("cannot be handled"))
		}
	}, bus.WithHistory())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Bus.Run(ctx, "tester", []bus.Consumer{consumer}) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })

	w.state("bad", "a.b")
	require.Equal(t, "bad", <-handled)
	// It is parked when the stream of dead letters has it.
	for range w.Bus.Tail(ctx, bus.TailOptions{Subjects: []string{"dlq.>"}}) {
		break
	}
	var page struct {
		Items []struct {
			Seq                       uint64
			Consumer, Reason, Project string
			Event                     map[string]any
		}
	}
	w.get("/api/v1/projects/shop/dead-letters").into(t, &page)
	require.Len(t, page.Items, 1)
	letter := page.Items[0]
	require.Equal(t, "tester", letter.Consumer)
	require.Contains(t, letter.Reason, "cannot be handled")
	require.Equal(t, "bad", letter.Event["id"])
	w.get("/api/v1/projects/other/dead-letters").into(t, &page)
	require.Empty(t, page.Items)

	close(mended)
	path := fmt.Sprintf("/dead-letters/tester/%d/redrive", letter.Seq)
	require.Equal(t, 404, w.do("POST", "/api/v1/projects/other"+path, nil).status)
	require.Equal(t, 202, w.do("POST", "/api/v1/projects/shop"+path, nil).status)
	require.Equal(t, "bad", <-handled)
	w.get("/api/v1/dead-letters").into(t, &page)
	require.Empty(t, page.Items)
}
