// Package rulebook knows the policies in force: documents in Rego, each
// prepared once when it changes, all of them swapped as one.
package rulebook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Kinds of policies: what is asked about before it is done.
const (
	KindDeploy = "deploy" // a deployment
	KindPlan   = "plan"   // what an engine would do to the infrastructure
)

// Kinds are the policy kinds that can be evaluated.
func Kinds() []string { return []string{KindDeploy, KindPlan} }

// Verdicts that a rule of a policy can give about one input.
const (
	RuleDeny            = "deny"
	RuleWarn            = "warn"
	RuleRequireApproval = "require_approval"
)

// Policy is what is kept of a Policy document.
type Policy struct {
	Name string `json:"name"`
	// Project is the only project the policy speaks about; "" is all of them.
	Project     string `json:"project,omitempty"`
	Description string `json:"description,omitempty"`
	Kind        string `json:"kind"`
	Rego        string `json:"rego"`
	// Digest is the digest of kind, project and source: "sha256:…".
	Digest string `json:"digest"`
}

// Seal returns the policy with its digest.
func (p Policy) Seal() Policy {
	p.Digest = Digest("policy", p.Name, p.Kind, p.Project, p.Rego)
	return p
}

// Finding is one message of one rule.
type Finding struct {
	Rule    string // RuleDeny, RuleWarn or RuleRequireApproval
	Message string
	// Line is where in the Rego the rule stands that says so, from 1.
	Line int
	// Resource is what it is about, where the rule says it.
	Resource string
}

// Fault is something wrong in Rego source. Line and Column count from 1 within
// the source; 0 when the fault belongs to no one place.
type Fault struct {
	Line, Column int
	Message      string
	Hint         string
}

// Rule evaluates one prepared policy. It is safe for concurrent use.
type Rule interface {
	// Evaluate returns what the policy has to say about the input, in a stable
	// order. An error means that there is no verdict, which is not a denial.
	Evaluate(ctx context.Context, input any) ([]Finding, error)
}

// Compiler prepares Rego source of a kind.
type Compiler interface {
	Compile(name, kind, rego string) (Rule, []Fault)
}

// Entry is a policy in force.
type Entry struct {
	Policy  Policy
	Version int64 // of the stored document
	Rule    Rule
}

// Edition is an immutable set of policies in force. Its zero value is empty.
type Edition struct {
	entries []Entry // by name
}

// NewEdition makes an edition of entries.
func NewEdition(entries []Entry) *Edition {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry) int { return strings.Compare(a.Policy.Name, b.Policy.Name) })
	return &Edition{entries: sorted}
}

// entry returns the policy of this name, if it stands at this version.
func (ed *Edition) entry(name string, version int64) (Entry, bool) {
	for _, e := range ed.entries {
		if e.Policy.Name == name && e.Version == version {
			return e, true
		}
	}
	return Entry{}, false
}

// Bundle is the part of an edition that speaks about one kind and project.
type Bundle struct {
	Digest  string
	Entries []Entry
}

// Bundle selects the policies for a question of this kind about this project.
func (ed *Edition) Bundle(kind, project string) Bundle {
	var b Bundle
	parts := []string{"bundle", kind}
	for _, e := range ed.entries {
		if e.Policy.Kind != kind || (e.Policy.Project != "" && e.Policy.Project != project) {
			continue
		}
		b.Entries = append(b.Entries, e)
		parts = append(parts, e.Policy.Digest)
	}
	b.Digest = Digest(parts...)
	return b
}

// Digest is the digest of the parts, each with its length so that no two lists
// of parts read the same.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
