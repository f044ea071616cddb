package environment

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
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
