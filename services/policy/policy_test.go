package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalog"
	policyevents "github.com/slipway-idp/slipway/events/policy"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store/sqlite"

	"github.com/slipway-idp/slipway/services/policy"
)

// platform is what a service finds around it, and outlives its restarts.
type platform struct {
	t        *testing.T
	dir      string
	nats     *embedded.Server
	bus      *bus.Bus
	identity httpapi.Identity
	client   *http.Client
	stop     func()
	said     int
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, dir: t.TempDir()}
	var err error
	p.nats, err = embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(p.dir, "nats")})
	require.NoError(t, err)
	t.Cleanup(p.nats.Close)
	p.bus = p.connect("test")
	require.NoError(t, p.bus.EnsureStreams(t.Context(), bus.StreamOptions{}))
	p.identity, err = httpapi.NewIdentity(bytes.Repeat([]byte("k"), 32), time.Now)
	require.NoError(t, err)
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *platform) connect(name string) *bus.Bus {
	user, password := p.nats.Credentials()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{InProcess: p.nats, Name: name, User: user, Password: password, Log: zerolog.Nop()})
	require.NoError(p.t, err)
	p.t.Cleanup(b.Close)
	return b
}

// start runs the real service; stop ends it and waits.
func (p *platform) start() {
	s, err := sqlite.Open(p.t.Context(), filepath.Join(p.dir, "policy.db"), sqlite.Options{})
	require.NoError(p.t, err)
	listener := service.NewMemoryListener("policy")
	svc, err := policy.New(policy.Config{Deps: service.Deps{
		Name: policy.Name, Store: s, Bus: p.connect("policy"), Listener: listener,
		Log: zerolog.Nop(), Clock: time.Now, DataDir: p.dir, Identity: p.identity,
	}})
	require.NoError(p.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	p.client = &http.Client{Transport: listener.Owner().Transport}
	p.stop = func() {
		cancel()
		require.NoError(p.t, <-done)
		require.NoError(p.t, s.Close())
	}
}

// call makes a request as the gateway would.
func (p *platform) call(method, path string, body, out any) int {
	p.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(p.t, err)
	r, err := http.NewRequestWithContext(p.t.Context(), method, "http://policy"+path, bytes.NewReader(raw))
	require.NoError(p.t, err)
	r.Header.Set("Content-Type", "application/json")
	require.NoError(p.t, p.identity.SignRequest(r, httpapi.Actor{Name: "user:default/ada"}))
	answer, err := p.client.Do(r)
	require.NoError(p.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(p.t, err)
	if out != nil {
		require.NoError(p.t, json.Unmarshal(text, out), string(text))
	}
	return answer.StatusCode
}

func (p *platform) apply(text string, out any) int {
	p.t.Helper()
	return p.call("POST", "/documents/apply", docapi.Request{Documents: []docapi.Raw{{Source: "policy.yaml", Line: 1, Raw: text}}}, out)
}

type answer struct {
	Decision, Result          string
	Allowed                   bool
	Reasons                   []policyevents.Reason
	BundleDigest, InputDigest string
	Record                    policyevents.DecisionMadeData
}

// ask asks until somebody serves the subject: a service that has just been
// started subscribes a moment later.
func (p *platform) ask(input any) (answer, error) {
	p.t.Helper()
	var (
		a   answer
		err error
	)
	require.Eventually(p.t, func() bool {
		ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
		defer cancel()
		err = p.bus.Request(ctx, policy.Subject, map[string]any{
			"id": "q1", "kind": "deploy", "project": "shop", "subject": "dev/orders", "input": input, "correlationId": "c0ffee",
		}, &a)
		return !errors.Is(err, bus.ErrNoResponder)
	}, 10*time.Second, 10*time.Millisecond)
	return a, err
}

// say publishes an event as another service would: through an outbox.
func (p *platform) say(draft events.Draft, err error) {
	p.t.Helper()
	require.NoError(p.t, err)
	p.said++
	s, err := sqlite.Open(p.t.Context(), filepath.Join(p.dir, "other.db"), sqlite.Options{})
	require.NoError(p.t, err)
	repo := aggregate.New(s, aggregate.Options[int]{Service: "catalog", Kind: "test"})
	_, err = repo.Update(p.t.Context(), strconv.Itoa(p.said), events.Cause{}, func(*int, bool) (aggregate.Decision, error) {
		return aggregate.Decision{Events: []events.Draft{draft}}, nil
	})
	require.NoError(p.t, err)
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.bus.Relay(ctx, s.Outbox()) }()
	require.Eventually(p.t, func() bool {
		n, err := s.Outbox().Backlog(p.t.Context())
		return err == nil && n == 0
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.NoError(p.t, <-done)
	require.NoError(p.t, s.Close())
}

const project = `apiVersion: slipway.dev/v1alpha1
kind: Project
metadata: {name: shop}
spec: {description: Sells things, owner: group:default/shop}
`

const noEvil = `apiVersion: slipway.dev/v1alpha1
kind: Policy
metadata:
  name: no-evil
spec:
  kind: deploy
  rego: |
    package slipway.deploy

    deny contains msg if {
        input.workload == "evil"
        msg := "evil may not run"
    }

    deny contains "too many" if to_number(input.replicas) > 3
`

func TestPolicy_DocumentApplied_DecidesFromThenOn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)

	before, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)
	require.Equal(t, "allow", before.Result, "without policies the answer is yes")

	var applied docapi.Applied
	require.Equal(t, http.StatusOK, p.apply(project+"---\n", &applied))
	require.Equal(t, http.StatusOK, p.apply(noEvil, &applied))
	require.Equal(t, docapi.Created, applied.Results[0].Result)
	require.Equal(t, http.StatusOK, p.apply(noEvil, &applied))
	require.Equal(t, docapi.Unchanged, applied.Results[0].Result)

	a, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)
	require.Equal(t, "deny", a.Result)
	require.False(t, a.Allowed)
	require.Equal(t, []policyevents.Reason{{Policy: "no-evil", Rule: "deny", Message: "evil may not run"}}, a.Reasons)
	require.NotEqual(t, before.BundleDigest, a.BundleDigest)
	require.Equal(t, before.InputDigest, a.InputDigest)

	var kept struct{ Input json.RawMessage }
	require.Equal(t, http.StatusOK, p.call("GET", "/api/v1/decisions/"+a.Decision, nil, &kept))
	require.JSONEq(t, `{"workload":"evil","replicas":"1","owner":""}`, string(kept.Input))
}

func TestPolicy_SameQuestionAcrossARestart_IsOneDecisionAndOneEvent(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))
	first, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)

	p.stop()
	p.start()
	second, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)
	require.Equal(t, first, second)

	_, err = p.ask(map[string]any{"workload": "good", "replicas": "1"})
	require.NoError(t, err)
	var seen []policyevents.DecisionMadeData
	for stored, err := range p.bus.Tail(t.Context(), bus.TailOptions{}) {
		require.NoError(t, err)
		require.Equal(t, "evt.shop.dev.slipway.policy.decision.made.v1", stored.Subject)
		require.Equal(t, "c0ffee", stored.Event.Extensions()["correlationid"])
		data, err := policyevents.DecisionMade.Decode(stored.Event)
		require.NoError(t, err)
		seen = append(seen, data)
		if data.Result == "allow" {
			break
		}
	}
	require.Len(t, seen, 2)
	require.Equal(t, first.Record, seen[0])
}

func TestPolicy_RegoDoesNotCompile_IsRefusedWithItsPlaceAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))

	var problem httpapi.Problem
	require.Equal(t, http.StatusUnprocessableEntity,
		p.apply(string(bytes.Replace([]byte(noEvil), []byte(`msg := "evil may not run"`), []byte(`msg := sprint("x")`), 1)), &problem))
	require.Len(t, problem.Errors, 1)
	require.Equal(t, "policy.yaml:12:16: type_error: undefined function sprint", problem.Errors[0].String())

	a, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)
	require.Equal(t, "deny", a.Result)
}

func TestPolicy_EvaluationFails_IsNoVerdictAndNothingIsKept(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))
	_, err := p.ask(map[string]any{"workload": "evil", "replicas": "many"})
	var remote *httpapi.Problem
	require.ErrorAs(t, err, &remote)
	require.Equal(t, http.StatusServiceUnavailable, remote.Status)
	require.Contains(t, remote.Detail, "no-evil")

	var list httpapi.Page[json.RawMessage]
	require.Equal(t, http.StatusOK, p.call("GET", "/api/v1/decisions", nil, &list))
	require.Empty(t, list.Items)
}

func TestPolicy_Deleted_IsNoLongerAsked(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))
	require.Equal(t, http.StatusNoContent, p.call("DELETE", "/api/v1/policies/no-evil", nil, nil))
	require.Equal(t, http.StatusNotFound, p.call("DELETE", "/api/v1/policies/no-evil", nil, nil))
	a, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)
	require.True(t, a.Allowed)
}

func TestPolicy_ComponentOfTheCatalog_GivesItsOwnerToThePolicies(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(strings.Replace(noEvil, `input.workload == "evil"`, `input.owner == ""`, 1), nil))
	ask := func() string {
		a, err := p.ask(map[string]any{"workload": "orders", "owner": "", "replicas": "1"})
		require.NoError(t, err)
		return a.Result
	}
	require.Equal(t, "deny", ask())
	p.say(catalog.EntityChanged.Draft(events.Org, "component:default/orders", catalog.EntityChangedData{
		Ref: "component:default/orders", Kind: "Component", Name: "orders", Version: 2, Owner: "group:default/shop", Change: "updated",
	}))
	require.Eventually(t, func() bool { return ask() == "allow" }, 10*time.Second, 10*time.Millisecond)
	p.say(catalog.EntityChanged.Draft(events.Org, "component:default/orders", catalog.EntityChangedData{
		Ref: "component:default/orders", Kind: "Component", Name: "orders", Version: 1, Change: "created",
	}))
	p.say(catalog.EntityRemoved.Draft(events.Org, "component:default/other", catalog.EntityRemovedData{
		Ref: "component:default/other", Kind: "Component", Name: "other", Version: 3,
	}))
	require.Equal(t, "allow", ask(), "what came late is older")
	p.say(catalog.EntityRemoved.Draft(events.Org, "component:default/orders", catalog.EntityRemovedData{
		Ref: "component:default/orders", Kind: "Component", Name: "orders", Version: 3,
	}))
	require.Eventually(t, func() bool { return ask() == "deny" }, 10*time.Second, 10*time.Millisecond)
}

func TestPolicy_WrongDocuments_NameWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for name, tc := range map[string]struct{ text, message string }{
		"reserved project": {"apiVersion: slipway.dev/v1alpha1\nkind: Project\nmetadata: {name: org}\n", "policy.yaml:3:18: \"org\" is reserved"},
		"unknown field":    {"apiVersion: slipway.dev/v1alpha1\nkind: Project\nmetadata: {name: shop}\nspec: {ownr: x}\n", `policy.yaml:4:8: unknown field "ownr" (did you mean "owner"?)`},
		"unknown kind":     {"apiVersion: slipway.dev/v1alpha1\nkind: Policy\nmetadata: {name: a}\nspec: {kind: deplyo, rego: x}\n", `did you mean "deploy"?`},
	} {
		t.Run(name, func(t *testing.T) {
			var problem httpapi.Problem
			require.Equal(t, http.StatusUnprocessableEntity, p.apply(tc.text, &problem))
			require.Contains(t, problem.Errors[0].String(), tc.message)
		})
	}
}
