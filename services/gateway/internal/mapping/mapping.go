// Package mapping evaluates the map of a Webhook document: CEL expressions
// that say for a delivery whether it brings an artifact, of which workload,
// and which artifact that is.
//
// CEL (cel.dev/cel-go) was chosen because an expression always ends, has no
// side effect, and its cost can be bounded before it runs.
package mapping

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
)

// Bounds of one expression.
const (
	maxExpression = 4096    // characters
	costLimit     = 200_000 // CEL's own units; a comparison is about one
	// timeLimit is the net below costLimit. It is wide, as it runs while other
	// work has the processor: a good expression must not fail on a busy machine.
	timeLimit = 2 * time.Second
	// MaxRules bounds what one delivery costs.
	MaxRules = 50
)

// Rule is one entry of a Webhook's map. All three are CEL over event (string),
// action (string) and payload (anything).
type Rule struct {
	When     string `json:"when"`     // a bool: does this delivery bring an artifact?
	Workload string `json:"workload"` // a string: of which workload
	Artifact string `json:"artifact"` // a string: "orders:<version>"
}

// Fault is one mistake in a rule.
type Fault struct {
	Pointer string // "/2/when"
	Message string
	Hint    string
}

// Input is what the expressions see.
type Input struct {
	Event, Action string
	Payload       map[string]any
}

// Outcome is what one rule that applies says, or the error of one that could
// not be evaluated. Rules that do not apply have none.
type Outcome struct {
	Rule     int // its place in the map, from 0
	Workload string
	Artifact Artifact
	Err      error
}

// Map is a compiled map. It is safe for concurrent use.
type Map struct{ rules []compiled }

type compiled struct{ when, workload, artifact cel.Program }

// Compile compiles every rule and reports every mistake.
func Compile(rules []Rule) (*Map, []Fault) {
	if len(rules) > MaxRules {
		return nil, []Fault{{Pointer: "", Message: fmt.Sprintf("these are %d rules, at most %d are taken", len(rules), MaxRules)}}
	}
	env, err := newEnv()
	if err != nil {
		return nil, []Fault{{Message: err.Error()}}
	}
	var (
		m      Map
		faults []Fault
	)
	for i, rule := range rules {
		var c compiled
		for _, part := range []struct {
			name, text string
			want       *cel.Type
			into       *cel.Program
		}{
			{"when", rule.When, cel.BoolType, &c.when},
			{"workload", rule.Workload, cel.StringType, &c.workload},
			{"artifact", rule.Artifact, cel.StringType, &c.artifact},
		} {
			program, fault := compile(env, part.text, part.want)
			if fault != nil {
				fault.Pointer = fmt.Sprintf("/%d/%s", i, part.name)
				faults = append(faults, *fault)
			}
			*part.into = program
		}
		m.rules = append(m.rules, c)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return &m, nil
}

func newEnv() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("event", cel.StringType),
		cel.Variable("action", cel.StringType),
		cel.Variable("payload", cel.DynType),
		ext.Strings(),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(50),
	)
}

func compile(env *cel.Env, text string, want *cel.Type) (cel.Program, *Fault) {
	if strings.TrimSpace(text) == "" {
		return nil, &Fault{Message: "is missing", Hint: example(want)}
	}
	ast, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		return nil, describe(issues)
	}
	if got := ast.OutputType(); !got.IsExactType(want) && !got.IsExactType(cel.DynType) {
		return nil, &Fault{Message: fmt.Sprintf("this expression gives %s, and %s is needed", got, want), Hint: example(want)}
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, &Fault{Message: err.Error()}
	}
	return program, nil
}

// describe says what is wrong with an expression, with the place inside it.
func describe(issues *cel.Issues) *Fault {
	var texts []string
	for _, e := range issues.Errors() {
		texts = append(texts, fmt.Sprintf("line %d, column %d of the expression: %s", e.Location.Line(), e.Location.Column()+1, e.Message))
		if len(texts) == 5 {
			break
		}
	}
	f := &Fault{Message: strings.Join(texts, "; ")}
	if strings.Contains(f.Message, "undeclared reference") {
		f.Hint = "an expression sees event, action and payload; text goes in quotes"
	}
	return f
}

func example(want *cel.Type) string {
	if want.IsExactType(cel.BoolType) {
		return `for example: event == "workflow_run" && payload.workflow_run.conclusion == "success"`
	}
	return `for example: "orders:" + payload.workflow_run.head_sha`
}

// Evaluate runs the rules over a delivery, in order.
func (m *Map) Evaluate(ctx context.Context, in Input) []Outcome {
	if m == nil {
		return nil
	}
	vars := map[string]any{"event": in.Event, "action": in.Action, "payload": in.Payload}
	var out []Outcome
	for i, rule := range m.rules {
		if o, applies := rule.evaluate(ctx, vars); applies {
			o.Rule = i
			out = append(out, o)
		}
	}
	return out
}

func (c compiled) evaluate(ctx context.Context, vars map[string]any) (Outcome, bool) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	applies, err := run[bool](ctx, c.when, vars)
	if err != nil {
		return Outcome{Err: fmt.Errorf("when: %w", err)}, true
	}
	if !applies {
		return Outcome{}, false
	}
	workload, err := run[string](ctx, c.workload, vars)
	if err != nil {
		return Outcome{Err: fmt.Errorf("workload: %w", err)}, true
	}
	if !validWorkload(workload) {
		return Outcome{Err: fmt.Errorf("workload: %s is not a workload's name (small letters, digits and -)", quote(workload))}, true
	}
	text, err := run[string](ctx, c.artifact, vars)
	if err != nil {
		return Outcome{Err: fmt.Errorf("artifact: %w", err)}, true
	}
	artifact, err := ParseArtifact(text)
	if err != nil {
		return Outcome{Err: fmt.Errorf("artifact: %w", err)}, true
	}
	return Outcome{Workload: workload, Artifact: artifact}, true
}

// run evaluates a program whose result must be a T. A panic inside the library
// is an error as well: a delivery is never lost to an expression.
func run[T any](ctx context.Context, p cel.Program, vars map[string]any) (result T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the expression could not be evaluated: %v", cause)
		}
	}()
	value, _, err := p.ContextEval(ctx, vars)
	if err != nil {
		if ctx.Err() != nil {
			return result, errors.New("the expression takes too long")
		}
		return result, err
	}
	result, ok := value.Value().(T)
	if !ok {
		return result, fmt.Errorf("the expression gave %v, not %s", value.Type(), typeName(result))
	}
	return result, nil
}

func typeName(v any) string {
	if _, ok := v.(bool); ok {
		return "true or false"
	}
	return "a string"
}
