package environment

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/fake"
	"github.com/slipway-idp/slipway/services/provisioner/internal/graph"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// The activities here are called as after a crash: their effect is there,
// their answer was lost.

var errBoom = errors.New("boom")

func open(t *testing.T) (*Environments, store.Store, *fake.Driver) {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "p.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	vault, err := secret.OpenVault(filepath.Join(dir, "key"), false)
	require.NoError(t, err)
	world := fake.New()
	e, err := New(Config{
		Store: s, Drivers: map[string]driver.Driver{"fake": world}, Secrets: secret.New(s, vault, time.Now),
		Clock: time.Now, Log: zerolog.Nop(),
	})
	require.NoError(t, err)
	return e, s, world
}

func call(t *testing.T, sagaID, step string, direction saga.Direction, sagaInput, input any) saga.Call {
	t.Helper()
	a, err := json.Marshal(sagaInput)
	require.NoError(t, err)
	b, err := json.Marshal(input)
	require.NoError(t, err)
	return saga.Call{SagaID: sagaID, StepID: step, Kind: kindCreate, Direction: direction, SagaInput: a, Input: b, Project: "shop"}
}

// told counts the messages of a type that were committed.
func told(t *testing.T, s store.Store, part string) int {
	t.Helper()
	entries, err := s.Outbox().Pending(t.Context(), 1000)
	require.NoError(t, err)
	n := 0
	for _, e := range entries {
		if strings.Contains(e.Message.Subject, part) {
			n++
		}
	}
	return n
}

func TestActivities_AnswerLost_CalledAgainTheyTellNobodyTwice(t *testing.T) {
	t.Parallel()
	e, s, world := open(t)
	in := wishInput{scopeInput: scopeInput{Project: "shop", Environment: "dev", Claim: OwnClaim}, Type: "development",
		Names: map[string]string{"cache": "cache"}, Keys: []KeyAfter{{Key: "cache"}}}
	node := graph.Node{Key: "cache", Name: "cache", Type: "redis", Class: "default", Definition: "d", Driver: "fake", Kind: "redis"}
	twice := func(do saga.Activity, c saga.Call) [2]saga.Result {
		var out [2]saga.Result
		for i := range out {
			r, err := do(t.Context(), c)
			require.NoError(t, err)
			require.Nil(t, r.Wait)
			out[i] = r
		}
		return out
	}
	twice(e.reserveEnvironment, call(t, "env-1", kindReserve, saga.Forward, in, nil))
	r := twice(e.ensureResource, call(t, "env-1", "cache", saga.Forward, in, node))
	require.Equal(t, r[0], r[1])
	require.Equal(t, "created", r[0].Output.(made).Action)
	require.Equal(t, 1, told(t, s, "resource.provisioned"))

	u := twice(e.undoResource, call(t, "env-1", "cache", saga.Backward, in, node))
	require.Equal(t, "destroyed", u[0].Note)
	require.Equal(t, u[0], u[1], "the answer that was lost is given again")
	require.Equal(t, 1, told(t, s, "resource.destroyed"))
	require.Empty(t, world.Existing())

	twice(e.ensureResource, call(t, "env-1", "cache", saga.Forward, in, node))
	twice(e.settleEnvironment, call(t, "env-1", kindSettle, saga.Forward, in, nil))
	require.Equal(t, 1, told(t, s, "environment.created"))
	v, err := e.Get(t.Context(), "shop", "dev")
	require.NoError(t, err)
	require.Equal(t, Ready, v.State.Status)
	require.Empty(t, v.State.Resources["cache"].Before, "there is nothing to undo any more")

	drop := call(t, "res-1", "cache", saga.Forward, scopeInput{Project: "shop", Environment: "dev", Claim: OwnClaim, Reason: "released"}, KeyAfter{Key: "cache"})
	twice(e.dropResource, drop)
	require.Equal(t, 2, told(t, s, "resource.destroyed"))
}

func TestUndo_OfWhatNeverBegan_IsNoError(t *testing.T) {
	t.Parallel()
	e, s, world := open(t)
	in := wishInput{scopeInput: scopeInput{Project: "shop", Environment: "dev", Claim: OwnClaim}}
	for _, undo := range []saga.Activity{e.undoResource, e.abandonEnvironment, e.abandonClaim, e.reopenEnvironment} {
		_, err := undo(t.Context(), call(t, "env-1", "cache", saga.Backward, in, graph.Node{Key: "cache"}))
		require.NoError(t, err)
	}
	require.Zero(t, told(t, s, ""))
	require.Empty(t, world.Calls())
}

func TestResource_AtWorkForAnotherSaga_WaitsItsTurn(t *testing.T) {
	t.Parallel()
	e, _, world := open(t)
	in := wishInput{scopeInput: scopeInput{Project: "shop", Environment: "dev", Claim: OwnClaim}, Type: "development"}
	node := graph.Node{Key: "cache", Name: "cache", Type: "redis", Class: "default", Definition: "d", Driver: "fake", Kind: "redis"}
	_, err := e.reserveEnvironment(t.Context(), call(t, "env-1", kindReserve, saga.Forward, in, nil))
	require.NoError(t, err)
	_, err = e.ensureResource(t.Context(), call(t, "env-1", "cache", saga.Forward, in, node))
	require.NoError(t, err)
	_, err = e.update(t.Context(), "shop", "dev", events.Cause{}, occupy("cache", "res-other"))
	require.NoError(t, err)
	_, err = e.sagas.Start(t.Context(), runner.Start{ID: "res-other", Definition: sagaRelease, Project: "shop", Plan: closingPlan(nil, kindDrop)})
	require.NoError(t, err)
	undo := call(t, "env-1", "cache", saga.Backward, in, node)
	for range 2 {
		r, err := e.undoResource(t.Context(), undo)
		require.NoError(t, err)
		require.NotNil(t, r.Wait)
		require.Contains(t, r.Wait.Reason, "res-other is at work on cache")
	}
	require.Equal(t, []string{"shop.dev.cache"}, world.Existing())

	// It ended without letting go: a person skipped its step.
	_, err = e.sagas.Apply(t.Context(), "res-other", events.Cause{}, saga.Finished{Step: kindFinish, Direction: saga.Forward, Attempt: 1})
	require.NoError(t, err)
	r, err := e.undoResource(t.Context(), undo)
	require.NoError(t, err)
	require.NotNil(t, r.Wait)
	r, err = e.undoResource(t.Context(), undo)
	require.NoError(t, err)
	require.Nil(t, r.Wait)
	require.Empty(t, world.Existing())
}

// occupy lets another saga be at work on a resource.
func occupy(key, sagaID string) func(*Environment) ([]events.Draft, error) {
	return func(env *Environment) ([]events.Draft, error) {
		env.Resources[key].Op = sagaID
		return nil, nil
	}
}
