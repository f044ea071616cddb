package provisioner

import "encoding/json"

// PlanSubject is where the provisioner is asked, for a dry run, what
// EnsureResources would do: the request is its data, the answer is
// PlannedResources. Nothing is done, and nothing is kept but the runs that
// planned.
const PlanSubject = "rpc.provisioner.plan"

// PlannedResources are the steps that would be taken, and the undo of each.
type PlannedResources struct {
	Steps []PlannedResource `json:"steps"`
}

// PlannedResource is one step of it.
type PlannedResource struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Title      string          `json:"title,omitempty"`
	After      []string        `json:"after,omitempty"`
	Action     string          `json:"action,omitempty"` // create, change, unchanged or unknown
	Definition string          `json:"definition,omitempty"`
	Driver     string          `json:"driver,omitempty"`
	Summary    string          `json:"summary,omitempty"`
	Run        string          `json:"run,omitempty"`     // that planned it, where an engine did
	Changes    json.RawMessage `json:"changes,omitempty"` // of its plan, as a run has them; no secret is in them
	Omitted    int             `json:"omitted,omitempty"` // how many further changes there are
	Undo       string          `json:"undo"`
}
