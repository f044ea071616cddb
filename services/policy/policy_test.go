package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalog"
	policyevents "github.com/slipway-idp/slipway/events/policy"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/service/servicetest"

	"github.com/slipway-idp/slipway/services/policy"
)

// platform is the policy service under test, and the catalog beside it.
type platform struct {
	*servicetest.Platform
	catalog *servicetest.Peer
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := servicetest.Start(t, policy.Name, func(d service.Deps) (service.Service, error) {
		return policy.New(policy.Config{Deps: d})
	})
	return &platform{Platform: p, catalog: p.Peer("catalog")}
}

func (p *platform) apply(text string, out any) int {
	p.T.Helper()
	return p.Call("POST", "/documents/apply", docapi.Request{Documents: []docapi.Raw{{Source: "policy.yaml", Line: 1, Raw: text}}}, out)
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
func (p *platform) ask(input any) (answer, error) { return p.askOf("deploy", input) }

func (p *platform) askOf(kind string, input any) (answer, error) {
	p.T.Helper()
	var (
		a   answer
		err error
	)
	require.Eventually(p.T, func() bool {
		ctx, cancel := context.WithTimeout(p.T.Context(), 10*time.Second)
		defer cancel()
		err = p.Bus.Request(ctx, policy.Subject, map[string]any{
			"id": "q1", "kind": kind, "project": "shop", "subject": "dev/orders", "input": input, "correlationId": "c0ffee",
		}, &a)
		return !errors.Is(err, bus.ErrNoResponder)
	}, 10*time.Second, 10*time.Millisecond)
	return a, err
}

// say publishes an event as the catalog does, and returns once the bus has it.
func (p *platform) say(draft events.Draft, err error) {
	p.T.Helper()
	require.NoError(p.T, err)
	p.catalog.Commit(draft.Subject, events.Cause{}, draft)
	p.catalog.Published()
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
	require.Equal(t, []policyevents.Reason{{Policy: "no-evil", Rule: "deny", Line: 3, Message: "evil may not run"}}, a.Reasons)
	require.NotEqual(t, before.BundleDigest, a.BundleDigest)
	require.Equal(t, before.InputDigest, a.InputDigest)

	var kept struct{ Input json.RawMessage }
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/decisions/"+a.Decision, nil, &kept))
	require.JSONEq(t, `{"workload":"evil","replicas":"1","owner":""}`, string(kept.Input))
}

func TestPolicy_SameQuestionAcrossARestart_IsOneDecisionAndOneEvent(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))
	first, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)

	p.Stop()
	p.Start()
	second, err := p.ask(map[string]any{"workload": "evil", "replicas": "1"})
	require.NoError(t, err)
	require.Equal(t, first, second)

	_, err = p.ask(map[string]any{"workload": "good", "replicas": "1"})
	require.NoError(t, err)
	var seen []policyevents.DecisionMadeData
	for stored, err := range p.Bus.Tail(t.Context(), bus.TailOptions{}) {
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
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/decisions", nil, &list))
	require.Empty(t, list.Items)
}

func TestPolicy_Deleted_IsNoLongerAsked(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))
	require.Equal(t, http.StatusNoContent, p.Call("DELETE", "/api/v1/policies/no-evil", nil, nil))
	require.Equal(t, http.StatusNotFound, p.Call("DELETE", "/api/v1/policies/no-evil", nil, nil))
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

const noLoss = `apiVersion: slipway.dev/v1alpha1
kind: Policy
metadata: {name: no-loss}
spec:
  kind: plan
  rego: |
    package slipway.plan

    deny contains {"message": "nothing is lost here", "resource": c.address} if {
        some c in input.changes
        c.action == "destroy"
    }

    require_approval contains msg if {
        count(input.plan.resource_changes) > 2
        msg := "that is much"
    }
`

func TestPolicy_OfKindPlan_NamesRuleLineAndResource(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(noLoss, nil))
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))
	destroys := map[string]any{
		"changes": []any{map[string]any{"address": "a.b", "action": "destroy"}}, "plan": map[string]any{"resource_changes": []int{1, 2, 3}},
	}
	a, err := p.askOf("plan", destroys)
	require.NoError(t, err)
	require.Equal(t, "deny", a.Result)
	want := []policyevents.Reason{
		{Policy: "no-loss", Rule: "deny", Line: 3, Message: "nothing is lost here", Resource: "a.b"},
		{Policy: "no-loss", Rule: "require_approval", Line: 8, Message: "that is much"},
	}
	require.Equal(t, want, a.Reasons)
	require.Equal(t, want, a.Record.Reasons, "the event says it too")

	a, err = p.askOf("deploy", destroys)
	require.NoError(t, err)
	require.Empty(t, a.Reasons, "another kind asks other policies")
	var list httpapi.Page[map[string]any]
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/policies?kind=plan", nil, &list))
	require.Len(t, list.Items, 1)
}

func TestPolicy_ExampleOfTheShop_KeepsProductionAndUnknownProviders(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	text, err := os.ReadFile("../../deploy/examples/shop/policy.yaml")
	require.NoError(t, err)
	for _, document := range strings.Split(string(text), "\n---\n") {
		require.Equal(t, http.StatusOK, p.apply(document, nil))
	}
	const builtin = "terraform.io/builtin/terraform"
	for name, tc := range map[string]struct {
		typ, operation, action, provider string
		resource, want                   string
	}{
		"made":                    {"production", "apply", "add", builtin, "", ""},
		"replaced in production":  {"production", "apply", "replace", builtin, "terraform_data.a", "nothing of production is destroyed"},
		"destroyed in production": {"production", "apply", "destroy", builtin, "terraform_data.a", "nothing of production is destroyed"},
		"by a destroy run":        {"production", "destroy", "destroy", builtin, "", ""},
		"elsewhere":               {"preview", "apply", "destroy", builtin, "", ""},
		"another provider":        {"preview", "apply", "add", "acme/cloud", "", "provider acme/cloud is not on the list"},
	} {
		a, err := p.askOf("plan", map[string]any{
			"environment": map[string]any{"type": tc.typ}, "operation": tc.operation, "providers": []any{tc.provider},
			"changes": []any{map[string]any{"action": tc.action, "address": "terraform_data.a"}},
		})
		require.NoError(t, err)
		if tc.want == "" {
			require.True(t, a.Allowed, name)
			continue
		}
		require.Equal(t, "deny", a.Result, name)
		require.Contains(t, a.Reasons[0].Message, tc.want)
		require.Equal(t, tc.resource, a.Reasons[0].Resource)
		require.NotZero(t, a.Reasons[0].Line)
	}
}

// A plan is large: a page of decisions must not be.
func TestPolicy_LargeInput_IsInTheDecisionAndNotInTheList(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	a, err := p.askOf("plan", map[string]any{"plan": strings.Repeat("x", 300<<10)})
	require.NoError(t, err)
	var list httpapi.Page[map[string]any]
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/decisions?kind=plan", nil, &list))
	require.NotContains(t, list.Items[0], "input")
	var one map[string]any
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/decisions/"+a.Decision, nil, &one))
	require.Contains(t, one, "input")
}
