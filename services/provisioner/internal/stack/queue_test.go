package stack_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

func errorsAs(err error, target any) bool { return errors.As(err, target) }

func TestAcquire_OneAfterTheOther_InTheirOrder(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	ask := func(run string, wantFirst bool, wantAhead string) {
		t.Helper()
		first, ahead, err := y.Acquire(t.Context(), bucket, run)
		require.NoError(t, err)
		require.Equal(t, wantFirst, first)
		require.Equal(t, wantAhead, ahead)
	}
	ask("a", true, "")
	ask("b", false, "a")
	ask("c", false, "b")
	ask("a", true, "")
	ask("c", false, "b")
	next, err := y.Release(t.Context(), bucket, "a")
	require.NoError(t, err)
	require.Equal(t, "b", next)
	next, err = y.Release(t.Context(), bucket, "a")
	require.NoError(t, err)
	require.Equal(t, "b", next, "who asks again is told the same")
	ask("b", true, "")
	ask("a", false, "c")
	next, err = y.Release(t.Context(), bucket, "c") // gave up waiting
	require.NoError(t, err)
	require.Equal(t, "b", next)
	ask("a", false, "b")
	_, _, err = y.Acquire(t.Context(), "nothing", "a")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestAcquire_HeldByADeadRun_IsRefusedWithTheWayOutAndNotInLine(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.locked(bucket, "dead")
	_, _, err := y.Acquire(t.Context(), bucket, "b")
	var locked *stack.LockedError
	require.ErrorAs(t, err, &locked)
	require.ErrorContains(t, err, "stack shop.dev.bucket is locked by run dead (apply) since 2026-11-23 10:00:00 UTC; should that run be dead, free it with: slipway stack unlock shop.dev.bucket --reason …")
	require.NoError(t, y.SetUnresolved(t.Context(), bucket, "dead", []string{"terraform_data.a", "terraform_data.b"}))
	_, _, err = y.Acquire(t.Context(), bucket, "b")
	require.EqualError(t, err, "stack shop.dev.bucket is held by run dead, which died while creating terraform_data.a, terraform_data.b: look whether they exist, then free the stack with: slipway stack unlock shop.dev.bucket --reason …")
	require.Empty(t, y.get(bucket).Queue)
	first, _, err := y.Acquire(t.Context(), bucket, "dead")
	require.NoError(t, err, "the run itself is not kept from settling")
	require.True(t, first)
}

func TestAcquire_WaitedBehindARunThatDied_IsRefusedWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	for _, run := range []string{"a", "b", "c"} {
		_, _, err := y.Acquire(t.Context(), bucket, run)
		require.NoError(t, err)
	}
	require.NoError(t, y.SetUnresolved(t.Context(), bucket, "a", []string{"x.y"}))
	_, err := y.Release(t.Context(), bucket, "a")
	require.NoError(t, err)
	require.NotNil(t, y.get(bucket).Lock, "what is unresolved keeps the lock")
	var unresolved *stack.UnresolvedError
	_, _, err = y.Acquire(t.Context(), bucket, "c")
	require.ErrorAs(t, err, &unresolved)
	require.Empty(t, y.get(bucket).Queue)
}

func TestRelease_TheLockOfTheRunGoesTooAndNoOther(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.locked(bucket, "a")
	_, err := y.Release(t.Context(), bucket, "b")
	require.NoError(t, err)
	require.Equal(t, "a", y.get(bucket).Lock.Run)
	_, err = y.Release(t.Context(), bucket, "a")
	require.NoError(t, err)
	require.Nil(t, y.get(bucket).Lock)
}

// TestQueue_AnyOrderOfAsking is the queue beside a plain list.
func TestQueue_AnyOrderOfAsking_IsFirstComeFirstServedAndExclusive(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		name := fmt.Sprint("stack-", n)
		y.ensure(name)
		var line []string // the first has its turn, if it was told so
		for range rapid.IntRange(1, 20).Draw(rt, "moves") {
			run := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "run")
			at := slices.Index(line, run)
			if rapid.Bool().Draw(rt, "release") {
				if at >= 0 {
					line = slices.Delete(line, at, at+1)
				}
				next, err := y.Release(t.Context(), name, run)
				require.NoError(rt, err)
				require.Equal(rt, append(line, "")[0], next)
				continue
			}
			if at < 0 {
				line = append(line, run)
				at = len(line) - 1
			}
			first, ahead, err := y.Acquire(t.Context(), name, run)
			require.NoError(rt, err)
			require.Equal(rt, at == 0, first)
			if at > 0 {
				require.Equal(rt, line[at-1], ahead)
			}
		}
	})
}

func TestAcquire_ManyAtOnce_OneAtATimeAndEachHasItsTurn(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	const runs = 12
	var inside, served atomic.Int32
	turn := make([]chan struct{}, runs)
	for i := range turn {
		turn[i] = make(chan struct{}, runs)
	}
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			for {
				first, _, err := y.Acquire(t.Context(), bucket, fmt.Sprint(i))
				if err != nil {
					t.Error(err)
					return
				}
				if first {
					break
				}
				<-turn[i]
			}
			if inside.Add(1) > 1 {
				t.Error("two at once")
			}
			served.Add(1)
			inside.Add(-1)
			next, err := y.Release(t.Context(), bucket, fmt.Sprint(i))
			if err != nil {
				t.Error(err)
			}
			if next != "" {
				var n int
				_, _ = fmt.Sscan(next, &n)
				turn[n] <- struct{}{}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, runs, served.Load())
	require.Empty(t, y.get(bucket).Current)
}
