package environment

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// undoResource is the undo of ensureResource. It accepts that the resource
// never was, and that it is half there.
func (e *Environments) undoResource(ctx context.Context, c saga.Call) (saga.Result, error) {
	var node graph.Node
	in, err := decode(c, &node)
	if err != nil {
		return saga.Result{}, err
	}
	protected, err := e.protected(ctx, c, in, node.Key)
	if err != nil {
		return saga.Result{}, err
	}
	return e.letGo(ctx, c, in, node.Key, "undone", func(env *Environment, r *Resource) (Letting, bool, error) {
		before, touched := r.Before[c.SagaID]
		if !touched {
			return Letting{}, false, nil
		}
		l := env.undoOf(r, in.Claim, before)
		if l.Act == Destroy && protected != nil {
			return Letting{}, false, protected
		}
		return l, true, nil
	})
}

// dropResource lets go of a resource because its claim is given up.
func (e *Environments) dropResource(ctx context.Context, c saga.Call) (saga.Result, error) {
	var step KeyAfter
	in, err := decode(c, &step)
	if err != nil {
		return saga.Result{}, err
	}
	return e.letGo(ctx, c, in, step.Key, in.Reason, func(env *Environment, r *Resource) (Letting, bool, error) {
		if _, holds := r.Claims[in.Claim]; !holds {
			return Letting{}, false, nil
		}
		return env.releaseOf(r, in.Claim), true, nil
	})
}

// destroyResource destroys a resource whoever claims it: its environment goes.
func (e *Environments) destroyResource(ctx context.Context, c saga.Call) (saga.Result, error) {
	var step KeyAfter
	in, err := decode(c, &step)
	if err != nil {
		return saga.Result{}, err
	}
	return e.letGo(ctx, c, in, step.Key, in.Reason, func(_ *Environment, r *Resource) (Letting, bool, error) {
		r.Claims = nil
		return Letting{Act: Destroy, Note: "destroyed"}, true, nil
	})
}

// protected says why the undo of a resource may not destroy it; nil: it may.
// The definition as it is now counts beside the one that made it: to take
// protect out of it is how a person lets the undo go on.
func (e *Environments) protected(ctx context.Context, c saga.Call, in scopeInput, key string) (protects, err error) {
	env, err := e.load(ctx, in.Project, in.Environment)
	if err != nil {
		return nil, err
	}
	r := env.Resources[key]
	if r == nil || wanted(r) == nil || !wanted(r).Protect {
		return nil, nil
	}
	what := wanted(r)
	def, err := e.Definition(ctx, in.Project, what.Definition)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil && !def.State.Protect {
		return nil, nil
	}
	if r.Applied == nil {
		d, _, err := e.driverOf(*what)
		if err != nil {
			return nil, err
		}
		if seen, err := d.Read(ctx, refOf(env, key, what.Kind)); err != nil || !seen.Exists {
			return nil, err // it never came to be
		}
	}
	return saga.Fail(fmt.Errorf("%s is not destroyed: definition %s protects it. Take protect out of the definition and run slipway saga retry %s, or keep the resource with slipway saga adopt %s %s",
		key, what.Definition, c.SagaID, c.SagaID, c.StepID)), nil
}

// undoOf decides what puts back what was before, and does what of it is only
// bookkeeping.
func (env *Environment) undoOf(r *Resource, claim string, before Before) Letting {
	mine, held := r.Claims[claim]
	delete(r.Claims, claim)
	if before.Hold != nil {
		r.Claims[claim] = *before.Hold
	}
	switch {
	case !before.Existed && len(r.Claims) == 0:
		return Letting{Act: Destroy, Note: "destroyed"}
	case !before.Existed:
		return env.handOver(r, claim)
	case r.AppliedBy != claim && r.AppliedBy != before.AppliedBy:
		return Letting{Act: Keep, Note: "kept: somebody else changed it since"}
	case held && !same(&mine.Desired, before.Applied):
		return Letting{Act: Reapply, Target: before.Applied, By: before.AppliedBy, Note: "put back as it was"}
	}
	return Letting{Act: Keep, Note: "left as it was"}
}

// releaseOf decides what giving up a claim takes.
func (env *Environment) releaseOf(r *Resource, claim string) Letting {
	delete(r.Claims, claim)
	switch {
	case len(r.Claims) > 0:
		return env.handOver(r, claim)
	case r.Applied != nil && r.Applied.Protect:
		return Letting{Act: Keep, Note: "kept: definition " + r.Applied.Definition + " protects it"}
	}
	return Letting{Act: Destroy, Note: "destroyed"}
}

// handOver makes a resource as its newest remaining claim wants it.
func (env *Environment) handOver(r *Resource, from string) Letting {
	if r.AppliedBy != from {
		return Letting{Act: Keep, Note: "kept: others have a claim on it"}
	}
	heir := ""
	for claim, hold := range r.Claims {
		if heir == "" || hold.Since.After(r.Claims[heir].Since) || hold.Since.Equal(r.Claims[heir].Since) && claim < heir {
			heir = claim
		}
	}
	want := r.Claims[heir].Desired
	if same(&want, r.Applied) {
		r.AppliedBy = heir
		return Letting{Act: Keep, Note: "kept: others have a claim on it"}
	}
	return Letting{Act: Reapply, Target: &want, By: heir, Note: "put back as its other claims want it"}
}

// letGo carries out a letting in three parts: the decision is written down,
// the driver does it, the outcome is written down.
func (e *Environments) letGo(ctx context.Context, c saga.Call, in scopeInput, key, reason string,
	decide func(*Environment, *Resource) (Letting, bool, error),
) (saga.Result, error) {
	var busy string
	var letting *Letting
	var gone bool // an earlier attempt destroyed it, and its answer was lost
	v, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		busy, letting, gone = "", nil, false
		r := env.Resources[key]
		if r == nil {
			gone = env.Gone[key] == c.SagaID
			return nil, errUnchanged
		}
		if r.Op != "" && r.Op != c.SagaID {
			busy = r.Op
			return nil, errUnchanged
		}
		before := r.Before[c.SagaID]
		if before.Letting == nil {
			l, touched, err := decide(env, r)
			if err != nil {
				return nil, err
			}
			if !touched {
				return nil, errUnchanged
			}
			before.Letting = &l
		}
		letting = before.Letting
		if r.Op == c.SagaID && r.Before[c.SagaID].Letting != nil && letting.Act != Keep {
			return nil, errUnchanged // written down before, and being done
		}
		r.before()[c.SagaID] = before
		r.Op, r.UpdatedAt = c.SagaID, e.cfg.Clock().UTC()
		switch letting.Act {
		case Destroy:
			r.Status = Destroying
		case Reapply:
			r.Status = Changing
		case Keep:
			env.let(r, c, *letting)
		}
		return nil, nil
	})
	if err != nil {
		return saga.Result{}, err
	}
	if busy != "" {
		return e.inLine(ctx, in, key, busy)
	}
	if gone {
		return saga.Result{Output: let{Key: key, Destroyed: true}, Note: "destroyed"}, nil
	}
	if letting == nil {
		return saga.Result{Output: let{Key: key}, Note: "nothing to undo: it never was"}, nil
	}
	r := v.State.Resources[key]
	switch letting.Act {
	case Destroy:
		return e.destroy(ctx, c, in, v.State, r, reason)
	case Reapply:
		return e.reapply(ctx, c, in, v.State, r, *letting)
	}
	return saga.Result{Output: let{Key: key}, Note: letting.Note}, nil
}

// let is the output of a step that lets go.
type let struct {
	Key       string `json:"key"`
	Destroyed bool   `json:"destroyed,omitempty"`
}

// let ends a letting.
func (env *Environment) let(r *Resource, c saga.Call, l Letting) {
	delete(r.Before, c.SagaID)
	r.Op, r.Status = "", Available
	if r.Applied == nil {
		r.Status = Making // whoever claims it still makes it
	}
	env.undone(c, r.Key, l.Note)
}

func (e *Environments) destroy(ctx context.Context, c saga.Call, in scopeInput, env Environment, r *Resource, reason string) (saga.Result, error) {
	what := wanted(r)
	if what != nil {
		d, kind, err := e.driverOf(*what)
		if err != nil {
			return saga.Result{}, err
		}
		err = d.Destroy(ctx, refOf(env, r.Key, what.Kind), operation(c, env, r.Key))
		if _, wait := driver.AsNotYet(err); wait {
			return e.notYet(err)
		}
		if err != nil {
			return saga.Result{}, failure(fmt.Errorf("%s could not be destroyed: %w", r.Key, err), nil)
		}
		for _, key := range secretsOf(kind, r) {
			if _, err := e.cfg.Secrets.Delete(ctx, events.Cause{Actor: "service:" + service}, env.Project, secret.OfResource(env.Name, r.Key, key)); err != nil {
				return saga.Result{}, err
			}
		}
	}
	_, err := e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[r.Key]
		if r == nil {
			return nil, errUnchanged
		}
		ref := r.ref(env, c.SagaID)
		delete(env.Resources, r.Key)
		if env.Gone == nil {
			env.Gone = map[string]string{}
		}
		env.Gone[r.Key] = c.SagaID
		env.undone(c, r.Key, "destroyed")
		if r.Applied == nil {
			return nil, nil // nobody was told that it was there
		}
		return drafts(pe.ResourceDestroyed.Draft(env.Project, subject(env, r), pe.ResourceDestroyedData{ResourceRef: ref, Reason: reason}))
	})
	if err != nil {
		return saga.Result{}, err
	}
	return saga.Result{Output: let{Key: r.Key, Destroyed: true}, Note: "destroyed"}, nil
}

// wanted is what the driver was asked for: also where it never answered.
func wanted(r *Resource) *Desired {
	if r.Applied != nil {
		return r.Applied
	}
	return r.Asked
}

func (e *Environments) reapply(ctx context.Context, c saga.Call, in scopeInput, env Environment, r *Resource, l Letting) (saga.Result, error) {
	was := r.Applied
	by := operation(c, env, r.Key)
	by.Reapply = true
	a, err := e.apply(ctx, env, r, *l.Target, by)
	if err != nil {
		return e.notYet(err)
	}
	_, err = e.update(ctx, in.Project, in.Environment, inStep(c.Cause), func(env *Environment) ([]events.Draft, error) {
		r := env.Resources[r.Key]
		if r == nil || r.Op != c.SagaID {
			return nil, errUnchanged
		}
		r.applied(*l.Target, l.By, a, e.cfg.Clock().UTC())
		env.let(r, c, l)
		return drafts(pe.ResourceChanged.Draft(env.Project, subject(env, r), pe.ResourceChangedData{
			ResourceRef: r.ref(env, c.SagaID), Changed: changed(was, l.Target),
		}))
	})
	if err != nil {
		return saga.Result{}, err
	}
	return saga.Result{Output: let{Key: r.Key}, Note: l.Note}, nil
}

// undone notes an undo for whoever asked for what is being undone.
func (env *Environment) undone(c saga.Call, key, note string) {
	if c.Direction != saga.Backward {
		return
	}
	for _, cl := range env.Claims {
		if cl.Saga == c.SagaID {
			cl.Undone = append(cl.Undone, events.UndoneStep{ID: c.StepID, Kind: c.Kind, Did: key, Undo: note, Result: "undone"})
		}
	}
}
