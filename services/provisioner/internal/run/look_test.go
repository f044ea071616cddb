package run

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// seen is a state with things of these names and ids: "a=1".
func seen(t *testing.T, things ...string) sight {
	t.Helper()
	var resources []string
	for _, thing := range things {
		name, id, _ := strings.Cut(thing, "=")
		resources = append(resources, fmt.Sprintf(`{"mode":"managed","type":"t","name":%q,"instances":[{"attributes":{"id":%q}}]}`, name, id))
	}
	s, err := see(stack.Version{Number: 1}, []byte(`{"version":4,"serial":1,"lineage":"l","resources":[`+strings.Join(resources, ",")+`]}`))
	require.NoError(t, err)
	return s
}

func TestUnknown_IsWhatWasCreatedAndIsNotInTheState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, now []string
		completed   map[string]string
		open        []string
		orphans     map[string]string
		unresolved  []string
	}{
		"all is written down":                    {now: []string{"a=1"}, completed: map[string]string{"t.a": "1"}},
		"completed and not written down":         {completed: map[string]string{"t.a": "1"}, orphans: map[string]string{"t.a": "1"}},
		"completed, with no id":                  {completed: map[string]string{"t.a": ""}, unresolved: []string{"t.a"}},
		"begun, and then nothing":                {open: []string{"t.b"}, unresolved: []string{"t.b"}},
		"begun, and written down all the same":   {now: []string{"b=2"}, open: []string{"t.b"}},
		"in place of another, which is the old":  {before: []string{"a=1"}, now: []string{"a=1"}, completed: map[string]string{"t.a": "2"}, unresolved: []string{"t.a"}},
		"in place of another, and is the new":    {before: []string{"a=1"}, now: []string{"a=2"}, completed: map[string]string{"t.a": "2"}},
		"begun in place of another that is left": {before: []string{"a=1"}, now: []string{"a=1"}, open: []string{"t.a"}, unresolved: []string{"t.a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := outcome{completed: c.completed, open: c.open}
			orphans, unresolved := o.unknown(seen(t, c.before...), seen(t, c.now...))
			require.Equal(t, c.unresolved, unresolved)
			if c.orphans == nil {
				c.orphans = map[string]string{}
			}
			require.Equal(t, c.orphans, orphans)
		})
	}
}

func TestOutputsOf_DeclaredOnes_MustBeThereAndOfTheirType(t *testing.T) {
	t.Parallel()
	values := map[string]string{"string": `"a"`, "number": `1.5`, "bool": `false`, "list": `[1]`, "map": `{"a":1}`}
	for is, raw := range values {
		for declared := range values {
			c := stack.Contents{Outputs: map[string]stack.Output{"x": {Value: json.RawMessage(raw)}}}
			_, _, err := OutputsOf(Run{Definition: "d", Declared: map[string]string{"x": declared}}, c)
			if is == declared {
				require.NoError(t, err)
				continue
			}
			require.EqualError(t, err, fmt.Sprintf("definition d declares the output x as a %s, and the module gives a %s", declared, is))
		}
		_, _, err := OutputsOf(Run{Declared: map[string]string{"x": "any"}}, stack.Contents{Outputs: map[string]stack.Output{"x": {Value: json.RawMessage(raw)}}})
		require.NoError(t, err)
	}
	_, _, err := OutputsOf(Run{Definition: "d", Declared: map[string]string{"x": "any"}}, stack.Contents{Outputs: map[string]stack.Output{"y": {Value: json.RawMessage(`"a"`)}}})
	require.EqualError(t, err, "definition d declares the output x, and the module gives none; it gives y")
}

func TestOutputsOf_SensitiveOnes_AreTextsBeside(t *testing.T) {
	t.Parallel()
	plain, secrets, err := OutputsOf(Run{}, stack.Contents{Outputs: map[string]stack.Output{
		"name": {Value: json.RawMessage(`"n"`)}, "none": {Value: json.RawMessage(`null`)},
		"token": {Value: json.RawMessage(`"canary"`), Sensitive: true}, "both": {Value: json.RawMessage(`{"a":"canary"}`), Sensitive: true},
	}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"name": "n"}, plain)
	require.Equal(t, map[string]string{"token": "canary", "both": `{"a":"canary"}`}, secrets)
}

func TestDifferences_AreALineEachInTheSameOrder(t *testing.T) {
	t.Parallel()
	changes := []plan.Change{
		{Address: "t.b", Action: plan.Destroy},
		{Address: "t.a", Action: plan.Update, Fields: []plan.Field{{Path: "size", Before: 1, After: 2}, {Path: "key", Before: plan.Secret, After: plan.Secret}}},
		{Address: "t.c", Action: plan.Update},
	}
	require.Equal(t, []string{
		`t.a: key is "(secret)", not "(secret)"`, "t.a: size is 2, not 1", "t.b is gone", "t.c differs (change)",
	}, differences(changes))
	require.Empty(t, differences(nil))
}

func TestBounded_TooManyFields_AreCountedInsteadOfTold(t *testing.T) {
	t.Parallel()
	var many []plan.Change
	for range 40 {
		many = append(many, plan.Change{Address: "t.a", Action: plan.Add, Fields: []plan.Field{{Path: "x", After: strings.Repeat("y", 20<<10)}}})
	}
	out := bounded(many)
	require.Len(t, out, 40)
	require.NotEmpty(t, out[0].Fields)
	require.Empty(t, out[39].Fields)
	require.Equal(t, 1, out[39].Cut)
}

func TestReason_NamesRuleLineAndResource(t *testing.T) {
	t.Parallel()
	r := Reason{Policy: "shop/ships", Rule: "deny", Line: 3, Message: "too big", Resource: "t.a"}
	require.Equal(t, "shop/ships: deny (line 3): t.a: too big", r.String())
	r.Message = "t.a is too big"
	require.Equal(t, "shop/ships: deny (line 3): t.a is too big", r.String())
}
