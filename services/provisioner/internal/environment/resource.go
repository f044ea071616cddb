package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
)

// scopeInput is the input of every saga here: which environment, for whom.
type scopeInput struct {
	Project     string `json:"project"`
	Environment string `json:"environment"`
	Claim       string `json:"claim,omitempty"`
	Workload    string `json:"workload,omitempty"`
	Reason      string `json:"reason,omitempty"`
}

// made is the output of a step that made or changed a resource.
type made struct {
	Action     string `json:"action"` // created, changed, unchanged
	Definition string `json:"definition"`
	Driver     string `json:"driver"`
	Run        string `json:"run,omitempty"`  // that did it, where one did
	Plan       string `json:"plan,omitempty"` // what that did, in short: "1 to add"
}

// busyPause is how long one saga waits for another that is at work on the same
// resource before it looks again.
const busyPause = 150 * time.Millisecond

func decode(c saga.Call, step any) (scopeInput, error) {
	var in scopeInput
	err := json.Unmarshal(c.SagaInput, &in)
	if step != nil {
		err = errors.Join(err, json.Unmarshal(c.Input, step))
	}
	if err != nil {
		return in, saga.Fail(fmt.Errorf("the plan of saga %s cannot be read: %w", c.SagaID, err))
	}
	return in, nil
}

// ensureResource is the Do of a resource: intent, driver, outcome.
func (e *Environments) ensureResource(ctx context.Context, c saga.Call) (saga.Result, error) {
	var node graph.Node
	in, err := decode(c, &node)
	if err != nil {
		return saga.Result{}, err
	}
	env, err := e.load(ctx, in.Project, in.Environment)
	if err != nil {
		return saga.Result{}, err
	}
	want, err := resolve(env, node)
	if err != nil {
		return saga.Result{}, saga.Fail(fmt.Errorf("%s: %w", node.Name, err))
	}
	var busy string
	v, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		var err error
		busy, err = env.intend(c.SagaID, in.Claim, node, want, e.cfg.Clock().UTC())
		return nil, err
	})
	if err != nil {
		return saga.Result{}, err
	}
	if busy != "" {
		return e.inLine(ctx, in, node.Key, busy)
	}
	r := v.State.Resources[node.Key]
	before := r.Before[c.SagaID]
	out := made{Action: "unchanged", Definition: want.Definition, Driver: want.Driver}
	if before.Done != "" {
		out.Action, out.Run, out.Plan = before.Done, before.Run, before.Plan
		return saga.Result{Output: out, Note: out.String()}, nil
	}
	applied, err := e.apply(ctx, v.State, r, want, operation(c, v.State, node.Key))
	if err != nil {
		return e.notYet(err)
	}
	out.Run, out.Plan = applied.Run, applied.Summary
	switch {
	case !before.Existed:
		out.Action = "created"
	case applied.Action == driver.Change || !same(before.Applied, &want):
		out.Action = "changed"
	}
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[node.Key]
		if r == nil || r.Op != c.SagaID {
			return nil, errUnchanged // taken away meanwhile
		}
		r.applied(want, in.Claim, applied, e.cfg.Clock().UTC())
		r.Op = ""
		b := r.Before[c.SagaID]
		b.Done, b.Run, b.Plan = out.Action, out.Run, out.Plan
		r.before()[c.SagaID] = b
		ref := r.ref(env, c.SagaID)
		switch out.Action {
		case "created":
			return drafts(pe.ResourceProvisioned.Draft(env.Project, subject(env, r), pe.ResourceProvisionedData{
				ResourceRef: ref, Outputs: slices.Sorted(maps.Keys(r.Outputs)), DurationMs: since(e.cfg.Clock(), c.StartedAt),
			}))
		case "changed":
			return drafts(pe.ResourceChanged.Draft(env.Project, subject(env, r), pe.ResourceChangedData{
				ResourceRef: ref, Changed: changed(before.Applied, &want),
			}))
		}
		return nil, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	return saga.Result{Output: out, Note: out.String()}, nil
}

func (m made) String() string {
	text := fmt.Sprintf("%s by %s (%s", m.Action, m.Definition, m.Driver)
	if m.Plan != "" {
		text += ", " + m.Plan
	}
	text += ")"
	if m.Run != "" {
		text += "   slipway run show " + m.Run
	}
	return text
}

// intend writes down what is about to be done to a resource. busy names the
// saga that must end first.
func (env *Environment) intend(sagaID, claim string, node graph.Node, want Desired, now time.Time) (busy string, err error) {
	cl := env.Claims[claim]
	if cl == nil || cl.Saga != sagaID || len(cl.Releasers) > 0 {
		return "", saga.Fail(fmt.Errorf("%s was released before it was there", claim))
	}
	r := env.Resources[node.Key]
	if r == nil {
		r = &Resource{
			Key: node.Key, Name: node.Name, Type: node.Type, Class: node.Class, ID: node.ID,
			Claims: map[string]Hold{}, Before: map[string]Before{}, CreatedAt: now,
		}
		env.Resources[node.Key] = r
	}
	if r.Op != "" && r.Op != sagaID {
		return r.Op, errUnchanged
	}
	if r.Before[sagaID].Done != "" || r.Op == sagaID && same(r.Asked, &want) {
		return "", errUnchanged // it is done, or asked for already
	}
	if r.Applied != nil && (r.Applied.Driver != want.Driver || r.Applied.Kind != want.Kind) {
		return "", saga.Fail(fmt.Errorf("%s is a %s made by driver %s; definition %s would make a %s by %s of it, which would lose its data: release it first, or give the new one another name",
			node.Key, r.Applied.Kind, r.Applied.Driver, want.Definition, want.Kind, want.Driver))
	}
	if _, ok := r.Before[sagaID]; !ok {
		b := Before{Existed: r.Applied != nil, Applied: r.Applied, AppliedBy: r.AppliedBy}
		if h, ok := r.Claims[claim]; ok {
			b.Hold = &h
		}
		r.before()[sagaID] = b
	}
	r.holds()[claim] = Hold{Desired: want, Since: now}
	r.Op, r.Status, r.UpdatedAt, r.Asked = sagaID, Making, now, &want
	if r.Applied != nil {
		r.Status = Changing
	}
	return "", nil
}

func (r *Resource) before() map[string]Before {
	if r.Before == nil {
		r.Before = map[string]Before{}
	}
	return r.Before
}

func (r *Resource) holds() map[string]Hold {
	if r.Claims == nil {
		r.Claims = map[string]Hold{}
	}
	return r.Claims
}

func (r *Resource) applied(want Desired, by string, a driver.Applied, now time.Time) {
	r.Applied, r.AppliedBy, r.Status, r.Detail, r.UpdatedAt = &want, by, Available, "", now
	r.State, r.Drift = a.State, nil
	r.Outputs = a.Outputs
	if r.Outputs == nil {
		r.Outputs = map[string]any{}
	}
}

func (r *Resource) ref(env *Environment, sagaID string) pe.ResourceRef {
	ref := pe.ResourceRef{
		Project: env.Project, Environment: env.Name, Resource: r.Key, Type: r.Type, Class: r.Class, ID: r.ID, Saga: sagaID,
	}
	if r.Applied != nil {
		ref.Definition, ref.Driver = r.Applied.Definition, r.Applied.Driver
	}
	for claim := range r.Claims {
		if c := env.Claims[claim]; c != nil && c.Workload != "" && !slices.Contains(ref.Workloads, c.Workload) {
			ref.Workloads = append(ref.Workloads, c.Workload)
		}
	}
	slices.Sort(ref.Workloads)
	return ref
}

func subject(env *Environment, r *Resource) string { return env.Name + "/" + r.Key }

func drafts(d events.Draft, err error) ([]events.Draft, error) {
	if err != nil {
		return nil, err
	}
	return []events.Draft{d}, nil
}

func since(now, start time.Time) int64 {
	if start.IsZero() {
		return 0
	}
	return now.Sub(start).Milliseconds()
}

// inLine waits for the saga that is at work on a resource. One that is over
// left it so because a person skipped its step: then the next may go on.
func (e *Environments) inLine(ctx context.Context, in scopeInput, key, busy string) (saga.Result, error) {
	result := wait(e.cfg.Clock(), key, busy)
	if busy == opReconcile {
		return result, nil
	}
	v, err := e.sagas.Get(ctx, busy)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return saga.Result{}, err
	}
	if err == nil && !v.State.Status.Over() {
		return result, nil
	}
	_, err = e.update(ctx, in.Project, in.Environment, events.Cause{}, func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[key]
		if r == nil || r.Op != busy {
			return nil, errUnchanged
		}
		r.Op = ""
		return nil, nil
	})
	return result, err
}

func wait(now time.Time, key, busy string) saga.Result {
	return saga.Result{Wait: &saga.Wait{Until: now.Add(busyPause), Reason: fmt.Sprintf("%s is at work on %s", busy, key)}}
}
