package deployer_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/targettest"
)

// holds keep a deployment at a step until they are let go.
var holds = map[string]func(p *platform) (letGo func()){
	"decide": func(p *platform) func() {
		p.policy.set("")
		return func() { p.policy.set("allow") }
	},
	"resources": func(p *platform) func() {
		p.prov.quiet(true)
		return func() { p.prov.quiet(false) }
	},
	"start": func(p *platform) func() {
		var held atomic.Bool
		held.Store(true)
		p.machine.BeforeStart = func(s target.Spec) error {
			if held.Load() && s.Name == "orders.2" {
				return errors.New("not now")
			}
			return nil
		}
		return func() { held.Store(false) }
	},
	"verify": func(p *platform) func() {
		p.machine.Hold = make(chan struct{})
		return func() { close(p.machine.Hold) }
	},
	"shift": func(p *platform) func() {
		p.ingress.mu.Lock()
		p.ingress.fails = 2
		p.ingress.mu.Unlock()
		return func() {}
	},
	"retire": func(p *platform) func() {
		before := p.ingress.backend("orders.dev.shop.localhost")
		p.ingress.set(before, 1)
		return func() { p.ingress.set(before, 0) }
	},
}

// at waits until the deployment is at the step that is held.
func (p *platform) at(id, step string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		var op struct {
			Steps []struct{ ID, Status string }
		}
		p.get("/api/v1/operations/"+id, &op)
		for _, s := range op.Steps {
			if s.ID == step {
				return s.Status != "pending"
			}
		}
		return false
	}, 20*time.Second, time.Millisecond, "it never came to %s", step)
}

func TestCrash_AtEachStepOfAGoodRelease_ItIsDoneOnce(t *testing.T) {
	t.Parallel()
	for step, hold := range holds {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.ended(p.deploy(p.push("1", "redis")))
			two := p.push("2", "redis", "bucket")
			letGo := hold(p)
			id := p.deploy(two)
			p.at(id, step)
			p.crash()
			letGo()
			p.start()
			d := p.ended(id)
			require.Equal(t, "done", d.Outcome, d.Reason)
			require.Equal(t, []string{"orders.2"}, p.machine.Existing())
			require.Equal(t, 2, p.machine.Starts(), "the second start found the first")
			require.Eventually(t, func() bool {
				p.prov.mu.Lock()
				defer p.prov.mu.Unlock()
				return len(p.prov.existing["redis"]) == 1 && len(p.prov.existing["bucket"]) == 1
			}, 10*time.Second, 5*time.Millisecond)
			p.ingress.mu.Lock()
			defer p.ingress.mu.Unlock()
			require.Len(t, p.ingress.history, 2, "the first, the second: traffic moved once")
		})
	}
}

func TestCrash_AtEachStepOfABrokenRelease_NothingOfItIsLeft(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"decide", "resources", "start", "verify"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.ended(p.deploy(p.push("1", "redis")))
			before := p.ingress.backend("orders.dev.shop.localhost")
			p.machine.Behave = func(s target.Spec) targettest.Behaviour {
				if strings.HasSuffix(s.Name, ".2") {
					return targettest.NeverReady
				}
				return targettest.Good
			}
			three := p.push("3", "redis", "queue")
			letGo := holds[step](p)
			id := p.deploy(three)
			p.at(id, step)
			p.crash()
			letGo()
			p.start()
			d := p.ended(id)
			require.Equal(t, "failed", d.Outcome, d.Reason)
			require.Contains(t, d.Reason, "answered 500")
			require.Equal(t, []string{"orders.1"}, p.machine.Existing())
			require.Equal(t, []string{"redis"}, p.prov.resources())
			require.Equal(t, before, p.ingress.backend("orders.dev.shop.localhost"))
		})
	}
}

func TestCrash_MachineStartedAgainWhileVerifying_TheReleaseStillArrives(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ended(p.deploy(p.push("1")))
	two := p.push("2")
	letGo := holds["verify"](p)
	id := p.deploy(two)
	p.at(id, "verify")
	p.crash()
	p.machine.Lose()
	letGo()
	p.start()
	d := p.ended(id)
	require.Equal(t, "done", d.Outcome, d.Reason)
	require.Eventually(t, func() bool { return len(p.machine.Existing()) == 1 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, []string{"orders.2"}, p.machine.Existing())
}
