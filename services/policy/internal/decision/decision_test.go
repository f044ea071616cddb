package decision

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

type says struct {
	findings []rulebook.Finding
	err      error
}

func (s says) Evaluate(context.Context, any) ([]rulebook.Finding, error) { return s.findings, s.err }

func entry(name, project string, r rulebook.Rule) rulebook.Entry {
	return rulebook.Entry{Policy: rulebook.Policy{Name: name, Project: project, Kind: "deploy", Rego: name}.Seal(), Rule: r}
}

func question(input string) Question {
	return Question{ID: "q1", Kind: "deploy", Project: "shop", Subject: "dev/orders", Input: json.RawMessage(input)}
}

func decide(t *testing.T, ed *rulebook.Edition, q Question) (Decision, error) {
	t.Helper()
	p, err := Prepare(q, nil)
	require.NoError(t, err)
	return Decide(context.Background(), p, ed.Bundle(q.Kind, q.Project), time.Unix(0, 0))
}

func TestDecide_NoPolicies_Allows(t *testing.T) {
	t.Parallel()
	d, err := decide(t, rulebook.NewEdition(nil), question(`{}`))
	require.NoError(t, err)
	require.Equal(t, Allow, d.Result)
	require.True(t, d.Allowed)
	require.Empty(t, d.Policies)
}

func TestDecide_DenyBeatsApproval_AndAWarningChangesNothing(t *testing.T) {
	t.Parallel()
	deny := entry("a", "", says{findings: []rulebook.Finding{{Rule: "deny", Message: "no"}}})
	approval := entry("b", "", says{findings: []rulebook.Finding{{Rule: "require_approval", Message: "ask"}}})
	warn := entry("c", "", says{findings: []rulebook.Finding{{Rule: "warn", Message: "mind"}}})
	for name, tc := range map[string]struct {
		entries []rulebook.Entry
		result  string
	}{
		"warn":             {[]rulebook.Entry{warn}, Allow},
		"approval":         {[]rulebook.Entry{approval, warn}, NeedsApproval},
		"deny, approval":   {[]rulebook.Entry{deny, approval, warn}, Deny},
		"another projects": {[]rulebook.Entry{entry("d", "bank", says{findings: []rulebook.Finding{{Rule: "deny"}}})}, Allow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := decide(t, rulebook.NewEdition(tc.entries), question(`{}`))
			require.NoError(t, err)
			require.Equal(t, tc.result, d.Result)
			require.Equal(t, tc.result == Allow, d.Allowed)
		})
	}
}

func TestDecide_OnePolicyFails_IsAnErrorEvenWhereAnotherDenies(t *testing.T) {
	t.Parallel()
	ed := rulebook.NewEdition([]rulebook.Entry{
		entry("a", "", says{findings: []rulebook.Finding{{Rule: "deny", Message: "no"}}}),
		entry("b", "", says{err: errors.New("broken")}),
	})
	d, err := decide(t, ed, question(`{}`))
	require.EqualError(t, err, "broken")
	require.Empty(t, d.Result)
}

func TestID_SameQuestionAndBundle_SameID(t *testing.T) {
	t.Parallel()
	ed := rulebook.NewEdition([]rulebook.Entry{entry("a", "", says{})})
	first, err := decide(t, ed, question(`{"a":1,"b":{"x":1,"y":2}}`))
	require.NoError(t, err)
	again := question(`{ "b": {"y":2,"x":1}, "a":1 }`)
	again.ID = "another"
	second, err := decide(t, ed, again)
	require.NoError(t, err)
	require.Equal(t, first.ID, second.ID)

	otherInput, err := decide(t, ed, question(`{"a":2}`))
	require.NoError(t, err)
	require.NotEqual(t, first.ID, otherInput.ID)

	otherBundle, err := decide(t, rulebook.NewEdition([]rulebook.Entry{entry("a", "", says{}), entry("b", "", says{})}), question(`{"a":1,"b":{"x":1,"y":2}}`))
	require.NoError(t, err)
	require.NotEqual(t, first.ID, otherBundle.ID)
	require.NotEqual(t, first.BundleDigest, otherBundle.BundleDigest)
}

func TestPrepare_WhatCannotBeAsked_IsRefusedByField(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*Question){
		"kind":    func(q *Question) { q.Kind = "deplyo" },
		"project": func(q *Question) { q.Project = "" },
		"input":   func(q *Question) { q.Input = json.RawMessage(`[1]`) },
	} {
		q := question(`{}`)
		change(&q)
		_, err := Prepare(q, nil)
		var invalid *InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
	}
	for _, input := range []string{``, `null`, `{} {}`, `{"a":}`} {
		_, err := Prepare(question(input), nil)
		require.Error(t, err, input)
	}
}
