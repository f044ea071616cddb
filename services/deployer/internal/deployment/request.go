package deployment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
)

// DefaultType is the type of an environment that nobody gave one.
const DefaultType = "development"

// Request asks for a workload to run somewhere.
type Request struct {
	ID              string // of the deployment; begins with Prefix
	Project         string
	Environment     string
	EnvironmentType string // "": what the environment has, or DefaultType
	Workload        string
	Artifact        string // NAME:VERSION or NAME@sha256:…; "": the newest of the workload's name
	Strategy        string // "": BlueGreen
	Reason          string
	RollbackTo      string
	PipelineRun     string
	Commit          string
}

// InvalidError says what is wrong with a request. Field is its JSON name.
type InvalidError struct{ Field, Message, Hint string }

func (e *InvalidError) Error() string {
	s := e.Field + ": " + e.Message
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Preview is what a deployment would do.
type Preview struct {
	Summary     string       `json:"summary"` // orders → dev    set 9c41f2 (was 77ab03)
	Input       Input        `json:"input"`
	Steps       []PlanStep   `json:"steps"`
	Set         string       `json:"set"`
	PreviousSet string       `json:"previousSet,omitempty"`
	Changes     []set.Change `json:"changes"`
	WaitsFor    []string     `json:"waitsFor,omitempty"` // deployments that go first
	// Resources are what the provisioner would do for the step resources, in
	// this order, and the undo of each. ResourcesProblem says why there is no
	// such plan, or what would keep them from being made.
	Resources        []provisioner.PlannedResource `json:"resources,omitempty"`
	ResourcesProblem string                        `json:"resourcesProblem,omitempty"`
}

// PlanStep is a step of a plan with its undo.
type PlanStep struct {
	ID          string `json:"id"`
	Description string `json:"description"`
	Undo        string `json:"undo"`
}

// Deploy starts a deployment, or returns the one that has this id. Errors:
// *InvalidError, *artifact.UnknownError, *score.InvalidError.
func (d *Deployments) Deploy(ctx context.Context, r Request, cause events.Cause) (saga.Saga, error) {
	if v, err := d.runner.Get(ctx, r.ID); err == nil {
		return v.State, nil // asked for before; what it needs may be gone since
	} else if !errors.Is(err, store.ErrNotFound) {
		return saga.Saga{}, err
	}
	in, w, err := d.resolve(ctx, r, cause)
	if err != nil {
		return saga.Saga{}, err
	}
	s, err := d.environment(ctx, in.Project, in.Environment)
	if err != nil {
		return saga.Saga{}, err
	}
	if _, _, err := d.foresee(ctx, s, &in); err != nil {
		return saga.Saga{}, err
	}
	requested, err := deployer.DeploymentRequested.Draft(in.Project, in.Subject(), deployer.DeploymentRequestedData{
		Deployment: facts(r.ID, in, Admitted{}), Reason: in.Reason,
	})
	if err != nil {
		return saga.Saga{}, err
	}
	return d.runner.Start(ctx, runner.Start{
		ID: r.ID, Definition: DefinitionName, Project: in.Project, Subject: in.Subject(), Input: in, Plan: plan(in, w), Cause: cause,
		Indexes: map[string]string{"environment": environment.ID(in.Project, in.Environment), "workload": in.Project + "/" + in.Workload},
		Events:  []events.Draft{requested},
	})
}

// Plan says what Deploy would do, and does nothing.
func (d *Deployments) Plan(ctx context.Context, r Request, cause events.Cause) (Preview, error) {
	in, w, err := d.resolve(ctx, r, cause)
	if err != nil {
		return Preview{}, err
	}
	s, err := d.environment(ctx, in.Project, in.Environment)
	if err != nil {
		return Preview{}, err
	}
	current, next, err := d.foresee(ctx, s, &in)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Input: in, Set: in.PlannedSet, PreviousSet: s.Current, Changes: set.Diff(current, next)}
	p.Summary = in.Workload + " → " + in.Environment + "    set " + set.Short(p.Set)
	if p.PreviousSet != "" {
		p.Summary += " (was " + set.Short(p.PreviousSet) + ")"
	}
	if s.Active != "" {
		p.WaitsFor = append([]string{s.Active}, s.Queue...)
	}
	for _, st := range plan(in, w).Steps {
		p.Steps = append(p.Steps, PlanStep{ID: st.ID, Description: describe(st.Kind, in, w), Undo: undoOf(st.Kind)})
	}
	d.foreseeResources(ctx, r.ID, in, w, &p)
	return p, nil
}

// foreseeResources asks the provisioner what the step resources would do. That
// it cannot say is no reason to show nothing.
func (d *Deployments) foreseeResources(ctx context.Context, claim string, in Input, w score.Workload, p *Preview) {
	if d.PlanResources == nil {
		return
	}
	planned, err := d.PlanResources(ctx, provisioner.EnsureResourcesData{
		Request: provisioner.Request{Claim: claim}, Project: in.Project, Environment: in.Environment,
		EnvironmentType: in.EnvironmentType, Workload: in.Workload, Resources: resourcesOf(w),
	})
	if err != nil {
		p.ResourcesProblem = err.Error()
		return
	}
	p.Resources = planned.Steps
}

// foresee notes which set a deployment will lead to, if nothing goes before it.
func (d *Deployments) foresee(ctx context.Context, s environment.State, in *Input) (current, next set.Set, err error) {
	if current, err = d.current(ctx, s); err != nil {
		return current, next, err
	}
	next = current.Apply(delta(*in))
	in.PlannedSet, err = next.Digest()
	in.PlannedFrom = s.Current
	return current, next, err
}

// Rollback is the request that goes back to an older set of an environment; to
// may be "", which means the last one in which the workload was another.
func (d *Deployments) Rollback(ctx context.Context, r Request, to string) (Request, error) {
	s, err := d.environment(ctx, r.Project, r.Environment)
	if err != nil {
		return r, err
	}
	now, ok := s.Running[r.Workload]
	if !ok {
		return r, &InvalidError{Field: "workload", Message: fmt.Sprintf("%s does not run in %s, so there is nothing to go back from", r.Workload, r.Environment),
			Hint: "slipway deploy " + r.Workload + " --env " + r.Environment}
	}
	entry, digest, err := d.older(ctx, s, r.Workload, now, to)
	if err != nil {
		return r, err
	}
	r.Artifact, r.Reason, r.RollbackTo = entry.Artifact, ReasonRollback, digest
	return r, nil
}

func (d *Deployments) older(ctx context.Context, s environment.State, workload string, now environment.Running, to string) (set.Entry, string, error) {
	if to != "" {
		found, err := d.Sets.Find(ctx, s.Project, s.Name, to)
		if err != nil {
			return set.Entry{}, "", &InvalidError{Field: "to", Message: err.Error(), Hint: "slipway get deployment-sets"}
		}
		entry, ok := found.Set.Workloads[workload]
		if !ok {
			return set.Entry{}, "", &InvalidError{Field: "to", Message: fmt.Sprintf("set %s holds no workload %s", set.Short(found.Digest), workload)}
		}
		return entry, found.Digest, nil
	}
	for _, past := range slices.Backward(s.History) {
		one, err := d.Sets.Get(ctx, past.Set)
		if err != nil {
			return set.Entry{}, "", err
		}
		if entry, ok := one.Workloads[workload]; ok && entry.Artifact != now.Artifact {
			return entry, past.Set, nil
		}
	}
	return set.Entry{}, "", &InvalidError{Field: "to", Message: fmt.Sprintf("no other artifact of %s ran in %s before", workload, s.Name),
		Hint: "name one: slipway deploy " + workload + " --env " + s.Name + " --artifact REF"}
}

// environment is what is known of one; nothing at all for one not yet seen.
func (d *Deployments) environment(ctx context.Context, project, name string) (environment.State, error) {
	v, err := d.Environments.Get(ctx, environment.ID(project, name))
	if errors.Is(err, store.ErrNotFound) {
		return environment.State{Project: project, Name: name}, nil
	}
	return v.State, err
}

// resolve turns a request into what is to be done, or says what is wrong.
func (d *Deployments) resolve(ctx context.Context, r Request, cause events.Cause) (Input, score.Workload, error) {
	in := Input{
		Project: r.Project, Environment: r.Environment, EnvironmentType: r.EnvironmentType, Workload: r.Workload,
		Strategy: r.Strategy, Reason: r.Reason, RollbackTo: r.RollbackTo, PipelineRun: r.PipelineRun, Commit: r.Commit, Actor: cause.Actor,
	}
	for field, name := range map[string]string{"workload": r.Workload, "environment": r.Environment} {
		if artifact.ValidName(name) != nil {
			return in, score.Workload{}, &InvalidError{Field: field, Message: fmt.Sprintf("%q is not a name", name), Hint: "a-z, 0-9 and - inside, at most 63"}
		}
	}
	switch in.Strategy {
	case "":
		in.Strategy = BlueGreen
	case BlueGreen, Recreate:
	default:
		return in, score.Workload{}, &InvalidError{Field: "strategy", Message: fmt.Sprintf("there is no strategy %q", in.Strategy), Hint: "blue-green or recreate"}
	}
	s, err := d.environment(ctx, r.Project, r.Environment)
	if err != nil {
		return in, score.Workload{}, err
	}
	switch {
	case s.Type != "":
		in.EnvironmentType = s.Type // an environment does not change its type by being deployed to
	case in.EnvironmentType == "":
		in.EnvironmentType = DefaultType
	}
	a, err := d.findArtifact(ctx, r)
	if err != nil {
		return in, score.Workload{}, err
	}
	in.Artifact, in.Version, in.ScoreDigest = a.Ref(), a.Tag(), a.ScoreDigest
	w, err := loadScore(a)
	if err != nil {
		return in, w, err
	}
	if w.Name != r.Workload {
		return in, w, &InvalidError{Field: "artifact", Message: fmt.Sprintf("%s is an artifact of workload %q, and this is to be %q", a.Tag(), w.Name, r.Workload),
			Hint: "its score.yaml says so in metadata.name"}
	}
	if faults := d.Target.Check(w); len(faults) > 0 {
		for i := range faults {
			faults[i].Source = a.Tag() + "/score.yaml"
		}
		return in, w, &score.InvalidError{Faults: faults}
	}
	return in, w, nil
}

func (d *Deployments) findArtifact(ctx context.Context, r Request) (artifact.Artifact, error) {
	if r.Artifact == "" {
		newest, _, err := d.Artifacts.List(ctx, r.Project, r.Workload, 1, "")
		if err != nil {
			return artifact.Artifact{}, err
		}
		if len(newest) == 0 {
			return artifact.Artifact{}, &artifact.UnknownError{Project: r.Project, Reference: artifact.Reference{Name: r.Workload, Version: "…"}}
		}
		return newest[0], nil
	}
	ref, err := artifact.ParseReference(r.Artifact)
	if err != nil {
		return artifact.Artifact{}, &InvalidError{Field: "artifact", Message: err.Error()}
	}
	return d.Artifacts.Resolve(ctx, r.Project, ref)
}
