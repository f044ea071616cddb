package stack_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

func TestPut_IsReadBackAsItWasAndIsNowhereInTheFolder(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	raw := stateOf("l", 1, "planted-canary")
	v := y.put(bucket, y.locked(bucket, "run-1"), raw)
	require.Equal(t, stack.Version{
		Number: 1, Serial: 1, Lineage: "l", Digest: v.Digest, Size: len(raw), Resources: 1, Run: "run-1", At: y.clock(),
	}, v)
	got, of, err := y.State(t.Context(), bucket)
	require.NoError(t, err)
	require.Equal(t, raw, got)
	require.Equal(t, v, of)
	require.Equal(t, engine.Tofu, y.get(bucket).Engine)
	y.nowhere("planted-canary")
}

func TestPut_SameAgain_IsNoNewVersion(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	first := y.put(bucket, w, stateOf("l", 1, "x"))
	require.Equal(t, first, y.put(bucket, w, stateOf("l", 1, "x")))
	require.Equal(t, 2, y.put(bucket, w, stateOf("l", 2, "y")).Number)
	require.Equal(t, 2, y.records("stack-state"))
}

func TestPut_WhatMustNotBeWritten_IsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	y.put(bucket, w, stateOf("l", 5, "x"))
	refused := func(w stack.Writer, raw []byte, target any, text string) {
		t.Helper()
		_, err := y.Put(t.Context(), bucket, w, raw)
		require.ErrorAs(t, err, target)
		require.ErrorContains(t, err, text)
	}
	var lineage *stack.LineageError
	refused(w, stateOf("other", 6, "y"), &lineage, "its lineage is other, the stack's is l")
	var serial *stack.SerialError
	refused(w, stateOf("l", 4, "y"), &serial, "went back from serial 5, which stack shop.dev.bucket is at, to 4")
	refused(w, stateOf("l", 5, "y"), &serial, "another state of serial 5 already")
	var locked *stack.NotLockedError
	refused(stack.Writer{Run: "run-2", LockID: w.LockID}, stateOf("l", 6, "y"), &locked, "run run-1 (apply) since 2026-11-23 10:00:00 UTC does")
	refused(stack.Writer{Run: "run-1", LockID: "old"}, stateOf("l", 6, "y"), &locked, "another lock id")
	refused(stack.Writer{Run: "run-1"}, stateOf("l", 6, "y"), &locked, "another lock id")
	var format *stack.FormatError
	refused(w, []byte(`{"version":4`), &format, "not JSON, or not whole")
	var large *stack.TooLargeError
	refused(w, bytes.Repeat([]byte{' '}, stack.MaxState+1), &large, "32 MiB are kept at most, it has 32.0 MiB")
	require.NoError(t, y.Unlock(t.Context(), bucket, "run-1", w.LockID))
	refused(w, stateOf("l", 6, "y"), &locked, "may have been taken away")

	require.EqualValues(t, 5, y.get(bucket).Version.Serial)
	require.Equal(t, 1, y.records("stack-state"))
	_, err := y.Put(t.Context(), "nothing", w, stateOf("l", 6, "y"))
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestPut_LargestState_IsTaken(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	raw := stateOf("l", 1, "x")
	raw = append(raw, bytes.Repeat([]byte{' '}, stack.MaxState-len(raw))...)
	require.Equal(t, stack.MaxState, y.put(bucket, y.locked(bucket, "run-1"), raw).Size)
}

func TestPut_ManyAtOnce_OneOfEachSerialCountsAndEachVersionIsWhole(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	var taken atomic.Int32
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			_, err := y.Put(t.Context(), bucket, w, stateOf("l", int64(i%8), fmt.Sprint("writer ", i)))
			if err == nil {
				taken.Add(1)
				return
			}
			requireSerial(t, err)
		})
	}
	all.Wait()
	versions, _, err := y.Versions(t.Context(), bucket, 100, "")
	require.NoError(t, err)
	require.Len(t, versions, int(taken.Load()), "what was taken is in the record of versions")
	require.EqualValues(t, 7, versions[0].Serial)
	for i, v := range versions {
		raw, of, err := y.StateAt(t.Context(), bucket, v.Number)
		require.NoError(t, err)
		require.Equal(t, v, of)
		c, err := stack.Read(raw)
		require.NoError(t, err)
		require.Equal(t, v.Serial, c.Serial)
		if i > 0 {
			require.Greater(t, versions[i-1].Serial, v.Serial)
			require.Greater(t, versions[i-1].Number, v.Number)
		}
	}
	y.pass(25 * time.Hour)
	y.sweep()
	require.Equal(t, len(versions), y.records("stack-state"), "what was refused is not kept")
}

func requireSerial(t *testing.T, err error) {
	var serial *stack.SerialError
	if !errorsAs(err, &serial) {
		t.Error(err)
	}
}

func TestPut_AnyOrderOfWrites_SerialsOnlyRiseWithinOneLineage(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		name := fmt.Sprint("stack-", n)
		w := y.locked(name, "run-1")
		var has stack.Contents
		written := false
		for i := range rapid.IntRange(1, 12).Draw(rt, "writes") {
			lineage := rapid.SampledFrom([]string{"l", "l", "l", "other"}).Draw(rt, "lineage")
			serial := rapid.Int64Range(0, 5).Draw(rt, "serial")
			text := rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "text")
			before, _, err := y.State(t.Context(), name)
			require.NoError(rt, err)
			raw := stateOf(lineage, serial, text)
			_, err = y.Put(t.Context(), name, w, raw)
			takes := !written || lineage == has.Lineage && (serial > has.Serial || bytes.Equal(raw, before))
			require.Equal(rt, takes, err == nil, "write %d: %v", i, err)
			after, _, stateErr := y.State(t.Context(), name)
			require.NoError(rt, stateErr)
			if err != nil {
				require.Equal(rt, before, after)
				continue
			}
			require.Equal(rt, raw, after)
			has, err = stack.Read(raw)
			require.NoError(rt, err)
			written = true
		}
	})
}

func TestVersions_NewestFirstPageByPage(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	for i := range 5 {
		y.put(bucket, w, stateOf("l", int64(i), "x"))
		y.pass(time.Second)
	}
	var numbers []int
	for cursor := ""; ; {
		page, next, err := y.Versions(t.Context(), bucket, 2, cursor)
		require.NoError(t, err)
		for _, v := range page {
			numbers = append(numbers, v.Number)
		}
		if cursor = next; next == "" {
			break
		}
	}
	require.Equal(t, []int{5, 4, 3, 2, 1}, numbers)
	_, _, err := y.Versions(t.Context(), "nothing", 10, "")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestSweep_OldVersions_TheNewestTwentyAndThoseOfThirtyDaysStay(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	serial := int64(0)
	write := func(n int) {
		for range n {
			serial++
			y.put(bucket, w, stateOf("l", serial, "x"))
		}
	}
	kept := func() int {
		y.sweep()
		versions, next, err := y.Versions(t.Context(), bucket, 1000, "")
		require.NoError(t, err)
		require.Empty(t, next)
		require.Equal(t, len(versions), y.records("stack-state"))
		for _, v := range versions {
			_, _, err := y.StateAt(t.Context(), bucket, v.Number)
			require.NoError(t, err)
		}
		return len(versions)
	}
	write(30)
	y.pass(29 * 24 * time.Hour)
	require.Equal(t, 30, kept())
	write(1)
	y.pass(25 * time.Hour)
	require.Equal(t, 20, kept())
	_, _, err := y.StateAt(t.Context(), bucket, 1)
	require.ErrorIs(t, err, store.ErrNotFound)
	write(25)
	y.pass(25 * time.Hour)
	require.Equal(t, 26, kept(), "all of the last thirty days")
	y.pass(300 * 24 * time.Hour)
	require.Equal(t, 20, kept())
	y.pass(300 * 24 * time.Hour)
	require.Equal(t, 20, kept())
	require.Equal(t, serial, y.get(bucket).Version.Serial)
}

func TestClear_OnlyWhatIsEmpty(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	require.NoError(t, y.Clear(t.Context(), bucket))
	y.put(bucket, w, stateOf("l", 1, "x"))
	var full *stack.NotEmptyError
	require.ErrorAs(t, y.Clear(t.Context(), bucket), &full)
	y.put(bucket, w, emptyState("l", 2))
	require.NoError(t, y.Clear(t.Context(), bucket))
	raw, _, err := y.State(t.Context(), bucket)
	require.NoError(t, err)
	require.Nil(t, raw)
	require.Equal(t, 3, y.put(bucket, w, stateOf("another", 1, "x")).Number)
	versions, _, err := y.Versions(t.Context(), bucket, 10, "")
	require.NoError(t, err)
	require.Len(t, versions, 3)
}

func TestState_ContentOfAnotherStackInItsPlace_IsNotTaken(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	mine := y.put(bucket, y.locked(bucket, "run-1"), stateOf("l", 1, "mine"))
	theirs := y.put("shop.dev.other", y.locked("shop.dev.other", "run-2"), stateOf("m", 1, "theirs"))
	rec, err := y.store.Get(t.Context(), store.Key{Kind: "stack-state", ID: "shop.dev.other/" + theirs.Digest})
	require.NoError(t, err)
	_, err = y.store.Commit(t.Context(), store.Commit{
		Key: store.Key{Kind: "stack-state", ID: bucket + "/" + mine.Digest}, Expected: 1, State: rec.State,
	})
	require.NoError(t, err)
	_, _, err = y.State(t.Context(), bucket)
	require.ErrorContains(t, err, "is not what was written")
}

func TestOpens_AnotherKey_IsFoundOutAtOnce(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	other, err := secret.OpenVault(filepath.Join(y.dir, "other.key"), false)
	require.NoError(t, err)
	y.put(bucket, y.locked(bucket, "run-1"), stateOf("l", 1, "x"))
	require.NoError(t, stack.Opens(t.Context(), y.store, y.vault))
	require.ErrorIs(t, stack.Opens(t.Context(), y.store, other), secret.ErrOtherKey)
}
