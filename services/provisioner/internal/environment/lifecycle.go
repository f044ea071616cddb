package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
)

// Wish is how somebody wants an environment to be.
type Wish struct {
	Project   string
	Name      string
	Type      string
	TTL       string // "48h"; the type's default when empty
	Resources map[string]definition.Need
}

// wishInput is the input of the saga "environment".
type wishInput struct {
	scopeInput
	Change bool                       `json:"change,omitempty"` // it is there already
	Type   string                     `json:"type"`
	TTL    document.Duration          `json:"ttl,omitempty"`
	Spec   map[string]definition.Need `json:"spec,omitempty"`
	Names  map[string]string          `json:"names,omitempty"`
	Keys   []KeyAfter                 `json:"keys,omitempty"`
}

// check says what is wrong with a wish, and makes its graph.
func (e *Environments) check(ctx context.Context, w Wish) (wishInput, graph.Graph, error) {
	in := wishInput{scopeInput: scopeInput{Project: w.Project, Environment: w.Name, Claim: OwnClaim}, Spec: w.Resources}
	if err := checkProject(w.Project); err != nil {
		return in, graph.Graph{}, err
	}
	if err := CheckName("environment", w.Name); err != nil {
		return in, graph.Graph{}, httpapi.Unprocessable(httpapi.Fault{Pointer: "/name", Message: err.Error()})
	}
	var err error
	if in.Type, in.TTL, err = e.typeAndTTL(ctx, w.Type, w.TTL); err != nil {
		return in, graph.Graph{}, err
	}
	g, err := e.Graph(ctx, graph.Request{Project: w.Project, Environment: w.Name, EnvironmentType: in.Type, Resources: w.Resources})
	in.Names, in.Keys = namesOf(g), keysOf(g)
	return in, g, err
}

// checkProject refuses what cannot be the project of an environment. Whether
// there is such a project is the policy service's to know.
func checkProject(project string) error {
	if err := events.CheckProject(project); err != nil || project == events.Org {
		return httpapi.BadRequest(fmt.Sprintf("%q is not a project that has environments.", project))
	}
	return nil
}

// CheckWish says what is wrong with a wish without changing anything.
func (e *Environments) CheckWish(ctx context.Context, w Wish) error {
	_, _, err := e.check(ctx, w)
	return err
}

// Create starts the saga that makes an environment. id makes it repeatable.
func (e *Environments) Create(ctx context.Context, cause events.Cause, id string, w Wish) (saga.Saga, error) {
	if v, err := e.sagas.Get(ctx, "env-"+id); err == nil {
		return v.State, nil // the same request once more
	}
	in, g, err := e.check(ctx, w)
	if err != nil {
		return saga.Saga{}, err
	}
	env, err := e.load(ctx, w.Project, w.Name)
	if err != nil {
		return saga.Saga{}, err
	}
	if env.Status.There() {
		return saga.Saga{}, conflict("Environment %s is there already (%s). Choose another name, or apply a document to change it.", w.Name, env.Status)
	}
	return e.startWish(ctx, cause, "env-"+id, env, in, g)
}

func (e *Environments) startWish(ctx context.Context, cause events.Cause, id string, env Environment, in wishInput, g graph.Graph) (saga.Saga, error) {
	return e.sagas.Start(ctx, runner.Start{
		ID: id, Definition: sagaEnvironment, Project: in.Project, Subject: in.Environment,
		Input: in, Plan: ensurePlan(env, OwnClaim, g), Cause: inStep(cause),
		Indexes: map[string]string{"environment": ID(in.Project, in.Environment)},
	})
}

// Outcome is what an apply did.
type Outcome struct {
	Created, Changed bool
	Saga             string // that is at work; "" where nothing takes time
}

// Apply makes an environment as a document says: created, changed or left.
func (e *Environments) Apply(ctx context.Context, cause events.Cause, id string, w Wish) (Outcome, error) {
	env, err := e.load(ctx, w.Project, w.Name)
	if err != nil {
		return Outcome{}, err
	}
	if !env.Status.There() {
		s, err := e.Create(ctx, cause, id, w)
		return Outcome{Created: true, Changed: true, Saga: s.ID}, err
	}
	in, g, err := e.check(ctx, w)
	switch {
	case err != nil:
		return Outcome{}, err
	case in.Type != env.Type:
		return Outcome{}, conflict("Environment %s is of type %s; a type cannot be changed.", env.Name, env.Type)
	case env.Status == Deleting:
		return Outcome{}, conflict("Environment %s is being deleted.", env.Name)
	}
	out := Outcome{}
	if in.TTL != env.TTL {
		if err := e.setTTL(ctx, cause, w.Project, w.Name, in.TTL); err != nil {
			return out, err
		}
		out.Changed = true
	}
	own := env.Claims[OwnClaim]
	if digest(nonNil(env.Spec)) == digest(nonNil(w.Resources)) && (own != nil || len(w.Resources) == 0) {
		return out, nil
	}
	in.Change = true
	s, err := e.startWish(ctx, cause, "env-"+id, env, in, g)
	return Outcome{Changed: true, Saga: s.ID}, err
}

func nonNil(m map[string]definition.Need) map[string]definition.Need {
	if m == nil {
		return map[string]definition.Need{}
	}
	return m
}

func (e *Environments) reserveEnvironment(ctx context.Context, c saga.Call) (saga.Result, error) {
	var in wishInput
	if err := json.Unmarshal(c.SagaInput, &in); err != nil {
		return saga.Result{}, saga.Fail(err)
	}
	var busy string
	_, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		busy = ""
		own := env.Claims[OwnClaim]
		if own != nil && own.Saga == c.SagaID {
			return nil, errUnchanged // before a crash
		}
		now := e.cfg.Clock().UTC()
		switch {
		case !in.Change && env.Status.There():
			return nil, saga.Fail(fmt.Errorf("environment %s is there already (%s)", env.Name, env.Status))
		case in.Change && env.Status != Ready:
			return nil, saga.Fail(fmt.Errorf("environment %s is not ready to be changed (%s)", env.Name, env.Status))
		case own != nil && own.Status != Held:
			busy = own.Saga
			return nil, errUnchanged
		case in.Change:
			env.Previous = &Previous{Spec: env.Spec}
			env.Saga = c.SagaID
		default:
			env.begin(c, in.Type, in.TTL, now)
		}
		env.Spec = in.Spec
		env.Claims[OwnClaim] = &Claim{
			Status: Ensuring, Saga: c.SagaID, Names: in.Names, Keys: in.Keys, Since: now, Before: own, Digest: digest(in.Spec),
		}
		return nil, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	if busy != "" {
		return wait(e.cfg.Clock(), in.Environment, busy), nil
	}
	return saga.Result{Note: "environment " + in.Environment + " reserved"}, nil
}

func (e *Environments) abandonEnvironment(ctx context.Context, c saga.Call) (saga.Result, error) {
	var in wishInput
	if err := json.Unmarshal(c.SagaInput, &in); err != nil {
		return saga.Result{}, saga.Fail(err)
	}
	note := ""
	_, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		note = "nothing to undo: it never was"
		own := env.Claims[OwnClaim]
		if own == nil || own.Saga != c.SagaID {
			return nil, errUnchanged
		}
		delete(env.Claims, OwnClaim)
		if own.Before != nil {
			env.Claims[OwnClaim] = own.Before
		}
		if in.Change {
			note = "put back as it was"
			if env.Previous != nil {
				env.Spec, env.Previous = env.Previous.Spec, nil
			}
			return nil, nil
		}
		note = "environment gone"
		env.end()
		return nil, nil
	})
	return saga.Result{Note: note}, err
}

func (e *Environments) settleEnvironment(ctx context.Context, c saga.Call) (saga.Result, error) {
	var in wishInput
	if err := json.Unmarshal(c.SagaInput, &in); err != nil {
		return saga.Result{}, saga.Fail(err)
	}
	_, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		own := env.Claims[OwnClaim]
		if own == nil || own.Saga != c.SagaID {
			return nil, saga.Fail(fmt.Errorf("environment %s was taken away", in.Environment))
		}
		if own.Status == Held {
			return nil, errUnchanged
		}
		env.settle(OwnClaim, c.SagaID)
		env.Previous = nil
		if in.Change {
			return drafts(env.modified(c.SagaID, "its resources changed"))
		}
		env.Status = Ready
		return drafts(env.created(c.SagaID))
	})
	return saga.Result{Note: fmt.Sprintf("ready with %d resources", len(in.Names))}, err
}

// deleteInput is the input of the saga "environment-delete".
type deleteInput struct {
	scopeInput
	Force     bool `json:"force,omitempty"`     // though workloads have claims
	Unprotect bool `json:"unprotect,omitempty"` // though a definition protects a resource
}

// Delete starts the saga that destroys an environment and all that is in it.
func (e *Environments) Delete(ctx context.Context, cause events.Cause, id, project, name string, force bool) (saga.Saga, error) {
	if v, err := e.sagas.Get(ctx, "env-"+id); err == nil {
		return v.State, nil
	}
	v, err := e.Get(ctx, project, name)
	if errors.Is(err, store.ErrNotFound) {
		return saga.Saga{}, httpapi.NotFound("environment", name, "")
	}
	if err != nil {
		return saga.Saga{}, err
	}
	if v.State.Status != Ready {
		return saga.Saga{}, conflict("Environment %s is %s by saga %s; wait for its end, or abort it.", name, v.State.Status, v.State.Saga)
	}
	in := deleteInput{scopeInput: scopeInput{Project: project, Environment: name, Reason: "deleted"}, Force: force, Unprotect: force}
	if err := v.State.mayClose(in); err != nil {
		return saga.Saga{}, conflict("%s. To delete it all the same, use force.", err)
	}
	return e.startDelete(ctx, cause, "env-"+id, v.State, in)
}

func (e *Environments) startDelete(ctx context.Context, cause events.Cause, id string, env Environment, in deleteInput) (saga.Saga, error) {
	keys := env.allKeys()
	return e.sagas.Start(ctx, runner.Start{
		ID: id, Definition: sagaDelete, Project: env.Project, Subject: env.Name, Input: in, Cause: inStep(cause),
		Plan:    closingPlan(keys, kindDestroy, saga.PlannedStep{ID: kindClose, Kind: kindClose, Title: "environment " + env.Name, Input: keys}),
		Indexes: map[string]string{"environment": ID(env.Project, env.Name)},
	})
}

// mayClose says what speaks against deleting.
func (env *Environment) mayClose(in deleteInput) error {
	if !in.Force {
		for _, claim := range sortedKeys(env.Claims) {
			if c := env.Claims[claim]; claim != OwnClaim {
				return fmt.Errorf("workload %s runs in environment %s", c.Workload, env.Name)
			}
		}
	}
	if !in.Unprotect {
		for _, key := range sortedKeys(env.Resources) {
			if r := env.Resources[key]; r.Applied != nil && r.Applied.Protect {
				return fmt.Errorf("resource %s is protected by definition %s", key, r.Applied.Definition)
			}
		}
	}
	return nil
}

// allKeys is every resource that is there, with what it depends on.
func (env *Environment) allKeys() []KeyAfter {
	after := map[string][]string{}
	for _, c := range env.Claims {
		for ; c != nil; c = c.Before {
			for _, k := range c.Keys {
				after[k.Key] = append(after[k.Key], k.After...)
			}
		}
	}
	var out []KeyAfter
	for _, key := range sortedKeys(env.Resources) {
		deps := slices.Clone(after[key])
		slices.Sort(deps)
		out = append(out, KeyAfter{Key: key, After: slices.Compact(deps)})
	}
	return out
}

// closeEnvironment lets nobody in any more, once nobody is on the way.
func (e *Environments) closeEnvironment(ctx context.Context, c saga.Call) (saga.Result, error) {
	var in deleteInput
	var planned []KeyAfter
	if err := errors.Join(json.Unmarshal(c.SagaInput, &in), json.Unmarshal(c.Input, &planned)); err != nil {
		return saga.Result{}, saga.Fail(err)
	}
	var busy string
	_, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		busy = ""
		if env.Status == Deleting && env.Saga == c.SagaID {
			return nil, errUnchanged
		}
		if env.Status != Ready {
			return nil, saga.Fail(fmt.Errorf("environment %s is %s", env.Name, env.Status))
		}
		for _, cl := range env.Claims {
			if cl.Status != Held {
				busy = cl.Saga
				return nil, errUnchanged
			}
		}
		if err := env.mayClose(in); err != nil {
			return nil, saga.Fail(err)
		}
		if digest(env.allKeys()) != digest(planned) {
			return nil, saga.Fail(fmt.Errorf("the resources of environment %s changed after this was planned; delete it again", env.Name))
		}
		env.Status, env.Saga = Deleting, c.SagaID
		return nil, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	if busy != "" {
		return wait(e.cfg.Clock(), in.Environment, busy), nil
	}
	return saga.Result{Note: "environment " + in.Environment + " closed"}, nil
}

func (e *Environments) reopenEnvironment(ctx context.Context, c saga.Call) (saga.Result, error) {
	in, err := decode(c, nil)
	if err != nil {
		return saga.Result{}, err
	}
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		if env.Status != Deleting || env.Saga != c.SagaID {
			return nil, errUnchanged
		}
		env.Status = Ready
		return nil, nil
	})
	return saga.Result{Note: "open as before"}, err
}

func (e *Environments) finishDelete(ctx context.Context, c saga.Call) (saga.Result, error) {
	in, err := decode(c, nil)
	if err != nil {
		return saga.Result{}, err
	}
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		if env.Status != Deleting || env.Saga != c.SagaID {
			return nil, errUnchanged
		}
		gone, err := env.deleted(c.SagaID, in.Reason)
		if err != nil {
			return nil, err
		}
		for claim := range env.Claims {
			if claim != OwnClaim {
				env.Released[claim] = e.cfg.Clock().UTC()
			}
		}
		env.end()
		env.Claims, env.Resources = nil, nil
		return []events.Draft{gone}, nil
	})
	return saga.Result{Note: "environment " + in.Environment + " gone"}, err
}

// PlannedStep is one step of a plan that nobody has begun.
type PlannedStep struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	Title      string   `json:"title,omitempty"`
	After      []string `json:"after,omitempty"`
	Action     string   `json:"action,omitempty"` // create, change or unchanged, as the driver says
	Definition string   `json:"definition,omitempty"`
	Driver     string   `json:"driver,omitempty"`
	Summary    string   `json:"summary,omitempty"`
	Undo       string   `json:"undo"`
}

// Plan is what Create would do, and how each step would be undone.
func (e *Environments) Plan(ctx context.Context, w Wish) ([]PlannedStep, error) {
	_, g, err := e.check(ctx, w)
	if err != nil {
		return nil, err
	}
	env, err := e.load(ctx, w.Project, w.Name)
	if err != nil {
		return nil, err
	}
	plan := ensurePlan(env, OwnClaim, g)
	out := []PlannedStep{}
	for _, st := range plan.Steps {
		p := PlannedStep{ID: st.ID, Kind: st.Kind, Title: st.Title, After: st.After}
		switch st.Kind {
		case kindReserve:
			p.Undo = "the environment is gone"
		case kindSettle:
			p.Undo = "nothing to undo"
		case kindChange:
			p.Undo = "put back as it was"
		case kindCreate:
			p.Undo = "destroyed"
		case kindDrop:
			p.Undo = "cannot be undone: it comes last"
		}
		if n, ok := st.Input.(graph.Node); ok {
			p.Definition, p.Driver = n.Definition, n.Driver
			if drv := e.cfg.Drivers[n.Driver]; drv != nil {
				dp, err := drv.Plan(ctx, driver.Request{Ref: refOf(Environment{Project: w.Project, Name: w.Name}, n.Key, n.Kind), Inputs: n.Inputs})
				if err != nil {
					return nil, httpapi.Unprocessable(httpapi.Fault{Pointer: "/resources/" + n.Name, Message: err.Error()})
				}
				p.Action, p.Summary = string(dp.Action), dp.Summary
			}
		}
		out = append(out, p)
	}
	return out, nil
}
