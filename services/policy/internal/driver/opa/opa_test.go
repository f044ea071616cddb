package opa

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

const allThree = `package slipway.deploy

deny contains msg if {
	input.workload == "evil"
	msg := sprintf("%s may not run", [input.workload])
}

require_approval contains "production needs a yes" if input.environment.type == "production"

warn contains {"msg": "no owner"} if not input.owner
`

func compile(t *testing.T, source string) rulebook.Rule {
	t.Helper()
	r, faults := NewCompiler().Compile("shop", "deploy", source)
	require.Empty(t, faults)
	return r
}

func TestEvaluate_EachRule_GivesItsMessages(t *testing.T) {
	t.Parallel()
	r := compile(t, allThree)
	got, err := r.Evaluate(context.Background(), map[string]any{
		"workload": "evil", "environment": map[string]any{"type": "production"},
	})
	require.NoError(t, err)
	require.Equal(t, []rulebook.Finding{
		{Rule: "deny", Line: 3, Message: "evil may not run"},
		{Rule: "require_approval", Line: 8, Message: "production needs a yes"},
		{Rule: "warn", Line: 10, Message: "no owner"},
	}, got)

	got, err = r.Evaluate(context.Background(), map[string]any{"workload": "good", "owner": "group:default/team-a"})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestCompile_WhatWouldNeverBeHeard_IsRefusedWithPlace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		source       string
		line, column int
		message      string
	}{
		"empty":            {"", 1, 1, "empty"},
		"syntax":           {"package slipway.deploy\n\ndeny contains msg if {\n\tinput.x ==\n}\n", 5, 1, "parse_error"},
		"unsafe variable":  {"package slipway.deploy\n\ndeny contains msg if input.x\n", 3, 15, "msg is unsafe"},
		"unknown function": {"package slipway.deploy\n\ndeny contains \"x\" if sprint(\"a\")\n", 3, 22, "undefined function sprint"},
		"another package":  {"package shop\n\ndeny contains \"x\" if true\n", 1, 1, "slipway.deploy"},
		"no rule":          {"package slipway.deploy\n\nallowed := true\n", 1, 1, "never say anything"},
		"a rule, no set":   {"package slipway.deploy\n\ndeny := true\n", 3, 1, "not a set"},
		"old Rego":         {"package slipway.deploy\n\ndeny[msg] { msg := \"x\" }\n", 3, 1, "if"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, faults := NewCompiler().Compile("shop", "deploy", tc.source)
			require.Nil(t, r)
			require.NotEmpty(t, faults)
			require.Contains(t, faults[0].Message, tc.message)
			require.Equal(t, [2]int{tc.line, tc.column}, [2]int{faults[0].Line, faults[0].Column}, faults[0].Message)
		})
	}
}

func TestCompile_NetworkClockAndChance_AreRefusedByName(t *testing.T) {
	t.Parallel()
	for call, name := range map[string]string{
		`http.send({"method": "get", "url": "http://127.0.0.1"})`: "http.send",
		`net.lookup_ip_addr("localhost")`:                         "net.lookup_ip_addr",
		`time.now_ns()`:                                           "time.now_ns",
		`opa.runtime()`:                                           "opa.runtime",
		`rand.intn("a", 3)`:                                       "rand.intn",
		`uuid.rfc4122("a")`:                                       "uuid.rfc4122",
		`io.jwt.decode_verify("a", {})`:                           "io.jwt.decode_verify",
		`crypto.x509.parse_and_verify_certificates_with_options("a", {})`: "crypto.x509.parse_and_verify_certificates_with_options",
	} {
		_, faults := NewCompiler().Compile("shop", "deploy", "package slipway.deploy\n\ndeny contains \"x\" if "+call+"\n")
		require.Len(t, faults, 1, call)
		require.Equal(t, name+" is not available to policies", faults[0].Message)
		require.NotEmpty(t, faults[0].Hint)
		require.Equal(t, 3, faults[0].Line)
	}
}

func TestEvaluate_BuiltinFails_IsAnErrorAndNoVerdict(t *testing.T) {
	t.Parallel()
	r := compile(t, "package slipway.deploy\n\ndeny contains \"x\" if to_number(input.n) > 3\n")
	_, err := r.Evaluate(context.Background(), map[string]any{"n": "many"})
	require.ErrorContains(t, err, "policy shop could not be evaluated")
}

func TestEvaluate_NeverEnds_StopsAtItsDeadline(t *testing.T) {
	t.Parallel()
	r := compile(t, `package slipway.deploy

deny contains "x" if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b == 0
}
`)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := r.Evaluate(ctx, map[string]any{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestEvaluate_EachFinding_NamesTheLineOfTheDefinitionThatSaysIt(t *testing.T) {
	t.Parallel()
	r, faults := NewCompiler().Compile("shop", "plan", `package slipway.plan

deny contains {"message": msg, "resource": c.address} if {
	some c in input.changes
	c.action == "destroy"
	msg := "nothing is destroyed here"
}

deny_at := 3

deny contains "the same" if input.twice

deny contains msg if {
	input.twice
	msg := "the same"
}

deny contains {"msg": "by address", "address": "a.b"} if count(deny_at_all) == 0

deny_at_all contains "x" if false

warn contains "denied anyway" if count(deny) > 2
`)
	require.Empty(t, faults)
	got, err := r.Evaluate(context.Background(), map[string]any{"twice": true, "changes": []any{
		map[string]any{"action": "destroy", "address": "x.y"}, map[string]any{"action": "destroy", "address": "x.z"},
	}})
	require.NoError(t, err)
	require.Equal(t, []rulebook.Finding{
		{Rule: "deny", Line: 3, Message: "nothing is destroyed here", Resource: "x.y"},
		{Rule: "deny", Line: 3, Message: "nothing is destroyed here", Resource: "x.z"},
		{Rule: "deny", Line: 11, Message: "the same"},
		{Rule: "deny", Line: 18, Message: "by address", Resource: "a.b"},
		{Rule: "warn", Line: 22, Message: "denied anyway"},
	}, got)
}
