package stack_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

func TestEnsure_Again_IsTheSameStack(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	first := y.ensure(bucket)
	require.Equal(t, identity(bucket), first.Identity)
	require.Zero(t, first.UID, "no user ids where the platform is not root")
	y.locked(bucket, "run-1")
	require.Equal(t, "run-1", y.ensure(bucket).Lock.Run)
}

func TestEnsure_NameOfAnotherResource_IsRefused(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	other := identity(bucket)
	other.Project = "other"
	_, err := y.Ensure(t.Context(), events.Cause{}, other)
	require.ErrorContains(t, err, "cannot be that of")
}

func TestEnsure_NameThatIsNoPath_IsRefused(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	for _, name := range []string{"", "a/b", "../a", ".a", "a b", string(bytes.Repeat([]byte("a"), 241))} {
		_, err := y.Ensure(t.Context(), events.Cause{}, identity(name))
		require.Error(t, err, name)
	}
	_, err := y.Get(t.Context(), bucket)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestEnsure_ManyAtOnce_EachHasAUserIDOfItsOwn(t *testing.T) {
	t.Parallel()
	y := newYard(t, withUIDs(700000, 8))
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	var all sync.WaitGroup
	for range 3 { // each by several at once
		for _, name := range names {
			all.Go(func() {
				if _, err := y.Ensure(t.Context(), events.Cause{}, identity(name)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	seen := map[int]string{}
	for _, name := range names {
		uid := y.get(name).UID
		require.GreaterOrEqual(t, uid, 700000)
		require.Less(t, uid, 700008)
		require.Empty(t, seen[uid], "%s has the same as %s", name, seen[uid])
		seen[uid] = name
	}
	_, err := y.Ensure(t.Context(), events.Cause{}, identity("one-too-many"))
	require.ErrorContains(t, err, "no user id is left")
}

func TestEnsure_RootLaterOn_TheStackGetsAUserID(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	asRoot := stack.New(stack.Config{Store: y.store, Vault: y.vault, Clock: y.clock, FirstUID: 700000, UIDs: 100})
	st, err := asRoot.Ensure(t.Context(), events.Cause{}, identity(bucket))
	require.NoError(t, err)
	require.NotZero(t, st.UID)
	again, err := asRoot.Ensure(t.Context(), events.Cause{}, identity(bucket))
	require.NoError(t, err)
	require.Equal(t, st.UID, again.UID)
}

func TestList_OfAProjectAndOfAnEnvironment(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	for _, id := range []stack.Identity{
		{Name: "shop.dev.a", Project: "shop", Environment: "dev", Resource: "a"},
		{Name: "shop.prod.a", Project: "shop", Environment: "prod", Resource: "a"},
		{Name: "other.dev.a", Project: "other", Environment: "dev", Resource: "a"},
	} {
		_, err := y.Ensure(t.Context(), events.Cause{}, id)
		require.NoError(t, err)
	}
	names := func(environment string) (names []string) {
		page, _, err := y.List(t.Context(), "shop", environment, 10, "")
		require.NoError(t, err)
		for _, st := range page {
			names = append(names, st.Name)
		}
		return names
	}
	require.Equal(t, []string{"shop.dev.a", "shop.prod.a"}, names(""))
	require.Equal(t, []string{"shop.prod.a"}, names("prod"))
	require.NoError(t, y.Remove(t.Context(), "shop.prod.a"))
	require.Equal(t, []string{"shop.dev.a"}, names(""))
}

func TestRemember_InputsAreSealedAndComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	_, ok, err := y.Last(t.Context(), bucket)
	require.NoError(t, err)
	require.False(t, ok)
	wish := stack.Wish{Module: "sha256:1", Definition: "folder", Run: "run-1", Inputs: []byte(`{"password":"planted-canary"}`)}
	require.NoError(t, y.Remember(t.Context(), bucket, wish))
	last, ok, err := y.Last(t.Context(), bucket)
	require.NoError(t, err)
	require.True(t, ok)
	require.JSONEq(t, string(wish.Inputs), string(last.Inputs))
	require.Equal(t, y.clock(), last.At)
	require.Equal(t, "folder", last.Definition)
	require.NotContains(t, jsonOf(t, y.get(bucket)), "planted-canary")
	y.nowhere("planted-canary")
}

func TestSetDrift_IsKeptUntilTheNextLook(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	require.NoError(t, y.SetDrift(t.Context(), bucket, stack.Drift{At: y.clock(), Run: "run-1", Differences: []string{"a: 1 → 2"}}))
	require.Equal(t, []string{"a: 1 → 2"}, y.get(bucket).Drift.Differences)
	require.NoError(t, y.SetDrift(t.Context(), bucket, stack.Drift{At: y.clock()}))
	require.Empty(t, y.get(bucket).Drift.Differences)
	require.ErrorIs(t, y.SetDrift(t.Context(), "nothing", stack.Drift{}), store.ErrNotFound)
}

func TestAny_SaysWhetherAKeyIsNeeded(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	is, err := stack.Any(t.Context(), y.store)
	require.NoError(t, err)
	require.False(t, is)
	y.ensure(bucket)
	is, err = stack.Any(t.Context(), y.store)
	require.NoError(t, err)
	require.True(t, is)
}

// nowhere looks for a text in every file of the data folder.
func (y *yard) nowhere(text string) {
	y.Helper()
	files, err := filepath.Glob(filepath.Join(y.dir, "*"))
	require.NoError(y, err)
	require.NotEmpty(y, files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(y, err)
		require.False(y, bytes.Contains(b, []byte(text)), "%s is in %s", text, f)
	}
}

func TestRemove_WhatIsNotDestroyedOrAtWork_Stays(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	y.put(bucket, w, stateOf("l", 1, "x"))
	_, _, err := y.Acquire(t.Context(), bucket, "run-1")
	require.NoError(t, err)
	var full *stack.NotEmptyError
	require.ErrorAs(t, y.Remove(t.Context(), bucket), &full)
	require.Equal(t, 1, full.Resources)
	y.put(bucket, w, emptyState("l", 2))
	require.ErrorIs(t, y.Remove(t.Context(), bucket), stack.ErrAtWork)
	_, err = y.Release(t.Context(), bucket, "run-1")
	require.NoError(t, err)
	_, err = y.LockFor(t.Context(), bucket, "run-2")
	require.NoError(t, err)
	var locked *stack.LockedError
	require.ErrorAs(t, y.Remove(t.Context(), bucket), &locked)
	require.NoError(t, y.Unlock(t.Context(), bucket, "run-2", ""))
	require.NoError(t, y.Remove(t.Context(), bucket))
	require.NoError(t, y.Remove(t.Context(), bucket), "gone is gone")
	_, err = y.Get(t.Context(), bucket)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestRemove_ThirtyDaysLater_VersionsAndUserIDAreGone(t *testing.T) {
	t.Parallel()
	y := newYard(t, withUIDs(700000, 1))
	w := y.locked(bucket, "run-1")
	y.put(bucket, w, stateOf("l", 1, "x"))
	y.put(bucket, w, emptyState("l", 2))
	_, err := y.Release(t.Context(), bucket, "run-1")
	require.NoError(t, err)
	require.NoError(t, y.Remove(t.Context(), bucket))

	y.pass(stack.KeepFor - time.Hour)
	y.sweep()
	versions, _, err := y.Versions(t.Context(), bucket, 10, "")
	require.NoError(t, err)
	require.Len(t, versions, 2, "they are kept for thirty days")
	raw, _, err := y.StateAt(t.Context(), bucket, 1)
	require.NoError(t, err)
	require.Equal(t, stateOf("l", 1, "x"), raw)
	_, err = y.Ensure(t.Context(), events.Cause{}, identity("other"))
	require.Error(t, err, "its user id is still its own")

	y.pass(2 * time.Hour)
	y.sweep()
	for _, kind := range []string{"stack", "stack-version", "stack-state", "stack-uid"} {
		require.Zero(t, y.records(kind), kind)
	}
	require.Equal(t, 700000, y.ensure("other").UID)
}

func TestEnsure_AfterRemove_BeginsAnewAndKeepsWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	y := newYard(t, withUIDs(700000, 100))
	w := y.locked(bucket, "run-1")
	uid := y.get(bucket).UID
	y.put(bucket, w, emptyState("old", 7))
	require.NoError(t, y.Remember(t.Context(), bucket, stack.Wish{Module: "m", Inputs: []byte(`{}`)}))
	require.NoError(t, y.Unlock(t.Context(), bucket, "run-1", w.LockID))
	require.NoError(t, y.Remove(t.Context(), bucket))

	y.pass(stack.KeepFor - time.Hour)
	st := y.ensure(bucket)
	require.Equal(t, uid, st.UID)
	require.Zero(t, st.Version)
	require.Nil(t, st.Last)
	raw, _, err := y.State(t.Context(), bucket)
	require.NoError(t, err)
	require.Nil(t, raw)
	v := y.put(bucket, y.locked(bucket, "run-2"), stateOf("new", 1, "x"))
	require.Equal(t, 2, v.Number, "a number does not come again")

	y.pass(2 * time.Hour)
	y.sweep()
	raw, _, err = y.State(t.Context(), bucket)
	require.NoError(t, err)
	require.Equal(t, stateOf("new", 1, "x"), raw)
	require.Equal(t, uid, y.get(bucket).UID)
}
