package provisioner_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// processes of this fleet's runs: those that work in the runs' folder. what is
// "runner" or "engine".
func (f *fleet) processes(what string) []int {
	f.T.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(f.T, err)
	var out []int
	for _, dir := range all {
		cwd, err := os.Readlink(filepath.Join(dir, "cwd"))
		line, errLine := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || errLine != nil || !strings.HasPrefix(cwd, f.runs+"/") {
			continue
		}
		argv := strings.Split(string(line), "\x00")
		is := "other"
		switch {
		case len(argv) > 1 && argv[1] == runner.Command:
			is = "runner"
		case filepath.Base(argv[0]) == "tofu":
			is = "engine"
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && is == what {
			out = append(out, pid)
		}
	}
	return out
}

// kill kills a process of the run that is at work, and says whether there was one.
func (f *fleet) kill(what string) {
	f.T.Helper()
	found := f.processes(what)
	require.NotEmpty(f.T, found, "no %s is at work", what)
	for _, pid := range found {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// interruptions are what may happen to a run at any moment.
var interruptions = map[string]func(f *fleet, open func()){
	"runner killed":                      func(f *fleet, open func()) { f.kill("runner"); open() },
	"platform restarted":                 func(f *fleet, open func()) { f.restart(); open() },
	"platform away while it goes on":     func(f *fleet, open func()) { f.Stop(); open(); f.Start() },
	"platform away, runner killed":       func(f *fleet, open func()) { f.Stop(); f.kill("runner"); open(); f.Start() },
	"runner killed, platform restarted":  func(f *fleet, open func()) { f.kill("runner"); f.restart(); open() },
	"platform away, all of it is killed": func(f *fleet, open func()) { f.Stop(); f.kill("runner"); f.killIf("engine"); open(); f.Start() },
}

func (f *fleet) killIf(what string) {
	for _, pid := range f.processes(what) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Whatever is interrupted, and when: a run ends applied or undone, nothing is
// made twice and nothing is left.
func TestRun_InterruptedWhileItPlans_IsPlannedAnew(t *testing.T) {
	t.Parallel()
	for name, interrupt := range interruptions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			open := f.gate("one.plan.before", "hold")
			op := f.env("pr-1", "one")
			f.reached("one.plan.before")
			interrupt(f, open)
			end := f.end(op.ID)
			require.Equal(t, saga.Done, end.Status, end.Failure)
			require.Equal(t, []string{"one with tea"}, f.ships())
			f.wellEnded()
		})
	}
}

func TestRun_InterruptedWhileItApplies_EndsAppliedOrUndone(t *testing.T) {
	t.Parallel()
	for _, gate := range []string{"one.create.before", "one.create.after"} {
		for name, interrupt := range interruptions {
			if strings.Contains(name, "all of it") {
				continue // see below: nobody can know then
			}
			t.Run(gate+" "+name, func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				open := f.gate(gate, "hold")
				op := f.env("pr-1", "one")
				f.reached(gate)
				interrupt(f, open)
				end := f.end(op.ID)
				if end.Status == saga.Done {
					require.Equal(t, []string{"one with tea"}, f.ships())
					f.wellEnded()
				}
				require.Contains(t, []saga.Status{saga.Done, saga.Undone}, end.Status, end.Failure)
				f.nothingLeft(end.Status)
			})
		}
	}
}

func TestRun_InterruptedWhileItDestroys_IsDestroyedInTheEnd(t *testing.T) {
	t.Parallel()
	for _, gate := range []string{"one.read.before", "one.delete.before", "one.delete.after"} {
		for name, interrupt := range interruptions {
			if gate != "one.delete.before" && name != "platform away, runner killed" && name != "platform restarted" {
				continue // the rest of them is for make test-engines
			}
			t.Run(gate+" "+name, func(t *testing.T) {
				t.Parallel()
				f := newFleet(t)
				f.define("wreck", one, cargoed)
				f.gate("two.create.before", "fail no timber")
				open := f.gate(gate, "hold")
				op := f.half("pr-1")
				f.reached(gate)
				interrupt(f, open)
				end := f.end(op)
				require.Equal(t, saga.Undone, end.Status, end.Failure)
				f.nothingLeft(end.Status)
			})
		}
	}
}

// half asks for a ship and then for one that cannot be made.
func (f *fleet) half(name string) string {
	f.T.Helper()
	var op struct{ ID string }
	f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/projects/shop/environments", map[string]any{
		"name": name, "type": "preview", "resources": map[string]any{
			"one": map[string]any{"type": "ship"},
			"two": map[string]any{"type": "wreck", "params": map[string]any{"cargo": "${resources.one.id}"}},
		},
	}, &op)
	return op.ID
}

func TestRun_EngineDiesWhileItCreates_HoldsTheStackUntilAPersonLooked(t *testing.T) {
	t.Parallel()
	for _, gate := range []string{"one.create.before", "one.create.after"} {
		t.Run(gate, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.gate(gate, "kill")
			op := f.env("pr-1", "one")
			end := f.end(op.ID)
			require.Equal(t, saga.Parked, end.Status)
			require.Contains(t, end.Failure.Reason, "died while creating yard_ship.one: look whether it exists, then: slipway stack unlock shop.pr-1.one")
			require.Equal(t, []string{"yard_ship.one"}, f.all("")[0].Unresolved)
			// The person looks, and takes away what is there.
			require.NoError(t, os.RemoveAll(filepath.Join(f.yard, "ships")))
			_, err := f.stacks().ForceUnlock(t.Context(), events.Cause{Actor: "user:default/ada"}, "shop.pr-1.one", "I looked")
			require.NoError(t, err)
			f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/sagas/"+op.ID+"/retry", nil, nil)
			require.Equal(t, saga.Undone, f.end(op.ID).Status)
		})
	}
}

func TestRun_EngineDiesAfterItCreated_IsTakenOverByItsIDAndDestroyed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("fleet", strings.ReplaceAll(two, "yard_ship.one.id\n}\n\n", "yard_ship.one.id\n}\n"), "")
	f.gate("one-2.create.before", "hold")
	op := f.env("pr-1", "one:fleet")
	f.reached("one-2.create.before")
	f.Stop()
	f.kill("runner")
	f.kill("engine")
	require.NoError(t, os.Remove(filepath.Join(f.yard, "gates", "one-2.create.before")))
	f.Start()
	end := f.end(op.ID)
	require.Equal(t, saga.Parked, end.Status, "the second may exist")
	require.Equal(t, []string{"one with tea"}, f.ships())
	_, err := f.stacks().ForceUnlock(t.Context(), events.Cause{Actor: "user:default/ada"}, "shop.pr-1.one", "there is no second")
	require.NoError(t, err)
	f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/sagas/"+op.ID+"/retry", nil, nil)
	require.Equal(t, saga.Undone, f.end(op.ID).Status)
	require.Empty(t, f.ships(), "the first was known by its id")
}

// wellEnded: one ship was made once.
func (f *fleet) wellEnded() {
	f.T.Helper()
	require.Equal(f.T, []string{"create one done"}, without(f.ledger(), "failed"))
}

// nothingLeft: what was undone is gone, and nothing was made or destroyed twice.
func (f *fleet) nothingLeft(status saga.Status) {
	f.T.Helper()
	if status == saga.Undone {
		require.Empty(f.T, f.ships())
	}
	creates := 0
	for _, l := range f.ledger() {
		if strings.HasPrefix(l, "create one") {
			creates++
		}
	}
	require.LessOrEqual(f.T, creates, 1, "%v", f.ledger())
	require.Eventually(f.T, func() bool { return len(f.processes("runner"))+len(f.processes("engine")) == 0 }, time.Minute, 10*time.Millisecond)
	left, err := filepath.Glob(filepath.Join(f.runs, "work", "*"))
	require.NoError(f.T, err)
	require.Empty(f.T, left)
}
