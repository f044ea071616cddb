package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
)

// ensureInput is the input of the saga "resources".
type ensureInput struct {
	scopeInput
	Type string            `json:"type"`
	TTL  document.Duration `json:"ttl,omitempty"`
}

// Ensure handles the command ensure-resources: it answers at once what it
// already knows, joins a saga that is at work for the claim, or starts one.
func (e *Environments) Ensure(ctx context.Context, cause events.Cause, cmd pe.EnsureResourcesData) error {
	in, g, digest, problem := e.consider(ctx, cmd)
	if problem != nil && !isProblem(problem) {
		return problem // ours, not the asker's: the command comes again
	}
	v, err := e.update(ctx, cmd.Project, cmd.Environment, cause, func(env *Environment) ([]events.Draft, error) {
		if _, fenced := env.Released[cmd.Claim]; fenced {
			return failed(cmd, "claim "+cmd.Claim+" was released; it cannot come back", nil)
		}
		if problem != nil {
			return failed(cmd, problem.Error(), problem)
		}
		if env.Status == Deleting {
			return failed(cmd, fmt.Sprintf("environment %s is being deleted", env.Name), nil)
		}
		c := env.Claims[cmd.Claim]
		switch {
		case c != nil && c.Status == Releasing:
			return failed(cmd, "claim "+cmd.Claim+" is being released", nil)
		case c != nil && c.Status == Ensuring:
			c.await(cmd.Request)
			return nil, nil
		case c != nil && c.Digest == digest:
			return env.ready(cmd.Claim, []pe.Request{cmd.Request}, nil)
		}
		env.Claims[cmd.Claim] = &Claim{
			Workload: cmd.Workload, Status: Ensuring, Digest: digest, Since: e.cfg.Clock().UTC(), Before: c,
			Saga:  derive("res-", cmd.Project, cmd.Environment, cmd.Claim, cmd.SagaID, cmd.StepID, fmt.Sprint(cmd.Attempt), digest),
			Names: namesOf(g), Needs: needsOf(cmd), Keys: keysOf(g), Waiters: []pe.Request{cmd.Request},
		}
		return nil, nil
	})
	if err != nil || problem != nil {
		return err
	}
	// Also after a crash right here: the message comes again, its mark is
	// there, and what is stored says that a saga is to be started.
	c := v.State.Claims[cmd.Claim]
	if c == nil || c.Status != Ensuring {
		return nil
	}
	_, err = e.sagas.Start(ctx, runner.Start{
		ID: c.Saga, Definition: sagaResources, Project: cmd.Project, Subject: cmd.Environment + "/" + cmd.Workload,
		Input: in, Plan: ensurePlan(v.State.withBefore(cmd.Claim), cmd.Claim, g), Cause: inStep(cause),
		Indexes: map[string]string{"environment": ID(cmd.Project, cmd.Environment), "claim": cmd.Claim},
	})
	return err
}

// withBefore is the environment as the plan for a claim must see it.
func (env Environment) withBefore(claim string) Environment {
	claims := map[string]*Claim{}
	if c := env.Claims[claim]; c != nil && c.Before != nil {
		claims[claim] = c.Before
	}
	env.Claims = claims
	return env
}

// consider checks a command and makes its graph. A problem is the asker's.
func (e *Environments) consider(ctx context.Context, cmd pe.EnsureResourcesData) (ensureInput, graph.Graph, string, error) {
	in := ensureInput{scopeInput: scopeInput{Project: cmd.Project, Environment: cmd.Environment, Claim: cmd.Claim, Workload: cmd.Workload}}
	if cmd.Claim == "" || cmd.Claim == OwnClaim {
		return in, graph.Graph{}, "", httpapi.BadRequest(fmt.Sprintf("%q is not a claim.", cmd.Claim))
	}
	if err := CheckName("environment", cmd.Environment); err != nil {
		return in, graph.Graph{}, "", httpapi.BadRequest(err.Error())
	}
	if err := definition.CheckName("workload", cmd.Workload); err != nil {
		return in, graph.Graph{}, "", httpapi.BadRequest(err.Error())
	}
	env, err := e.load(ctx, cmd.Project, cmd.Environment)
	if err != nil {
		return in, graph.Graph{}, "", err
	}
	typ := cmd.EnvironmentType
	if env.Status.There() {
		if typ != "" && typ != env.Type {
			return in, graph.Graph{}, "", httpapi.Conflict(fmt.Sprintf("Environment %s is of type %s, not %s.", env.Name, env.Type, typ))
		}
		typ = env.Type
	}
	if in.Type, in.TTL, err = e.typeAndTTL(ctx, typ, cmd.TTL); err != nil {
		return in, graph.Graph{}, "", err
	}
	needs := needsOf(cmd)
	g, err := e.Graph(ctx, graph.Request{
		Project: cmd.Project, Environment: cmd.Environment, EnvironmentType: in.Type, Workload: cmd.Workload, Resources: needs,
	})
	return in, g, digest(needs), err
}

func needsOf(cmd pe.EnsureResourcesData) map[string]definition.Need {
	needs := map[string]definition.Need{}
	for name, r := range cmd.Resources {
		needs[name] = definition.Need{Type: r.Type, Class: r.Class, ID: r.ID, Params: r.Params}
	}
	return needs
}

// typeAndTTL finds the type, and how long an environment of it may live.
func (e *Environments) typeAndTTL(ctx context.Context, name, ttl string) (string, document.Duration, error) {
	if name == "" {
		return "", 0, httpapi.BadRequest("The environment does not exist and no type is given for it.")
	}
	t, err := e.Type(ctx, name)
	if err != nil {
		return "", 0, err
	}
	d := t.DefaultTTL
	if ttl != "" {
		if d, err = document.ParseDuration(ttl); err != nil {
			return "", 0, httpapi.BadRequest(err.Error())
		}
	}
	if t.MaxTTL > 0 && (d == 0 || d > t.MaxTTL) {
		return "", 0, httpapi.BadRequest(fmt.Sprintf("An environment of type %s lives for %s at most; %s was asked for.", t.Name, t.MaxTTL, d))
	}
	return t.Name, d, nil
}

// Graph makes the graph of what is asked for; what is wrong is a problem that
// names every fault.
func (e *Environments) Graph(ctx context.Context, r graph.Request) (graph.Graph, error) {
	definitions, err := e.Definitions(ctx, r.Project)
	if err != nil {
		return graph.Graph{}, err
	}
	g, err := graph.Build(r, definitions)
	var wrong *graph.Error
	if errors.As(err, &wrong) {
		var faults []httpapi.Fault
		for _, f := range wrong.Faults {
			faults = append(faults, httpapi.Fault{Pointer: "/resources/" + f.Resource, Message: f.Message})
		}
		return g, httpapi.Unprocessable(faults...)
	}
	return g, err
}

func isProblem(err error) bool {
	var p *httpapi.Problem
	return errors.As(err, &p) && p.Status < 500
}

// await adds who is to be told; a later attempt of the same step takes its place.
func (c *Claim) await(r pe.Request) { c.Waiters = replaced(c.Waiters, r) }

func replaced(list []pe.Request, r pe.Request) []pe.Request {
	list = slices.DeleteFunc(slices.Clone(list), func(o pe.Request) bool { return o.SagaID == r.SagaID && o.StepID == r.StepID })
	return append(list, r)
}

func namesOf(g graph.Graph) map[string]string {
	out := map[string]string{}
	for _, n := range g.Nodes {
		if n.Asked {
			out[n.Name] = n.Key
		}
	}
	return out
}

func keysOf(g graph.Graph) []KeyAfter {
	var out []KeyAfter
	for _, n := range g.Nodes {
		out = append(out, KeyAfter{Key: n.Key, After: n.After})
	}
	return out
}

// failed answers a command that was refused before anything was done.
func failed(cmd pe.EnsureResourcesData, reason string, problem error) ([]events.Draft, error) {
	d := pe.ResourcesFailedData{Request: cmd.Request, Project: cmd.Project, Environment: cmd.Environment, Reason: reason}
	var p *httpapi.Problem
	if errors.As(problem, &p) && len(p.Errors) > 0 {
		d.Resource, d.Detail = lastElement(p.Errors[0].Pointer), p.Errors[0].Message
		d.Reason = p.Errors[0].Message
		if n := len(p.Errors) - 1; n > 0 {
			d.Reason += fmt.Sprintf(" (and %d more: see detail)", n)
			d.Detail = problem.Error()
		}
	}
	return drafts(pe.ResourcesFailed.Draft(cmd.Project, cmd.Environment+"/"+cmd.Workload, d))
}

func lastElement(pointer string) string {
	for i := len(pointer) - 1; i >= 0; i-- {
		if pointer[i] == '/' {
			return pointer[i+1:]
		}
	}
	return pointer
}
