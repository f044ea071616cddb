package provisioner

import "github.com/slipway-idp/slipway/events"

// RunPlanned is published when a run has a plan to be looked at, and policy has
// spoken about it. Subject: <stack>/<run>.
var RunPlanned = events.Define[RunPlannedData]("provisioner.run.planned", 1)

// RunFinished is published when a run ended. Subject: <stack>/<run>.
var RunFinished = events.Define[RunFinishedData]("provisioner.run.finished", 1)

// RunRef says what a run was for.
type RunRef struct {
	Environment string `json:"environment,omitempty"`
	Resource    string `json:"resource,omitempty"` // its key in the environment
	Definition  string `json:"definition,omitempty"`
	Engine      string `json:"engine,omitempty"` // tofu or terraform
	Saga        string `json:"saga,omitempty"`   // that asked for it, and its step
	Step        string `json:"step,omitempty"`
}

// RunPlannedData sums up a plan; the plan itself is read by DataRef.
type RunPlannedData struct {
	Run        string `json:"run"`
	Stack      string `json:"stack"`
	Project    string `json:"project"`
	Kind       string `json:"kind"`       // apply, destroy, plan (a dry run) or drift
	PlanDigest string `json:"planDigest"` // what an approval binds to
	Add        int    `json:"add"`
	Change     int    `json:"change"`
	Destroy    int    `json:"destroy"`
	DataRef    string `json:"dataref,omitempty"`
	RunRef
	Replace  int         `json:"replace,omitempty"`
	Changes  []RunChange `json:"changes,omitempty"`  // at most 50
	Omitted  int         `json:"omitted,omitempty"`  // how many further ones there are
	Decision string      `json:"decision,omitempty"` // id of the policy's decision
	Result   string      `json:"result,omitempty"`   // of it: allow, deny or needs-approval
}

// RunChange is what happens to one resource of an engine. No secret is in it.
type RunChange struct {
	Address string           `json:"address"` // module.shelf["a"].aws_s3_bucket.b[0]
	Type    string           `json:"type,omitempty"`
	Action  string           `json:"action"`           // add, change, replace, destroy, read, none or forget
	Fields  []RunFieldChange `json:"fields,omitempty"` // of drift: in what it differs; at most 20
}

// RunFieldChange is one value that differs: a JSON value, or "(secret)".
type RunFieldChange struct {
	Path   string `json:"path"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// RunFinishedData says how a run ended.
type RunFinishedData struct {
	Run        string `json:"run"`
	Stack      string `json:"stack"`
	Project    string `json:"project"`
	Kind       string `json:"kind"`
	Result     string `json:"result"` // applied, destroyed, unchanged, planned, discarded or failed
	Reason     string `json:"reason,omitempty"`
	DurationMs int64  `json:"durationMs,omitempty"`
	RunRef
	Add        int      `json:"add,omitempty"` // of the plan; what became of a failed one is in Made
	Change     int      `json:"change,omitempty"`
	Replace    int      `json:"replace,omitempty"`
	Destroy    int      `json:"destroy,omitempty"`
	Decision   string   `json:"decision,omitempty"`   // id of the policy's decision
	ApprovedBy string   `json:"approvedBy,omitempty"` // who let it go on, where that was needed
	Made       []string `json:"made,omitempty"`       // addresses that a failed run left behind; at most 50
	Unresolved []string `json:"unresolved,omitempty"` // addresses of which nobody knows whether they exist
	DataRef    string   `json:"dataref,omitempty"`
}
