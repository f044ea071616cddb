package environment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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
