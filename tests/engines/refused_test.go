//go:build engines

package engines

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
)

// refusals are asked of one platform, one after the other: of none anything is
// left.
func TestRefused_ModulesAndPlans_SayWhyAndLeaveNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()

		err := d.TryApply("", d.definition("torn", strings.Replace(fleet, "variable \"name\" { type = string }", "variable \"name\" {", 1), ""))
		require.Error(t, err)
		require.Contains(t, text(problem(err)), "main.tf", "a module that does not parse is refused with its place")
		_, err = d.Client().CreateEnvironment(d.Context(), project, client.EnvironmentRequest{Name: "torn", Type: "dev", Resources: map[string]client.Resource{"torn": {Type: "torn"}}})
		require.Error(t, err, "and is no definition")

		err = d.TryApply("", d.definition("lacking", fleet, "  outputs: {id: string, anchor: string}"))
		require.Error(t, err)
		require.Contains(t, text(problem(err)), "anchor", "so is one without an output that is declared")

		for name, c := range map[string]struct {
			module, more string
			params       map[string]any
			says         []string
		}{
			"elsewhere": {strings.ReplaceAll(fleet, "slipway.test/fleet/yard", "slipway.test/fleet/nowhere"), "", nil,
				[]string{"slipway.test/fleet/nowhere"}},
			"mistyped": {fleet, "  outputs: {id: number}", nil, []string{"id", "number"}},
			"denied":   {fleet, "", map[string]any{"cargo": "coal"}, []string{"no coal", "yard_ship.first", "guarded-plans"}},
			"unheard":  {fleet + "\nresource \"yard_ship\" \"third\" {\n  name = \"third\"\n  sails = 3\n}\n", "", nil, []string{"main.tf", "sails"}},
		} {
			d.define(name, c.module, c.more)
			resources := fleetOf(c.params)
			resources[name] = client.Resource{Type: name, Params: resources["fleet"].Params}
			delete(resources, "fleet")
			op := d.must(d.ask(name, "dev", resources).ID, client.StatusUndone)
			for _, s := range c.says {
				require.Contains(t, op.Failure.Reason, s, name)
			}
			require.Empty(t, d.yard.ships(""), name)
		}
		require.Empty(t, d.yard.audit(nil, nil).Orphans)
	})
}

func problem(err error) any {
	return map[string]any{"said": err.Error(), "problem": err}
}

func TestEngine_Hangs_IsCutAtItsDeadlineAndLookedAt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.define("slow", fleet, "  timeout: 8s")
		d.yard.gate("one.slow.second.create.before", "hold")
		resources := map[string]client.Resource{"slow": {Type: "slow", Params: fleetOf(nil)["fleet"].Params}}
		op := d.must(d.ask("one", "dev", resources).ID, client.StatusUndone)
		require.Contains(t, op.Failure.Reason, "deadline", "it was cut, and why is said")
		require.Empty(t, d.yard.ships(""), "what it had made by then was looked for, and destroyed")
		require.Equal(t, account{}, d.yard.audit(nil, nil))
	})
}

func TestEngineKilled_WhatItMadeIsUnknown_HoldsTheStackUntilAPersonLooked(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.yard.gate("one.fleet.second.create.after", "kill")
		op := d.must(d.ask("one", "dev", fleetOf(nil)).ID, client.StatusParked)
		require.Contains(t, text(op), "yard_ship.second")
		require.Contains(t, text(op), "slipway stack unlock yard.one.fleet")
		require.Len(t, d.yard.ships("one."), 2, "nothing is done while nobody knows")
		d.yard.open("one.fleet.second.create.after")

		// Asking again does not help: the lock of the dead run says whose it is.
		_, err := d.Client().RetrySaga(d.Context(), op.ID, "")
		require.NoError(t, err)
		op = d.must(op.ID, client.StatusParked)
		require.Contains(t, text(op), "slipway stack unlock yard.one.fleet")

		// A person looks, takes away what there is, and says so.
		require.NoError(t, remove(d.yard.ship("one.fleet.second")))
		out, err := d.Run("stack", "unlock", "yard.one.fleet", "--reason", "I looked: the second one was there, and is gone now", "-p", project)
		require.NoError(t, err, out)
		_, err = d.Client().RetrySaga(d.Context(), op.ID, "")
		require.NoError(t, err)
		d.must(op.ID, client.StatusUndone)
		require.Empty(t, d.yard.ships(""), "the first one was taken over by its id, and destroyed")
	})
}

func TestEngineKilled_InAnUpdateOrADelete_EndsAppliedOrUndoneByItself(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.release("1", "serve", "tea", "barque")
		d.release("2", "serve", "wool", "barque")
		d.must(d.deploy("dev", "1").ID, client.StatusDone)
		for _, when := range []string{"before", "after"} {
			gate := "dev.fleet.first.update." + when
			d.yard.gate(gate, "kill")
			op := d.deploy("dev", "2")
			d.awaitRun("dev", "failed", func(r execution) bool { return r.Status == "failed" })
			d.yard.open(gate)
			cargo := map[string]string{client.StatusDone: "wool", client.StatusUndone: "tea"}
			require.Equal(t, cargo[d.over(op.ID).Status], d.yard.ship("dev.fleet.first").Cargo, when)
			d.must(d.deploy("dev", "1").ID, client.StatusDone)
		}
		d.must(d.ask("two", "dev", fleetOf(nil)).ID, client.StatusDone)
		gate := "two.fleet.second.delete.after"
		d.yard.gate(gate, "kill")
		op := d.remove("two")
		d.awaitRun("two", "failed", func(r execution) bool { return r.Status == "failed" })
		d.yard.open(gate)
		d.must(op.ID, client.StatusDone)
		require.Empty(t, d.yard.ships("two."))
		require.Empty(t, d.yard.audit(map[string]bool{"dev.fleet.first": true, "dev.fleet.second": true}, nil).Orphans)
	})
}

func TestProviderDies_AfterItsEffect_HoldsTheStackUntilAPersonLooked(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.yard.gate("one.fleet.second.create.after", "die")
		op := d.over(d.ask("one", "dev", fleetOf(nil)).ID)
		require.Equal(t, client.StatusParked, op.Status, "the engine says that it failed, and nobody knows what it made\n%s", text(op))
		require.Contains(t, text(op), "yard_ship.second")
	})
}
