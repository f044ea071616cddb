// Package deployment brings an artifact into an environment and takes it back
// when it does not work. It is one saga per deployment: see plan.go for its
// steps, and one file per part of it.
package deployment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/traffic"
)

// DefinitionName names the saga; Prefix begins its ids.
const (
	DefinitionName = "deployment"
	Prefix         = "dpl-"
)

// The strategies that there are.
const (
	BlueGreen = "blue-green"
	Recreate  = "recreate"
)

// Why a deployment was asked for.
const (
	ReasonRequest  = "request"
	ReasonPipeline = "pipeline"
	ReasonRollback = "rollback"
)

// Input is what a deployment is asked to do. It is the saga's input.
type Input struct {
	Project         string `json:"project"`
	Environment     string `json:"environment"`
	EnvironmentType string `json:"environmentType"`
	Workload        string `json:"workload"`
	Artifact        string `json:"artifact"` // orders@sha256:…
	Version         string `json:"version"`  // orders:1.4.0
	ScoreDigest     string `json:"scoreDigest"`
	Strategy        string `json:"strategy"`
	Reason          string `json:"reason"`
	RollbackTo      string `json:"rollbackTo,omitempty"` // the set that is gone back to
	PipelineRun     string `json:"pipelineRun,omitempty"`
	Commit          string `json:"commit,omitempty"`
	Actor           string `json:"actor,omitempty"`
	// What it would lead to and from, when it was asked for; the step admit
	// says what it is.
	PlannedSet  string `json:"plannedSet,omitempty"`
	PlannedFrom string `json:"plannedFrom,omitempty"`
}

// Subject names the deployment in events: dev/orders.
func (in Input) Subject() string { return in.Environment + "/" + in.Workload }

// What the steps give. Each is its step's output.
type (
	// Admitted is what a deployment is in the line of its environment.
	Admitted struct {
		Set         string               `json:"set"`
		PreviousSet string               `json:"previousSet,omitempty"`
		Instance    string               `json:"instance"` // that it brings
		Name        string               `json:"name"`     // orders.3
		Previous    *environment.Running `json:"previous,omitempty"`
		Changes     []set.Change         `json:"changes,omitempty"`
	}
	// Decided is what policy said.
	Decided struct {
		Decision string           `json:"decision,omitempty"`
		Result   string           `json:"result"`
		Reasons  []DecisionReason `json:"reasons,omitempty"`
	}
	// Resourced is what the provisioner gave.
	Resourced struct {
		Outputs score.Outputs `json:"outputs"`
	}
	// Started is what the target gave.
	Started struct {
		Addr string `json:"addr,omitempty"`
	}
	// Verified is how the instance came up, or why it did not.
	Verified struct {
		Addr         string   `json:"addr,omitempty"`
		ReadyAfterMs int64    `json:"readyAfterMs,omitempty"`
		Reason       string   `json:"reason,omitempty"`
		LogTail      []string `json:"logTail,omitempty"`
	}
)

// Results of a policy decision.
const (
	Allow         = "allow"
	Deny          = "deny"
	NeedsApproval = "needs-approval"
)

// DecisionReason is what one rule of one policy had to say.
type DecisionReason struct {
	Policy   string `json:"policy"`
	Rule     string `json:"rule,omitempty"`
	Line     int    `json:"line,omitempty"` // of the rule in its policy
	Message  string `json:"message"`
	Resource string `json:"resource,omitempty"`
}

// Question is put to policy.
type Question struct {
	ID, Project, Subject string
	Input                any
	Cause                events.Cause
}

// Parts are what deployments work with.
type Parts struct {
	Environments *aggregate.Repository[environment.State]
	Sets         *Sets
	Artifacts    *artifact.Store
	Target       target.Target
	Traffic      *traffic.Router
	// Decide asks policy. An error means "undecided": it is asked again.
	Decide func(context.Context, Question) (Decided, error)
	// PlanResources asks the provisioner, for a dry run, what it would do; nil
	// where nobody can be asked.
	PlanResources func(context.Context, provisioner.EnsureResourcesData) (provisioner.PlannedResources, error)
	// Secrets gives values by name; all of them, or an error.
	Secrets func(ctx context.Context, project string, names []string) (map[string]string, error)
	Clock   func() time.Time
	Log     zerolog.Logger
	// Ask is how soon what is undecided is asked again; 2 s where it is 0.
	Ask time.Duration
}

// Deployments starts deployments and carries them out.
type Deployments struct {
	Parts
	runner *runner.Runner
	locks  locks
}

// New makes Deployments; Attach gives them the runner that their Definition
// was registered with.
func New(p Parts) *Deployments {
	if p.Ask == 0 {
		p.Ask = 2 * time.Second
	}
	return &Deployments{Parts: p}
}

// Attach sets the runner.
func (d *Deployments) Attach(r *runner.Runner) { d.runner = r }

// InstanceID is the instance that a deployment brings: the same at every
// attempt, so that it is found again.
func InstanceID(in Input, deployment string) string {
	sum := sha256.Sum256([]byte(in.Project + "\n" + in.Environment + "\n" + in.Workload + "\n" + deployment))
	return in.Workload + "-" + hex.EncodeToString(sum[:6])
}

// call is a saga's call with what it is about.
type call struct {
	saga.Call
	in Input
}

func open(c saga.Call) (call, error) {
	out := call{Call: c}
	if err := json.Unmarshal(c.SagaInput, &out.in); err != nil {
		return out, saga.Fail(fmt.Errorf("input of deployment %s: %w", c.SagaID, err))
	}
	return out, nil
}

// output reads what an earlier step gave; false where it gave nothing.
func (c call) output(step string, into any) (bool, error) {
	raw, ok := c.Outputs[step]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, saga.Fail(fmt.Errorf("output of step %s of deployment %s: %w", step, c.SagaID, err))
	}
	return true, nil
}

func (c call) admitted() (Admitted, bool, error) {
	var a Admitted
	ok, err := c.output(StepAdmit, &a)
	return a, ok, err
}

// cause is the story's, for what a step commits. It carries no consumer: a
// step may be called again and must then commit again.
func (c call) cause() events.Cause {
	return events.Cause{ID: c.Cause.ID, CorrelationID: c.Cause.CorrelationID, Actor: c.Cause.Actor, TraceParent: c.Cause.TraceParent}
}

func (c call) environmentID() string { return environment.ID(c.in.Project, c.in.Environment) }

// locks is a mutex per environment: what is routed and what is kept alive
// there change one at a time.
type locks struct {
	mu sync.Mutex
	by map[string]*sync.Mutex
}

func (l *locks) lock(key string) (unlock func()) {
	l.mu.Lock()
	if l.by == nil {
		l.by = map[string]*sync.Mutex{}
	}
	m := l.by[key]
	if m == nil {
		m = &sync.Mutex{}
		l.by[key] = m
	}
	l.mu.Unlock()
	m.Lock()
	return m.Unlock
}
