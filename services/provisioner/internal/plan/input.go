package plan

import (
	"fmt"
	"time"
)

// MaxInput is how large a question to the policies may be, in bytes of JSON:
// one message on the bus.
const MaxInput = 900 << 10

// Question is what a policy is told of a run beside its plan.
type Question struct {
	Project         string
	Environment     string
	EnvironmentType string
	Resource        string // its key in the environment
	Definition      string
	Stack           string
	Run             string
	Operation       string // apply, destroy, plan, drift
	Engine          string // tofu or terraform, and its version
	Actor           string // who asked: user:default/ada
	Reason          string // why, in words: deploy, undo, expired, …
	PlanDigest      string // what an approval would bind to
	Time            time.Time
}

// TooLargeError is a plan that does not fit into one question, though all of it
// was left out that may be.
type TooLargeError struct{ Changes, Size int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the plan's %d changes take %d bytes, and policies are asked about at most %d: "+
		"split the module into several resources", e.Changes, e.Size, MaxInput)
}

// Input is the input of policies of kind plan, as the schema
// policy-input-plan.json says it. Asked twice with the same q it is the same,
// and so is the decision. *TooLargeError: it cannot be asked.
func Input(p *Plan, hidden []string, q Question) (map[string]any, error) {
	changes := Changes(p, hidden)
	doc, cut := Document(p, hidden)
	if cut == nil {
		cut = []string{}
	}
	if size(changes) > MaxDocument {
		for i := range changes {
			changes[i].Cut += len(changes[i].Fields)
			changes[i].Fields = nil
		}
		cut = append(cut, "changes: fields")
	}
	in := map[string]any{
		"project":     q.Project,
		"environment": map[string]any{"name": q.Environment, "type": q.EnvironmentType},
		"resource":    q.Resource, "definition": q.Definition, "stack": q.Stack, "run": q.Run,
		"operation": q.Operation, "engine": q.Engine, "actor": q.Actor, "reason": q.Reason,
		"time": q.Time.UTC().Format(time.RFC3339Nano), "planDigest": q.PlanDigest,
		"counts": Count(changes), "changes": changes, "providers": Providers(p),
		"plan": doc, "cut": cut,
	}
	if n := size(in); n > MaxInput {
		return nil, &TooLargeError{Changes: len(changes), Size: n}
	}
	return in, nil
}

// Providers are the names of the providers that the plan uses or configures.
func Providers(p *Plan) []string {
	names := map[string]bool{}
	for _, c := range p.ResourceChanges {
		names[c.ProviderName] = true
	}
	for _, c := range p.ResourceDrift {
		names[c.ProviderName] = true
	}
	if p.Config != nil {
		for _, c := range p.Config.ProviderConfigs {
			if c != nil {
				names[c.FullName] = true
			}
		}
	}
	delete(names, "")
	return sortedNames(names)
}
