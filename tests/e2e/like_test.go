package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/platform"
)

func TestEnvClone_OfWhereAWorkloadRuns_HasItsResourcesAnewAndDiffTellsWhatRuns(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	p.ApplyShop("")
	p.PushOrders(binaries, "shop", "1.4.0", "v2")
	op, err := p.Client().Deploy(p.Context(), "shop", client.DeployRequest{
		Workload: "orders", Environment: "dev", EnvironmentType: "development", Artifact: "orders:1.4.0",
	})
	require.NoError(t, err)
	op, err = p.Client().Wait(p.Context(), op.ID)
	require.NoError(t, err)
	require.Equal(t, client.StatusDone, op.Status, text(t, op))

	out, err := p.Run("env", "clone", "dev", "copy", "-p", "shop", "--wait")
	require.NoError(t, err, out)
	out, err = p.Run("env", "diff", "dev", "copy", "-p", "shop", "-o", "json")
	require.NoError(t, err, out)
	var diff struct {
		Items []struct {
			Kind, Name, A, B string
			Same             bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &diff), out)
	resources := 0
	for _, d := range diff.Items {
		if d.Kind == "resource" {
			resources++
			require.True(t, d.Same, d)
			continue
		}
		require.Equal(t, "orders", d.Name)
		require.True(t, strings.HasPrefix(d.A, "orders@sha256:"), d)
		require.Empty(t, d.B, "resources are made anew, and nothing is deployed")
	}
	require.GreaterOrEqual(t, resources, 2)
	require.Len(t, diff.Items, resources+1)
}
