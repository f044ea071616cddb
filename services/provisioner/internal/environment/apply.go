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
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
	"github.com/slipway-idp/slipway/services/provisioner/internal/placeholder"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// resolve replaces a node's placeholders by what the resources before it gave.
func resolve(env Environment, node graph.Node) (Desired, error) {
	v, err := placeholder.Resolve(toAny(node.Inputs), func(path []string) (any, error) {
		if path[0] == "stack" {
			return nil, placeholder.Keep() // the driver's to say
		}
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
	d := Desired{Module: moduleOf(node), Definition: node.Definition, Driver: node.Driver, Kind: node.Kind, Protect: node.Protect}
	if m := v.(map[string]any); len(m) > 0 {
		d.Inputs = m
	}
	return d, nil
}

// moduleOf is what a node's definition says of its module; nil: it has none.
func moduleOf(node graph.Node) *Module { return (*Module)(node.Module) }

func toAny(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// apply asks the driver, and puts the secrets it gave away before anybody is
// told of them. What it answers holds references only.
func (e *Environments) apply(ctx context.Context, env Environment, r *Resource, want Desired, by driver.Operation) (driver.Applied, error) {
	d, request, hidden, err := e.request(ctx, env, r, want, by)
	if err != nil {
		return driver.Applied{}, err
	}
	a, err := d.Apply(ctx, request)
	if err != nil {
		return driver.Applied{}, failure(err, hidden)
	}
	if err := e.expectSecrets(ctx, env, r, a.Secrets, by.Cause); err != nil {
		return driver.Applied{}, err
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

// request is what a driver is asked with, and which values of it must not be
// seen. r is nil where there is no such resource yet.
func (e *Environments) request(ctx context.Context, env Environment, r *Resource, want Desired, by driver.Operation) (driver.Driver, driver.Request, []string, error) {
	d, kind, err := e.driverOf(want)
	if err != nil {
		return nil, driver.Request{}, nil, err
	}
	inputs, hidden, err := e.reveal(ctx, env.Project, want.Inputs)
	if err != nil {
		return nil, driver.Request{}, nil, err
	}
	request := driver.Request{Ref: refOf(env, by.Resource, want.Kind), Inputs: inputs, By: by}
	if r != nil {
		request.State, request.Secrets = r.State, map[string]string{}
		for _, key := range secretsOf(kind, r) {
			name := secret.OfResource(env.Name, r.Key, key)
			values, _, err := e.cfg.Secrets.Resolve(ctx, env.Project, []string{name})
			if err != nil {
				return nil, driver.Request{}, nil, err
			}
			if v, ok := values[name]; ok {
				request.Secrets[key], hidden = v, append(hidden, v)
			}
		}
	}
	if m := want.Module; m != nil {
		vars, more, err := e.reveal(ctx, env.Project, m.Env)
		if err != nil {
			return nil, driver.Request{}, nil, err
		}
		hidden = append(hidden, more...)
		request.Module = &driver.Module{
			Definition: want.Definition, Digest: m.Digest, Engine: m.Engine, Outputs: m.Outputs,
			Env: texts(vars), Timeout: m.Timeout.Std(),
		}
	}
	request.Hidden = hidden
	return d, request, hidden, nil
}

// texts are the values of variables: a text as it is, anything else as JSON.
func texts(m map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		if s, ok := v.(string); ok {
			out[k] = s
			continue
		}
		if b, err := json.Marshal(v); err == nil {
			out[k] = string(b)
		}
	}
	return out
}

// secretsOf are the keys of a resource's outputs that are, or once were, secret.
func secretsOf(kind driver.Kind, r *Resource) []string {
	keys := append(slices.Clone(kind.Secrets), r.Secrets...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// expectSecrets writes down which secrets a resource has before they are kept:
// whoever destroys it after a crash knows what to forget.
func (e *Environments) expectSecrets(ctx context.Context, env Environment, r *Resource, given map[string]string, cause events.Cause) error {
	unknown := func(r *Resource) []string {
		var out []string
		for key := range given {
			if !slices.Contains(r.Secrets, key) {
				out = append(out, key)
			}
		}
		return out
	}
	if len(unknown(r)) == 0 {
		return nil
	}
	_, err := e.update(ctx, env.Project, env.Name, inStep(cause), func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[r.Key]
		if r == nil {
			return nil, saga.Fail(errors.New("the resource was taken away meanwhile"))
		}
		r.Secrets = append(r.Secrets, unknown(r)...)
		slices.Sort(r.Secrets)
		return nil, nil
	})
	return err
}

// failure is a driver's error for a saga: without secret values, final where it
// is permanent, and as it is where it says "not yet".
func failure(err error, hidden []string) error {
	if _, wait := driver.AsNotYet(err); wait {
		return err
	}
	masked := mask(err, hidden)
	if driver.IsPermanent(err) {
		masked = saga.Fail(masked)
	}
	return masked
}

// notYetPause is how long a step that waits for its driver lets pass before it
// asks again, if nobody says that it is over.
const notYetPause = 10 * time.Second

// notYet turns a driver's "not yet" into a step's.
func (e *Environments) notYet(err error) (saga.Result, error) {
	reason, wait := driver.AsNotYet(err)
	if !wait {
		return saga.Result{}, err
	}
	return saga.Result{Wait: &saga.Wait{Until: e.cfg.Clock().Add(notYetPause), Reason: reason, Working: true}}, nil
}

// operation is what a driver is told of the step that asks it.
func operation(c saga.Call, env Environment, key string) driver.Operation {
	return driver.Operation{
		Key: c.Key + "/" + string(c.Direction), Saga: c.SagaID, Step: c.StepID,
		Project: env.Project, Environment: env.Name, Type: env.Type, Resource: key, Cause: inStep(c.Cause),
	}
}

func (e *Environments) driverOf(d Desired) (driver.Driver, driver.Kind, error) {
	drv, ok := e.cfg.Drivers[d.Driver]
	if !ok {
		return nil, driver.Kind{}, saga.Fail(fmt.Errorf("there is no driver %q", d.Driver))
	}
	k, ok := driver.KindOf(drv, d.Kind)
	if !ok {
		return nil, driver.Kind{}, saga.Fail(fmt.Errorf("driver %s makes no %s", d.Driver, d.Kind))
	}
	return drv, k, nil
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
