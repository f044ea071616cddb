package mapping_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/gateway/internal/mapping"
)

func rule(when, workload, artifact string) mapping.Rule {
	return mapping.Rule{When: when, Workload: workload, Artifact: artifact}
}

var builds = rule(
	`event == "workflow_run" && action == "completed" && payload.workflow_run.conclusion == "success"`,
	`payload.repository.name`,
	`payload.repository.name + ":" + payload.workflow_run.head_sha`)

func delivery(event string, run map[string]any) mapping.Input {
	payload := map[string]any{"repository": map[string]any{"name": "orders"}}
	if run != nil {
		payload["workflow_run"] = run
	}
	return mapping.Input{Event: event, Action: "completed", Payload: payload}
}

func compile(t *testing.T, rules ...mapping.Rule) *mapping.Map {
	t.Helper()
	m, faults := mapping.Compile(rules)
	require.Empty(t, faults)
	return m
}

func TestEvaluate_GoodBuild_NamesWorkloadAndArtifact(t *testing.T) {
	t.Parallel()
	got := compile(t, builds).Evaluate(context.Background(), delivery("workflow_run", map[string]any{"conclusion": "success", "head_sha": "4f1c2e"}))
	require.Len(t, got, 1)
	require.NoError(t, got[0].Err)
	require.Equal(t, "orders", got[0].Workload)
	require.Equal(t, "orders:4f1c2e", got[0].Artifact.String())
	require.Equal(t, "pkg:generic/orders@4f1c2e", got[0].Artifact.PURL())
}

func TestEvaluate_RuleDoesNotApply_NothingComesOfIt(t *testing.T) {
	t.Parallel()
	m := compile(t, builds)
	require.Empty(t, m.Evaluate(context.Background(), delivery("workflow_run", map[string]any{"conclusion": "failure"})))
	require.Empty(t, m.Evaluate(context.Background(), delivery("push", nil)), "another kind has no workflow_run, and that is no error")
}

func TestEvaluate_SomethingIsMissing_IsAnErrorOfThatRuleAlone(t *testing.T) {
	t.Parallel()
	m := compile(t, builds, rule(`true`, `"billing"`, `"billing:1"`))
	got := m.Evaluate(context.Background(), delivery("workflow_run", map[string]any{"conclusion": "success"}))
	require.Len(t, got, 2)
	require.ErrorContains(t, got[0].Err, "artifact: no such key: head_sha")
	require.Equal(t, 1, got[1].Rule)
	require.NoError(t, got[1].Err)
}

func TestEvaluate_ResultIsNoArtifact_IsAnError(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule mapping.Rule
		want string
	}{
		"no version":         {rule(`true`, `"orders"`, `"orders"`), `"orders" is not NAME:VERSION`},
		"path":               {rule(`true`, `"orders"`, `"../x:1"`), `"../x:1" is not NAME:VERSION`},
		"number":             {rule(`true`, `"orders"`, `payload.number`), `the expression gave int, not a string`},
		"workload":           {rule(`true`, `"Or ders"`, `"orders:1"`), `"Or ders" is not a workload's name`},
		"when is a string":   {rule(`payload.repository.name`, `"orders"`, `"orders:1"`), `the expression gave string, not true or false`},
		"costs without end":  {rule(`payload.many.all(a, payload.many.all(b, payload.many.all(c, a + b + c >= 0)))`, `"orders"`, `"orders:1"`), `cost limit exceeded`},
		"broken digest":      {rule(`true`, `"orders"`, `"orders@sha256:12"`), `is not NAME@sha256:DIGEST`},
		"long text is short": {rule(`true`, `"orders"`, `payload.long`), `…" is not NAME:VERSION`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := delivery("push", nil)
			many := make([]any, 100)
			for i := range many {
				many[i] = int64(i)
			}
			in.Payload["number"], in.Payload["many"], in.Payload["long"] = int64(7), many, strings.Repeat("x", 1000)
			got := compile(t, tt.rule).Evaluate(context.Background(), in)
			require.Len(t, got, 1)
			require.ErrorContains(t, got[0].Err, tt.want)
			require.Less(t, len(got[0].Err.Error()), 300)
		})
	}
}

func TestCompile_Mistakes_EachIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	_, faults := mapping.Compile([]mapping.Rule{
		builds,
		rule("event == workflow_run &&\n  true", `"a" +`, `7`),
		rule("", `"orders"`, `event`),
	})
	var got []string
	for _, f := range faults {
		got = append(got, f.Pointer+" "+f.Message)
	}
	require.Len(t, got, 4)
	require.Contains(t, got[0], "/1/when line 1, column 10 of the expression: undeclared reference to 'workflow_run'")
	require.Contains(t, faults[0].Hint, "text goes in quotes")
	require.Contains(t, got[1], "/1/workload line 1, column")
	require.Equal(t, "/1/artifact this expression gives int, and string is needed", got[2])
	require.Equal(t, "/2/when is missing", got[3])
}

func TestCompile_TooMuch_IsRefused(t *testing.T) {
	t.Parallel()
	_, faults := mapping.Compile([]mapping.Rule{rule(strings.Repeat("(", 200)+"true"+strings.Repeat(")", 200), `"a"`, `"a:1"`)})
	require.NotEmpty(t, faults)
	_, faults = mapping.Compile([]mapping.Rule{rule(`"`+strings.Repeat("x", 5000)+`" == event`, `"a"`, `"a:1"`)})
	require.NotEmpty(t, faults)
	_, faults = mapping.Compile(make([]mapping.Rule, mapping.MaxRules+1))
	require.Len(t, faults, 1)
}

func FuzzCompileAndEvaluate(f *testing.F) {
	f.Add(builds.When, builds.Workload, builds.Artifact)
	f.Add(`payload.x.y[0] == 1`, `event`, `"a:" + action`)
	f.Fuzz(func(t *testing.T, when, workload, artifact string) {
		began := time.Now()
		defer func() {
			if took := time.Since(began); took > time.Second {
				t.Fatalf("took %s", took)
			}
		}()
		m, faults := mapping.Compile([]mapping.Rule{rule(when, workload, artifact)})
		if len(faults) > 0 {
			return
		}
		for _, o := range m.Evaluate(context.Background(), delivery("push", nil)) {
			if o.Err == nil && (o.Workload == "" || o.Artifact.Version == "") {
				t.Fatalf("%+v", o)
			}
		}
	})
}
