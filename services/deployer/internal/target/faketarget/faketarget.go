// Package faketarget is a target in memory, for tests of what uses targets. It
// passes targettest.
package faketarget

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/targettest"
)

// Machine is what outlives the platform: the instances. Targets over the same
// machine see the same.
type Machine struct {
	mu        sync.Mutex
	instances map[string]*instance
	nextPort  int
	started   []string // every id that was begun, in order

	// Behave says how an instance behaves; Good unless set.
	Behave func(target.Spec) targettest.Behaviour
	// BeforeStart, where set, runs before an instance is begun; its error is Start's.
	BeforeStart func(target.Spec) error
	// Hold, where set, keeps AwaitReady from answering until it is closed.
	Hold chan struct{}
}

type instance struct {
	spec     target.Spec
	instance target.Instance
	failure  *target.NotReadyError
}

// NewMachine makes an empty one.
func NewMachine() *Machine {
	return &Machine{instances: map[string]*instance{}, nextPort: 20000}
}

// Existing is the names of the instances that run, sorted.
func (m *Machine) Existing() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []string{}
	for _, i := range m.instances {
		out = append(out, i.instance.Name)
	}
	slices.Sort(out)
	return out
}

// Variables are those of a running instance, by its name.
func (m *Machine) Variables(name string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.instances {
		if i.instance.Name == name {
			for _, v := range i.spec.Variables {
				return v
			}
		}
	}
	return nil
}

// Lose ends all instances, as a restart of the machine does.
func (m *Machine) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.instances {
		i.instance.State = target.Gone
	}
}

// Starts is how often an instance was begun.
func (m *Machine) Starts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.started)
}

// Target is a target over a machine.
type Target struct{ *Machine }

var _ target.Target = Target{}

// Name implements target.Target.
func (Target) Name() string { return "fake" }

// Check implements target.Target.
func (Target) Check(score.Workload) []score.Fault { return nil }

// Start implements target.Target.
func (t Target) Start(_ context.Context, spec target.Spec) (target.Instance, error) {
	if t.BeforeStart != nil {
		if err := t.BeforeStart(spec); err != nil {
			return target.Instance{}, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.instances[spec.ID]; ok && i.instance.State != target.Gone {
		return i.instance, nil
	}
	b := targettest.Good
	if t.Behave != nil {
		b = t.Behave(spec)
	}
	t.nextPort++
	i := &instance{spec: spec, instance: target.Instance{
		ID: spec.ID, Name: spec.Name, State: target.Ready, Addr: fmt.Sprintf("127.0.0.1:%d", t.nextPort),
		Ports: map[string]int{"web": t.nextPort}, StartedAt: time.Unix(int64(t.nextPort), 0), ReadyAfter: 400 * time.Millisecond,
	}}
	switch b {
	case targettest.ExitsAtOnce:
		i.fail("ended before it was ready: exited with code 3 after 0.1 s", "config: DATABASE_URL is empty")
	case targettest.NeverReady:
		i.fail("is not ready after 1 s: GET /readyz answered 500", "serving")
	case targettest.NeverListen:
		i.fail("never listened: after 1 s it listens on no port")
	}
	t.instances[spec.ID] = i
	t.started = append(t.started, spec.ID)
	return i.instance, nil
}

func (i *instance) fail(reason string, lines ...string) {
	i.instance.State, i.instance.Reason = target.Failed, reason
	i.failure = &target.NotReadyError{Instance: i.instance.Name, Reason: reason, LogTail: lines}
}

// AwaitReady implements target.Target.
func (t Target) AwaitReady(ctx context.Context, id string) (target.Instance, error) {
	if t.Hold != nil {
		select {
		case <-t.Hold:
		case <-ctx.Done():
			return target.Instance{}, ctx.Err()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.instances[id]
	if !ok {
		return target.Instance{}, &target.UnknownError{ID: id}
	}
	if i.failure != nil {
		return i.instance, i.failure
	}
	if i.instance.State == target.Gone {
		return i.instance, &target.NotReadyError{Instance: i.instance.Name, Reason: "is gone"}
	}
	return i.instance, nil
}

// Find implements target.Target.
func (t Target) Find(_ context.Context, id string) (target.Instance, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.instances[id]
	if !ok {
		return target.Instance{}, false, nil
	}
	return i.instance, true, nil
}

// List implements target.Target.
func (t Target) List(context.Context) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.AppendSeq([]string{}, maps.Keys(t.instances)), nil
}

// Stop implements target.Target.
func (t Target) Stop(_ context.Context, id string, _ time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.instances, id)
	return nil
}

// Logs implements target.Target.
func (t Target) Logs(_ context.Context, id string, _ target.LogOptions, fn func(target.Line) error) error {
	t.mu.Lock()
	i, ok := t.instances[id]
	t.mu.Unlock()
	if !ok {
		return &target.UnknownError{ID: id}
	}
	return fn(target.Line{At: i.instance.StartedAt, Stream: "stdout", Text: "serving"})
}
