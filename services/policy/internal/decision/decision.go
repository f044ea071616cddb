// Package decision knows what a decision is: one question, the policies that
// were asked, what they answered, and the digests by which it can be repeated.
package decision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

// Results of a decision.
const (
	Allow         = "allow"
	Deny          = "deny"
	NeedsApproval = "needs-approval"
)

// Question is what is asked on rpc.policy.decide.
type Question struct {
	// ID is the asker's name for the question, kept for its tracing only.
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`    // one of rulebook.Kinds
	Project string          `json:"project"` // whose policies are asked
	Subject string          `json:"subject"` // what it is about, e.g. "dev/orders"
	Input   json.RawMessage `json:"input"`   // a JSON object, `input` in Rego
}

// Reason is one message of one rule of one policy.
type Reason struct {
	Policy   string `json:"policy"`
	Rule     string `json:"rule"`
	Line     int    `json:"line,omitempty"` // of the rule in the policy's Rego, from 1
	Message  string `json:"message"`
	Resource string `json:"resource,omitempty"` // what it is about, where the rule says so
}

// Decision is what is kept. It is never changed once it is made.
type Decision struct {
	ID           string          `json:"id"`
	Request      string          `json:"request,omitempty"`
	Kind         string          `json:"kind"`
	Project      string          `json:"project"`
	Subject      string          `json:"subject"`
	Result       string          `json:"result"`
	Allowed      bool            `json:"allowed"`
	Reasons      []Reason        `json:"reasons"`
	Policies     []string        `json:"policies"` // the names of those that were asked
	BundleDigest string          `json:"bundleDigest"`
	InputDigest  string          `json:"inputDigest"`
	Input        json.RawMessage `json:"input,omitempty"`
	At           time.Time       `json:"at"`
}

// InvalidError is a question that cannot be put to any policy.
type InvalidError struct{ Field, Detail string }

func (e *InvalidError) Error() string {
	return fmt.Sprintf("policy question: %s: %s", e.Field, e.Detail)
}

// Prepared is a question with its input decoded and digested.
type Prepared struct {
	Question Question
	Input    any
	Digest   string
}

// Prepare checks a question. enrich may add to its input; nil adds nothing.
func Prepare(q Question, enrich func(input map[string]any) error) (Prepared, error) {
	known := false
	for _, k := range rulebook.Kinds() {
		known = known || k == q.Kind
	}
	if !known {
		return Prepared{}, &InvalidError{"kind", fmt.Sprintf("%q is not one of %s", q.Kind, strings.Join(rulebook.Kinds(), ", "))}
	}
	if q.Project == "" {
		return Prepared{}, &InvalidError{"project", "is empty"}
	}
	dec := json.NewDecoder(bytes.NewReader(q.Input))
	dec.UseNumber()
	var input map[string]any
	if err := dec.Decode(&input); err != nil || input == nil {
		return Prepared{}, &InvalidError{"input", "is not a JSON object"}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Prepared{}, &InvalidError{"input", "is followed by something else"}
	}
	if enrich != nil {
		if err := enrich(input); err != nil {
			return Prepared{}, err
		}
	}
	canonical, err := json.Marshal(input) // sorts the keys, so that their order does not count
	if err != nil {
		return Prepared{}, &InvalidError{"input", err.Error()}
	}
	q.Input = canonical
	return Prepared{Question: q, Input: input, Digest: rulebook.Digest("input", string(canonical))}, nil
}

// ID is the id of the decision that a bundle makes about a question: asked
// again the same, it is the same decision.
func ID(p Prepared, b rulebook.Bundle) string {
	q := p.Question
	return "dec-" + strings.TrimPrefix(rulebook.Digest(q.Kind, q.Project, q.Subject, p.Digest, b.Digest), "sha256:")[:32]
}

// Decide asks every policy of the bundle. An error of one is an error of the
// whole: what could not be evaluated is neither a yes nor a no.
func Decide(ctx context.Context, p Prepared, b rulebook.Bundle, at time.Time) (Decision, error) {
	d := Decision{
		ID: ID(p, b), Request: p.Question.ID, Kind: p.Question.Kind, Project: p.Question.Project, Subject: p.Question.Subject,
		Result: Allow, Reasons: []Reason{}, Policies: []string{},
		BundleDigest: b.Digest, InputDigest: p.Digest, Input: p.Question.Input, At: at.UTC(),
	}
	for _, e := range b.Entries {
		d.Policies = append(d.Policies, e.Policy.Name)
		findings, err := e.Rule.Evaluate(ctx, p.Input)
		if err != nil {
			return Decision{}, err
		}
		for _, f := range findings {
			d.Reasons = append(d.Reasons, Reason{Policy: e.Policy.Name, Rule: f.Rule, Line: f.Line, Message: f.Message, Resource: f.Resource})
			switch {
			case f.Rule == rulebook.RuleDeny:
				d.Result = Deny
			case f.Rule == rulebook.RuleRequireApproval && d.Result == Allow:
				d.Result = NeedsApproval
			}
		}
	}
	d.Allowed = d.Result == Allow
	return d, nil
}
