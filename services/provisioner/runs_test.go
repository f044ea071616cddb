package provisioner_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// cargoed is a definition whose ships carry what they are asked to.
const cargoed = `  inputs: {name: "${context.resource}", cargo: "${params.cargo}"}
  outputs: {id: string, cargo: string, secret: string}
`

// two makes a second ship after the first.
const two = one + `
resource "yard_ship" "two" {
  name  = "${var.name}-2"
  cargo = yard_ship.one.id
}
`

// voyage is an environment with ships and their cargo.
func voyage(name string, cargo ...string) string {
	text := "apiVersion: slipway.dev/v1alpha1\nkind: Environment\nmetadata: {name: " + name + "}\nspec:\n  type: development\n  resources:\n"
	for _, c := range cargo {
		ship, what, _ := strings.Cut(c, " with ")
		typ := "ship"
		if s, t, found := strings.Cut(ship, ":"); found {
			ship, typ = s, t
		}
		text += "    " + ship + ": {type: " + typ + ", params: {cargo: " + what + "}}\n"
	}
	return text
}

// sail applies an environment and follows what it takes.
func (f *fleet) sail(name string, cargo ...string) sagaapi.Operation {
	f.T.Helper()
	results := f.applyOK(voyage(name, cargo...))
	id, _ := results[0]["operation"].(string)
	require.NotEmpty(f.T, id, results)
	return f.end(id)
}

func (f *fleet) stacks() *stack.Stacks {
	f.T.Helper()
	vault, err := secret.OpenVault(filepath.Join(f.DataDir(), "secret.key"), true)
	require.NoError(f.T, err)
	return stack.New(stack.Config{Store: f.Store, Vault: vault, Clock: time.Now})
}

// awaitRun waits until the newest run is in a state, and gives it.
func (f *fleet) awaitRun(status string) runView {
	f.T.Helper()
	var last runView
	require.Eventually(f.T, func() bool {
		all := f.all("")
		if len(all) == 0 {
			return false
		}
		last = all[len(all)-1]
		return last.Status == status
	}, time.Minute, 5*time.Millisecond, "no run is %s\n%s", status, f.logged())
	return last
}

func TestModule_MadeAndDestroyed_ByRunsThatArePlannedAndAppliedAsPlanned(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	op := f.end(f.env("pr-1", "one").ID)
	require.Equal(t, saga.Done, op.Status, op.Failure)
	require.Equal(t, []string{"one with tea"}, f.ships())
	require.Equal(t, []string{"apply finished"}, f.told())
	r := f.resource("pr-1", "one")
	outputs := r["outputs"].(map[string]any)
	require.Equal(t, "tea", outputs["cargo"])
	require.Equal(t, map[string]any{"secretRef": "resource/pr-1/one/secret"}, outputs["secret"])

	require.Equal(t, saga.Done, f.drop("pr-1").Status)
	require.Empty(t, f.ships())
	require.Equal(t, []string{"apply finished", "destroy finished"}, f.told())
	require.Equal(t, []string{"create one done", "delete one done"}, f.ledger())
	require.Empty(t, f.secrets())
	for _, event := range []string{"run.planned", "run.finished"} {
		require.Len(t, f.platform.all(event), 2, event)
	}
	_, err := f.stacks().Get(t.Context(), "shop.pr-1.one")
	require.Error(t, err, "nothing is left of the stack")
	left, err := filepath.Glob(filepath.Join(f.runs, "*", "*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left of the runs' folders")
}

func TestModule_ChangeUndone_IsPutBackAsItWas(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("ship", one, cargoed)
	require.Equal(t, saga.Done, f.sail("dev", "one with tea").Status)
	f.gate("two.create.before", "fail no timber")
	op := f.sail("dev", "one with gold", "two with tin")
	require.Equal(t, saga.Undone, op.Status)
	require.Contains(t, op.Failure.Reason, "no timber")
	require.Equal(t, []string{"one with tea"}, f.ships())
	require.Equal(t, "tea", f.resource("dev", "one")["outputs"].(map[string]any)["cargo"])
	require.Equal(t, saga.Done, f.drop("dev").Status)
	require.Empty(t, f.ships())
	require.Equal(t, 1, strings.Count(strings.Join(f.ledger(), "\n"), "delete one done"), "it was changed in place, there and back")
}

func TestModule_FailsHalfWay_IsLookedAtAndWhatItMadeIsDestroyed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("fleet", two, "")
	f.gate("one-2.create.before", "fail no timber")
	op := f.end(f.env("pr-1", "one:fleet").ID)
	require.Equal(t, saga.Undone, op.Status)
	require.Empty(t, f.ships())
	runs := f.all("")
	require.Equal(t, []string{"apply failed engine", "destroy finished"}, f.told())
	require.Equal(t, []string{"yard_ship.one"}, runs[0].Made)
	require.Contains(t, runs[0].Reason, "no timber")
	require.Contains(t, runs[0].Reason, "it had made yard_ship.one")
	require.Contains(t, op.Failure.Reason, "no timber")
}

func TestModule_PlanIsDenied_SaysByWhichRuleWhereAndAboutWhat(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.policy(say("deny", map[string]any{"policy": "shop/ships", "rule": "deny", "line": 7, "message": "tea is not allowed", "resource": "yard_ship.one"}))
	op := f.end(f.env("pr-1", "one").ID)
	require.Equal(t, saga.Undone, op.Status)
	require.Contains(t, op.Failure.Reason, "the plan is denied by shop/ships: deny (line 7): yard_ship.one: tea is not allowed")
	require.Empty(t, f.ledger(), "nothing was done")
	require.Equal(t, []string{"apply failed denied"}, f.told())
	require.Equal(t, "apply", f.asked[0]["operation"])
}

func TestModule_PolicyIsSilent_IsAskedAgainUntilItAnswers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	calls := 0
	f.policy(func(in map[string]any) map[string]any {
		if calls++; calls < 3 {
			return map[string]any{}
		}
		return say("allow")(in)
	})
	op := f.end(f.env("pr-1", "one").ID)
	require.Equal(t, saga.Done, op.Status, op.Failure)
	require.Equal(t, f.asked[0], f.asked[2], "the same question")
}

func TestModule_NeedsAnApproval_GoesOnWithThePlanThatWasApproved(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.policy(say("needs-approval", map[string]any{"policy": "shop/ships", "rule": "require_approval", "message": "ships are dear"}))
	op := f.env("pr-1", "one")
	r := f.awaitRun("waiting")
	require.Contains(t, r.Waiting, "ships are dear")
	path := "/api/v1/projects/shop/runs/" + r.ID
	f.refused(http.StatusConflict, http.MethodPost, path+"/approve", map[string]string{"digest": "sha256:00"})
	f.restart()
	require.Empty(t, f.ledger())
	f.ok(http.StatusOK, http.MethodPost, path+"/approve", map[string]string{"digest": r.PlanDigest}, nil)
	require.Equal(t, saga.Done, f.end(op.ID).Status)
	require.Equal(t, []string{"one with tea"}, f.ships())

	// Another is not wanted.
	op = f.env("pr-2", "other")
	r = f.awaitRun("waiting")
	f.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/runs/"+r.ID+"/discard", map[string]string{"reason": "too dear"}, nil)
	end := f.end(op.ID)
	require.Equal(t, saga.Undone, end.Status)
	require.Contains(t, end.Failure.Reason, "it was stopped by user:default/ada: too dear; nothing was applied")
	require.Equal(t, []string{"one with tea"}, f.ships())
}

func TestModule_StateMovedAfterThePlan_IsNotAppliedAndPlannedAnew(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("ship", one, cargoed)
	require.Equal(t, saga.Done, f.sail("dev", "one with tea").Status)
	f.policy(say("needs-approval"))
	results := f.applyOK(voyage("dev", "one with gold"))
	r := f.awaitRun("waiting")
	// Somebody writes the state while the plan waits.
	stacks, name := f.stacks(), "shop.dev.one"
	raw, v, err := stacks.State(t.Context(), name)
	require.NoError(t, err)
	lock, err := stacks.LockFor(t.Context(), name, r.ID)
	require.NoError(t, err)
	moved := strings.Replace(string(raw), `"serial":`, `"serial":9`, 1)
	require.NotEqual(t, string(raw), moved)
	_, err = stacks.Put(t.Context(), name, stack.Writer{Run: r.ID, LockID: lock.ID}, []byte(moved))
	require.NoError(t, err)
	f.policy(say("allow"))
	f.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/runs/"+r.ID+"/approve", map[string]string{"digest": r.PlanDigest}, nil)
	end := f.end(results[0]["operation"].(string))
	require.Equal(t, saga.Done, end.Status, end.Failure)
	require.Equal(t, []string{"apply finished", "apply failed moved", "apply finished"}, f.told())
	require.Contains(t, f.all("")[1].Reason, "the state moved from serial")
	require.NotZero(t, v.Serial)
	require.Equal(t, []string{"one with gold"}, f.ships())
}

func TestModule_LockHeldByADeadRun_SaysWhoseAndHowToFreeIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("ship", one, cargoed)
	require.Equal(t, saga.Done, f.sail("dev", "one with tea").Status)
	stacks := f.stacks()
	_, err := stacks.Lock(t.Context(), "shop.dev.one", stack.Lock{Run: "run-dead", ID: "x", Operation: "OperationTypeApply"})
	require.NoError(t, err)
	end := f.sail("dev", "one with gold")
	require.Equal(t, saga.Parked, end.Status, "what was before cannot be put back either")
	require.Contains(t, end.Failure.Reason, "locked by run run-dead")
	require.Contains(t, end.Failure.Reason, "slipway stack unlock shop.dev.one")
	_, err = stacks.ForceUnlock(t.Context(), events.Cause{Actor: "user:default/ada"}, "shop.dev.one", "it is dead")
	require.NoError(t, err)
	f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/sagas/"+end.ID+"/retry", nil, nil)
	require.Equal(t, saga.Undone, f.end(end.ID).Status)
	require.Equal(t, []string{"one with tea"}, f.ships())
}

func TestModule_Hangs_IsCutAtItsDeadlineAndLookedAt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("fleet", two, "  timeout: 5s\n")
	f.gate("one-2.create.before", "hold")
	op := f.end(f.env("pr-1", "one:fleet").ID)
	require.Equal(t, saga.Undone, op.Status)
	require.Empty(t, f.ships())
	r := f.all("")[0]
	require.Equal(t, "failed cut", r.Status+" "+r.Fault, r.Reason)
	require.Contains(t, r.Reason, "deadline")
	require.Contains(t, r.Reason, "it had made yard_ship.one")
}

func TestModule_CancelledWhileItApplies_IsInterruptedLookedAtAndUndone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("fleet", two, "")
	f.gate("one-2.create.before", "hold")
	op := f.env("pr-1", "one:fleet")
	f.reached("one-2.create.before")
	r := f.awaitRun("applying")
	f.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/runs/"+r.ID+"/cancel", map[string]string{"reason": "changed my mind"}, nil)
	end := f.end(op.ID)
	require.Equal(t, saga.Undone, end.Status)
	require.Contains(t, end.Failure.Reason, "changed my mind")
	require.Empty(t, f.ships())
	require.Equal(t, []string{"yard_ship.one"}, f.all("")[0].Made)
}

func TestModule_SagaAbortedWhileItsRunApplies_RunIsStoppedBeforeItsUndo(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("fleet", two, "")
	f.gate("one-2.create.before", "hold")
	op := f.env("pr-1", "one:fleet")
	f.reached("one-2.create.before")
	f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/sagas/"+op.ID+"/abort", map[string]string{"reason": "no"}, nil)
	require.Equal(t, saga.Undone, f.end(op.ID).Status)
	require.Empty(t, f.ships())
	require.Equal(t, []string{"apply failed stopped", "destroy finished"}, f.told())
}

func TestModule_OutputMissingOrOfAnotherType_IsRefusedAndUndone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("ship", one, "  outputs: {id: number}\n")
	op := f.end(f.env("pr-1", "one").ID)
	require.Equal(t, saga.Undone, op.Status)
	require.Contains(t, op.Failure.Reason, "definition ship declares the output id as a number, and the module gives a string")
	require.Empty(t, f.ships())
	status, b := f.apply("apply", f.definition("ship", one, "  outputs: {mast: string}\n"))
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, string(b), "mast")
}

func TestModule_ProtectedAndItsSagaFails_ParksAndNothingIsDestroyed(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("ship", one, "  protect: true\n")
	f.define("wreck", one, cargoed)
	f.gate("two.create.before", "fail no timber")
	var op sagaapi.Operation
	f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/projects/shop/environments", map[string]any{
		"name": "pr-1", "type": "preview", "resources": map[string]any{
			"one": map[string]any{"type": "ship"},
			"two": map[string]any{"type": "wreck", "params": map[string]any{"cargo": "${resources.one.id}"}},
		},
	}, &op)
	op = f.end(op.ID)
	require.Equal(t, saga.Parked, op.Status)
	require.Equal(t, []string{"one with tea"}, f.ships())
	require.Equal(t, []string{"create one done"}, without(f.ledger(), "failed"))
}

func without(lines []string, part string) []string {
	var out []string
	for _, l := range lines {
		if !strings.Contains(l, part) {
			out = append(out, l)
		}
	}
	return out
}

func TestModule_Drifted_IsToldOnceAndNotMended(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	require.Equal(t, saga.Done, f.end(f.env("pr-1", "one").ID).Status)
	ships, err := filepath.Glob(filepath.Join(f.yard, "ships", "*.json"))
	require.NoError(t, err)
	replaceIn(t, ships[0], `"tea"`, `"rats"`)
	for range 2 {
		f.ok(http.StatusAccepted, http.MethodPost, "/api/v1/projects/shop/resources/pr-1/one/drift", nil, nil)
		require.Eventually(t, func() bool {
			d, _ := f.resource("pr-1", "one")["drift"].(map[string]any)
			return d != nil && d["asked"] == nil && d["lookedAt"] != nil
		}, time.Minute, 10*time.Millisecond)
	}
	require.Len(t, f.platform.all("resource.drifted"), 1)
	st, err := f.stacks().Get(t.Context(), "shop.pr-1.one")
	require.NoError(t, err)
	require.Equal(t, []string{`yard_ship.one: cargo is "rats", not "tea"`}, st.Drift.Differences)
	require.Equal(t, []string{"one with rats"}, f.ships())
}

func TestModule_DryRun_SaysWhatWouldBeDoneAndLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.define("wreck", one, cargoed)
	var plan struct {
		Steps []struct{ ID, Action, Summary, Run, Undo string }
	}
	f.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/environments?dryRun=true", map[string]any{
		"name": "pr-1", "type": "preview", "resources": map[string]any{
			"one": map[string]any{"type": "ship"},
			"two": map[string]any{"type": "wreck", "params": map[string]any{"cargo": "${resources.one.id}"}},
		},
	}, &plan)
	said := map[string]string{}
	for _, st := range plan.Steps {
		said[st.ID] = st.Action + ": " + st.Summary
	}
	require.Equal(t, "create: tofu: 1 to add", said["one"])
	require.Contains(t, said["two"], "unknown: known once what it needs is there: ")
	require.Contains(t, said["two"], "one is not there")
	require.Empty(t, f.ledger())
	require.Equal(t, []string{"plan finished"}, f.told())
	require.Empty(t, f.asked, "nobody is asked whether one may look")
	_, err := f.stacks().Get(t.Context(), "shop.pr-1.one")
	require.Error(t, err)
}
