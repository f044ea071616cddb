package provisioner_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
)

func TestEngines_OneIsThere_IsToldWithItsVersionAndNotWithItsPath(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var list struct {
		Items   []map[string]any
		Faults  []string
		Missing string
	}
	f.ok(http.StatusOK, http.MethodGet, "/api/v1/engines", nil, &list)
	require.Equal(t, []map[string]any{{"kind": "tofu", "version": enginetest.TofuVersion, "found": "on PATH"}}, list.Items)
	require.Empty(t, list.Faults)
	require.Empty(t, list.Missing)
}

func TestRun_ProviderDiesWhileItCreates_HoldsTheStackUntilAPersonLooked(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.gate("one.create.after", "die")
	end := f.end(f.env("pr-1", "one").ID)
	require.Equal(t, saga.Parked, end.Status, "what it made is in no state")
	require.Contains(t, end.Failure.Reason, "look whether it exists, then: slipway stack unlock shop.pr-1.one")
	require.Len(t, f.ships(), 1)
}
