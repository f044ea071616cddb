package environment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
)

func reserved(t *testing.T, e *Environments, protect bool) (wishInput, graph.Node) {
	t.Helper()
	in := wishInput{scopeInput: scopeInput{Project: "shop", Environment: "dev", Claim: OwnClaim}, Type: "development"}
	node := graph.Node{Key: "cache", Name: "cache", Type: "redis", Class: "default", Definition: "d", Driver: "fake", Kind: "redis", Protect: protect}
	_, err := e.reserveEnvironment(t.Context(), call(t, "env-1", kindReserve, saga.Forward, in, nil))
	require.NoError(t, err)
	return in, node
}

func TestResource_DriverSaysNotYet_StepWaitsAndTellsNobodyUntilItIsDone(t *testing.T) {
	t.Parallel()
	e, s, world := open(t)
	in, node := reserved(t, e, false)
	do, undo := call(t, "env-1", "cache", saga.Forward, in, node), call(t, "env-1", "cache", saga.Backward, in, node)
	version := func() int64 {
		v, err := e.Get(t.Context(), "shop", "dev")
		require.NoError(t, err)
		return v.Version
	}
	for _, c := range []struct {
		operation string
		step      saga.Activity
		call      saga.Call
		said      string
	}{{"apply", e.ensureResource, do, "resource.provisioned"}, {"destroy", e.undoResource, undo, "resource.destroyed"}} {
		over := world.Delay(c.operation, ".cache")
		var before int64
		for i := range 3 {
			r, err := c.step(t.Context(), c.call)
			require.NoError(t, err)
			require.NotNil(t, r.Wait)
			require.True(t, r.Wait.Working, "an undo is not given up meanwhile")
			require.Equal(t, "it takes its time", r.Wait.Reason)
			if i > 0 {
				require.Equal(t, before, version(), "asking again commits nothing")
			}
			before = version()
		}
		require.Zero(t, told(t, s, c.said))
		over()
		r, err := c.step(t.Context(), c.call)
		require.NoError(t, err)
		require.Nil(t, r.Wait)
		require.Equal(t, 1, told(t, s, c.said))
	}
}

func TestUndo_OfAProtectedResource_IsFinalUntilTheDefinitionLetsGoOfIt(t *testing.T) {
	t.Parallel()
	e, _, world := open(t)
	in, node := reserved(t, e, true)
	def := definition.Definition{Name: "d", Project: "shop", Spec: definition.Spec{Type: "redis", Driver: "fake", Protect: true}}
	_, _, _, err := e.SetDefinition(t.Context(), events.Cause{}, def)
	require.NoError(t, err)
	_, err = e.ensureResource(t.Context(), call(t, "env-1", "cache", saga.Forward, in, node))
	require.NoError(t, err)
	undo := call(t, "env-1", "cache", saga.Backward, in, node)
	_, err = e.undoResource(t.Context(), undo)
	_, final := saga.AsFinal(err)
	require.True(t, final, "the saga parks at once")
	require.ErrorContains(t, err, "definition d protects it")
	require.ErrorContains(t, err, "slipway saga adopt env-1 cache")
	require.Equal(t, []string{"shop.dev.cache"}, world.Existing())

	def.Protect = false
	_, _, _, err = e.SetDefinition(t.Context(), events.Cause{}, def)
	require.NoError(t, err)
	r, err := e.undoResource(t.Context(), undo)
	require.NoError(t, err)
	require.Equal(t, "destroyed", r.Note)
	require.Empty(t, world.Existing())
}

func TestUndo_OfAProtectedResourceThatNeverCameToBe_IsNoMatterForAPerson(t *testing.T) {
	t.Parallel()
	e, _, world := open(t)
	in, node := reserved(t, e, true)
	world.Fail("apply", ".cache", errBoom, 1)
	_, err := e.ensureResource(t.Context(), call(t, "env-1", "cache", saga.Forward, in, node))
	require.ErrorIs(t, err, errBoom)
	r, err := e.undoResource(t.Context(), call(t, "env-1", "cache", saga.Backward, in, node))
	require.NoError(t, err)
	require.Equal(t, "destroyed", r.Note)
}

func TestSecretsThatNoKindLists_AreWrittenDownFirstAndForgottenWithTheResource(t *testing.T) {
	t.Parallel()
	e, _, world := open(t)
	world.Hide("token")
	in, node := reserved(t, e, false)
	_, err := e.ensureResource(t.Context(), call(t, "env-1", "cache", saga.Forward, in, node))
	require.NoError(t, err)
	v, err := e.Get(t.Context(), "shop", "dev")
	require.NoError(t, err)
	require.Equal(t, []string{"password", "token"}, v.State.Resources["cache"].Secrets)
	_, err = e.cfg.Secrets.Get(t.Context(), "shop", "resource/dev/cache/token")
	require.NoError(t, err)
	_, err = e.undoResource(t.Context(), call(t, "env-1", "cache", saga.Backward, in, node))
	require.NoError(t, err)
	_, err = e.cfg.Secrets.Get(t.Context(), "shop", "resource/dev/cache/token")
	require.ErrorIs(t, err, store.ErrNotFound)
}
