// Package opa prepares and evaluates Rego with Open Policy Agent's library.
//
// Policies are data of the organisation, not programs of ours: they get no
// network, no clock, no randomness and no look at this process, so that a
// decision can be repeated from its input and its bundle alone.
package opa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

// forbidden says, for each built-in that is taken away, what to use instead.
// A name ending in a dot stands for all that begin with it.
var forbidden = map[string]string{
	"http.send":            "what a policy may know comes in `input`",
	"net.":                 "what a policy may know comes in `input`",
	"opa.runtime":          "what a policy may know comes in `input`",
	"providers.":           "what a policy may know comes in `input`",
	"time.now_ns":          "the time of the question is `input.time`",
	"rand.":                "a decision must come out the same when it is repeated",
	"uuid.rfc4122":         "a decision must come out the same when it is repeated",
	"io.jwt.encode_sign":   "a policy decides and signs nothing",
	"io.jwt.decode_verify": "it reads the clock; use io.jwt.decode and an io.jwt.verify_ function, and compare `exp` with `input.time`",
	"crypto.x509.parse_and_verify_certificates": "it reads the clock",
}

func isForbidden(name string) (instead string, found bool) {
	for prefix, instead := range forbidden {
		if name == prefix || (strings.HasPrefix(name, prefix) && (strings.HasSuffix(prefix, ".") || strings.HasPrefix(name, prefix+"_"))) {
			return instead, true
		}
	}
	return "", false
}

// Capabilities are OPA's own without what is forbidden.
func Capabilities() *ast.Capabilities {
	caps := ast.CapabilitiesForThisVersion()
	caps.Builtins = slices.DeleteFunc(slices.Clone(caps.Builtins), func(b *ast.Builtin) bool {
		_, gone := isForbidden(b.Name)
		return gone
	})
	caps.AllowNet = []string{} // not nil: nil allows every host to JSON Schema references
	return caps
}

// Compiler is rulebook.Compiler for OPA's Rego v1.
type Compiler struct {
	caps *ast.Capabilities
}

// NewCompiler makes a compiler.
func NewCompiler() *Compiler { return &Compiler{caps: Capabilities()} }

// Compile parses, checks and prepares one policy.
func (c *Compiler) Compile(name, kind, source string) (rulebook.Rule, []rulebook.Fault) {
	if strings.TrimSpace(source) == "" {
		return nil, []rulebook.Fault{{Line: 1, Column: 1, Message: "the Rego is empty", Hint: "begin with: package slipway." + kind}}
	}
	module, err := ast.ParseModuleWithOpts(name, source, ast.ParserOptions{Capabilities: c.caps, RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, faults(err)
	}
	present, shape := checkShape(module, kind)
	if len(shape) > 0 {
		return nil, shape
	}
	compiler := ast.NewCompiler().WithCapabilities(c.caps)
	if compiler.Compile(map[string]*ast.Module{name: module}); compiler.Failed() {
		return nil, faults(compiler.Errors) // of what was written, before anything is added
	}
	asked := apart(module, present)
	compiler = ast.NewCompiler().WithCapabilities(c.caps)
	if compiler.Compile(map[string]*ast.Module{name: module}); compiler.Failed() {
		return nil, faults(compiler.Errors)
	}
	query := make([]string, len(asked))
	for i, a := range asked {
		query[i] = fmt.Sprintf("%s = data.slipway.%s.%s", a.name, kind, a.name)
	}
	prepared, err := rego.New(
		rego.Compiler(compiler),
		rego.Query(strings.Join(query, "; ")),
		rego.StrictBuiltinErrors(true), // an error inside a built-in is an error, never a silent "no"
	).PrepareForEval(context.Background())
	if err != nil {
		return nil, faults(err)
	}
	return &rule{name: name, asked: asked, prepared: prepared}, nil
}

// checkShape says which of the rules that are asked a module has, and refuses
// a module that would never be heard: another package, none of the rules, or
// a rule that is not a set of messages.
func checkShape(m *ast.Module, kind string) ([]string, []rulebook.Fault) {
	want := "slipway." + kind
	if got := strings.TrimPrefix(m.Package.Path.String(), "data."); got != want {
		return nil, []rulebook.Fault{{
			Line: m.Package.Location.Row, Column: m.Package.Location.Col,
			Message: fmt.Sprintf("package is %s, and a policy of kind %s is asked in package %s", got, kind, want),
			Hint:    "begin with: package " + want,
		}}
	}
	known := []string{rulebook.RuleDeny, rulebook.RuleRequireApproval, rulebook.RuleWarn}
	seen := map[string]bool{}
	var out []rulebook.Fault
	for _, r := range m.Rules {
		name := string(r.Head.Ref()[0].Value.(ast.Var))
		if !slices.Contains(known, name) {
			continue
		}
		if r.Head.RuleKind() != ast.MultiValue || len(r.Head.Ref()) != 1 {
			out = append(out, rulebook.Fault{
				Line: r.Location.Row, Column: r.Location.Col,
				Message: fmt.Sprintf("%s is not a set of messages", name),
				Hint:    fmt.Sprintf("write: %s contains msg if { … }", name),
			})
		}
		seen[name] = true
	}
	if len(seen) == 0 && len(out) == 0 {
		out = append(out, rulebook.Fault{
			Line: m.Package.Location.Row, Column: m.Package.Location.Col,
			Message: "the policy has none of the rules deny, warn and require_approval, so it would never say anything",
			Hint:    "write: deny contains msg if { … }",
		})
	}
	var present []string
	for _, name := range known {
		if seen[name] {
			present = append(present, name)
		}
	}
	return present, out
}

func faults(err error) []rulebook.Fault {
	var list ast.Errors
	if !errors.As(err, &list) {
		var one *ast.Error
		if !errors.As(err, &one) {
			return []rulebook.Fault{{Message: err.Error()}}
		}
		list = ast.Errors{one}
	}
	out := make([]rulebook.Fault, 0, len(list))
	for _, e := range list {
		f := rulebook.Fault{Message: strings.TrimPrefix(e.Code, "rego_") + ": " + e.Message}
		if e.Location != nil {
			f.Line, f.Column = e.Location.Row, e.Location.Col
		}
		if name, isUndefined := strings.CutPrefix(e.Message, "undefined function "); isUndefined {
			if instead, gone := isForbidden(name); gone {
				f.Message = name + " is not available to policies"
				f.Hint = instead
			}
		}
		out = append(out, f)
	}
	return out
}

type rule struct {
	name     string
	asked    []definition
	prepared rego.PreparedEvalQuery
}

// Evaluate implements rulebook.Rule.
func (r *rule) Evaluate(ctx context.Context, input any) ([]rulebook.Finding, error) {
	results, err := r.prepared.Eval(ctx, rego.EvalInput(input))
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("policy %s did not finish in time: %w", r.name, ctx.Err())
		}
		return nil, fmt.Errorf("policy %s could not be evaluated: %w", r.name, err)
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("policy %s gave %d results instead of one", r.name, len(results))
	}
	var out []rulebook.Finding
	told := map[rulebook.Finding]bool{}
	for _, a := range r.asked {
		set, isList := results[0].Bindings[a.name].([]any)
		if !isList {
			return nil, fmt.Errorf("policy %s: %s gave no set", r.name, a.rule)
		}
		for _, item := range set {
			f := rulebook.Finding{Rule: a.rule, Message: message(item), Resource: resource(item)}
			if told[f] {
				continue // two definitions may say the same: the first is named
			}
			told[f] = true
			f.Line = a.line
			out = append(out, f)
		}
	}
	return out, nil
}

// message takes what a rule put into its set: a text, or an object with one.
func message(item any) string {
	switch v := item.(type) {
	case string:
		return v
	case map[string]any:
		for _, key := range []string{"msg", "message"} {
			if text, isText := v[key].(string); isText {
				return text
			}
		}
	}
	text, err := json.Marshal(item)
	if err != nil {
		return fmt.Sprint(item)
	}
	return string(text)
}

// resource is what an object is about that a rule put into its set.
func resource(item any) string {
	if v, isObject := item.(map[string]any); isObject {
		for _, key := range []string{"resource", "address"} {
			if text, isText := v[key].(string); isText {
				return text
			}
		}
	}
	return ""
}
