package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
	"github.com/slipway-idp/slipway/services/provisioner/internal/placeholder"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
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
		out.Action = before.Done
		return saga.Result{Output: out, Note: out.String()}, nil
	}
	applied, err := e.apply(ctx, v.State, r, want)
	if err != nil {
		return saga.Result{}, err
	}
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
		b.Done = out.Action
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

func (m made) String() string { return fmt.Sprintf("%s by %s (%s)", m.Action, m.Definition, m.Driver) }

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
	if r.Before[sagaID].Done != "" {
		return "", errUnchanged
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
	r.State = a.State
	r.Outputs = a.Outputs
	if r.Outputs == nil {
		r.Outputs = map[string]any{}
	}
}

// resolve replaces a node's placeholders by what the resources before it gave.
func resolve(env Environment, node graph.Node) (Desired, error) {
	v, err := placeholder.Resolve(toAny(node.Inputs), func(path []string) (any, error) {
		key := node.KeyOf(path[1])
		r := env.Resources[key]
		if r == nil || r.Applied == nil {
			return nil, fmt.Errorf("resource %s is not there", key)
		}
		out, ok := r.Outputs[strings.Join(path[2:], ".")]
		if !ok {
			return nil, fmt.Errorf("resource %s (%s) has no output %s; it has %s", key, r.Type,
				strings.Join(path[2:], "."), strings.Join(slices.Sorted(maps.Keys(r.Outputs)), ", "))
		}
		return out, nil
	})
	if err != nil {
		return Desired{}, err
	}
	d := Desired{Definition: node.Definition, Driver: node.Driver, Kind: node.Kind, Protect: node.Protect}
	if m := v.(map[string]any); len(m) > 0 {
		d.Inputs = m
	}
	return d, nil
}

func toAny(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// apply asks the driver, and puts the secrets it gave away before anybody is
// told of them. What it answers holds references only.
func (e *Environments) apply(ctx context.Context, env Environment, r *Resource, want Desired) (driver.Applied, error) {
	d, kind, err := e.driverOf(want)
	if err != nil {
		return driver.Applied{}, err
	}
	inputs, hidden, err := e.reveal(ctx, env.Project, want.Inputs)
	if err != nil {
		return driver.Applied{}, err
	}
	kept := map[string]string{}
	for _, key := range kind.Secrets {
		name := secret.OfResource(env.Name, r.Key, key)
		values, _, err := e.cfg.Secrets.Resolve(ctx, env.Project, []string{name})
		if err != nil {
			return driver.Applied{}, err
		}
		if v, ok := values[name]; ok {
			kept[key], hidden = v, append(hidden, v)
		}
	}
	a, err := d.Apply(ctx, driver.Request{Ref: refOf(env, r.Key, want.Kind), Inputs: inputs, Secrets: kept, State: r.State})
	if err != nil {
		masked := mask(err, hidden)
		if driver.IsPermanent(err) {
			masked = saga.Fail(masked)
		}
		return driver.Applied{}, masked
	}
	outputs := maps.Clone(a.Outputs)
	if outputs == nil {
		outputs = map[string]any{}
	}
	for key, value := range a.Secrets {
		name := secret.OfResource(env.Name, r.Key, key)
		if _, _, err := e.cfg.Secrets.Set(ctx, events.Cause{Actor: "service:" + service}, env.Project, name, value, secret.Made); err != nil {
			return driver.Applied{}, err
		}
		outputs[key] = placeholder.Secret{Ref: name}
	}
	a.Outputs, a.Secrets = outputs, nil
	return a, nil
}

func (e *Environments) driverOf(d Desired) (driver.Driver, driver.Kind, error) {
	drv, ok := e.cfg.Drivers[d.Driver]
	if !ok {
		return nil, driver.Kind{}, saga.Fail(fmt.Errorf("there is no driver %q", d.Driver))
	}
	for _, k := range drv.Kinds() {
		if k.Name == d.Kind {
			return drv, k, nil
		}
	}
	return nil, driver.Kind{}, saga.Fail(fmt.Errorf("driver %s makes no %s", d.Driver, d.Kind))
}

// reveal replaces references by values, in memory, and says which values must
// not be seen.
func (e *Environments) reveal(ctx context.Context, project string, inputs map[string]any) (map[string]any, []string, error) {
	var hidden []string
	var walk func(v any) (any, error)
	walk = func(v any) (any, error) {
		if s, ok := placeholder.SecretOf(v); ok {
			values, missing, err := e.cfg.Secrets.Resolve(ctx, project, []string{s.Ref})
			if err != nil {
				return nil, err
			}
			if len(missing) > 0 {
				return nil, saga.Fail(fmt.Errorf("there is no secret %s", s.Ref))
			}
			hidden = append(hidden, values[s.Ref])
			return values[s.Ref], nil
		}
		switch v := v.(type) {
		case map[string]any:
			out := map[string]any{}
			for k, one := range v {
				value, err := walk(one)
				if err != nil {
					return nil, err
				}
				out[k] = value
			}
			return out, nil
		case []any:
			out := make([]any, len(v))
			for i, one := range v {
				value, err := walk(one)
				if err != nil {
					return nil, err
				}
				out[i] = value
			}
			return out, nil
		}
		return v, nil
	}
	if len(inputs) == 0 {
		return nil, nil, nil
	}
	v, err := walk(inputs)
	if err != nil {
		return nil, nil, err
	}
	return v.(map[string]any), hidden, nil
}

// mask takes secret values out of a driver's words.
func mask(err error, hidden []string) error {
	text := err.Error()
	for _, v := range hidden {
		if len(v) >= 4 {
			text = strings.ReplaceAll(text, v, "(secret)")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// refOf is a resource's name in the world outside: the same every time.
func refOf(env Environment, key, kind string) driver.Ref {
	return driver.Ref{Name: env.Project + "." + env.Name + "." + key, Kind: kind}
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
