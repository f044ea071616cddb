//go:build engines

package engines

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
)

func TestEnvironment_MadeByAModule_IsThereAndGoneAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.must(d.ask("one", "dev", fleetOf(nil)).ID, client.StatusDone)
		first, second := d.yard.ship("one.fleet.first"), d.yard.ship("one.fleet.second")
		require.Equal(t, "tea", first.Cargo)
		require.Equal(t, first.ID, second.Cargo)

		resource := d.resource("one", "fleet")
		require.Contains(t, resource, first.ID, "outputs are handed on")
		require.NotContains(t, resource, second.Secret, "and secret ones are not shown")

		d.must(d.remove("one").ID, client.StatusDone)
		require.Empty(t, d.yard.ships(""))
		require.Equal(t, account{}, d.yard.audit(nil, nil))
		d.nowhere(second.Secret)
	})
}

func TestDeploy_ChangeThenReplaceThenBadRelease_IsChangedReplacedAndBroughtBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.release("1", "serve", "tea", "barque")
		d.release("2", "serve", "wool", "barque")
		d.release("3", "serve", "wool", "clipper")
		d.release("4", "exit", "rum", "clipper")

		d.must(d.deploy("dev", "1").ID, client.StatusDone)
		first := d.yard.ship("dev.fleet.first")
		d.must(d.deploy("dev", "2").ID, client.StatusDone)
		changed := d.yard.ship("dev.fleet.first")
		require.Equal(t, "wool", changed.Cargo)
		require.Equal(t, first.ID, changed.ID, "a change keeps what is there")

		d.must(d.deploy("dev", "3").ID, client.StatusDone)
		replaced := d.yard.ship("dev.fleet.first")
		require.NotEqual(t, first.ID, replaced.ID)
		require.Equal(t, replaced.ID, d.yard.ship("dev.fleet.second").Cargo)

		d.must(d.deploy("dev", "4").ID, client.StatusUndone)
		back := d.yard.ship("dev.fleet.first")
		require.Equal(t, "wool", back.Cargo, "what was before is there again")
		require.Equal(t, replaced.ID, back.ID)
		var did []string
		for _, l := range d.yard.ledger() {
			if l.Outcome == "done" && strings.HasSuffix(l.Name, ".first") {
				did = append(did, l.Op)
			}
		}
		require.Equal(t, []string{"create", "update", "delete", "create", "update", "update"}, did)
	})
}

func TestEnvironment_SecondResourceFails_TheFirstIsDestroyed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		for _, when := range []string{"before", "after"} {
			d.yard.gate("one.wreck.first.create."+when, "fail the crane broke")
			op := d.must(d.ask("one", "dev", wrecked()).ID, client.StatusUndone)
			require.Contains(t, text(op), "the crane broke", "why is said")
			require.Empty(t, d.yard.ships(""), when)
			d.yard.open("one.wreck.first.create." + when)
		}
		require.Equal(t, account{}, d.yard.audit(nil, nil))
	})
}

// wrecked are two fleets, the second after the first.
func wrecked() map[string]client.Resource {
	all := fleetOf(nil)
	all["wreck"] = client.Resource{Type: "fleet", Params: map[string]any{"cargo": "${resources.fleet.id}", "class": "barque"}}
	return all
}

func TestShip_ChangedBySomebodyElse_IsDriftAndMendedByTheNextRun(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.release("1", "serve", "tea", "barque")
		d.release("2", "serve", "wool", "barque")
		d.must(d.deploy("dev", "1").ID, client.StatusDone)
		b := d.yard.ship("dev.fleet.second")
		require.NoError(t, os.Remove(b.file))
		d.must(d.deploy("dev", "2").ID, client.StatusDone)
		require.NotEqual(t, b.ID, d.yard.ship("dev.fleet.second").ID)
	})
}
