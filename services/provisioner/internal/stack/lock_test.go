package stack_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

func TestLock_Taken_OnlyTheSameLockAgainIsNoError(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	again, err := y.Lock(t.Context(), bucket, stack.Lock{Run: "run-1", ID: w.LockID})
	require.NoError(t, err)
	require.Equal(t, "apply", again.Operation, "the answer is the lock that there is")
	for _, l := range []stack.Lock{{Run: "run-1", ID: "another"}, {Run: "run-2", ID: w.LockID}} {
		_, err := y.Lock(t.Context(), bucket, l)
		var locked *stack.LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, "run-1", locked.Lock.Run)
	}
	var locked *stack.LockedError
	require.ErrorAs(t, y.Unlock(t.Context(), bucket, "run-2", ""), &locked)
	require.ErrorAs(t, y.Unlock(t.Context(), bucket, "run-1", "another"), &locked)
	require.NoError(t, y.Unlock(t.Context(), bucket, "run-1", w.LockID))
	require.NoError(t, y.Unlock(t.Context(), bucket, "run-1", w.LockID))
	require.Nil(t, y.get(bucket).Lock)
}

func TestLockFor_TheRunMayWriteWhatItsEngineLeftBehind(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	l, err := y.LockFor(t.Context(), bucket, "run-1")
	require.NoError(t, err)
	y.put(bucket, stack.Writer{Run: "run-1", LockID: l.ID}, stateOf("l", 1, "x"))
	again, err := y.LockFor(t.Context(), bucket, "run-1")
	require.NoError(t, err)
	require.Equal(t, l, again)
	_, err = y.LockFor(t.Context(), bucket, "run-2")
	var locked *stack.LockedError
	require.ErrorAs(t, err, &locked)
}

func TestLock_ManyAtOnce_OneHasIt(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.ensure(bucket)
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			_, err := y.Lock(t.Context(), bucket, stack.Lock{Run: fmt.Sprint(i), ID: fmt.Sprint(i)})
			var locked *stack.LockedError
			switch {
			case err == nil:
				won.Add(1)
			case !errorsAs(err, &locked):
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, won.Load())
}

func TestSetUnresolved_KeepsTheStackUntilSomebodyHasLooked(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	require.NoError(t, y.SetUnresolved(t.Context(), bucket, "run-1", []string{"terraform_data.a"}))
	require.NoError(t, y.Unlock(t.Context(), bucket, "run-1", w.LockID))
	require.NotNil(t, y.get(bucket).Lock, "an engine that lived on does not free it")
	var locked *stack.LockedError
	require.ErrorAs(t, y.SetUnresolved(t.Context(), bucket, "run-2", []string{"b"}), &locked)
	require.NoError(t, y.SetUnresolved(t.Context(), bucket, "run-1", nil))
	require.NoError(t, y.Unlock(t.Context(), bucket, "run-1", w.LockID))
	require.Nil(t, y.get(bucket).Lock)

	require.NoError(t, y.SetUnresolved(t.Context(), bucket, "run-3", []string{"c"}))
	require.Equal(t, "run-3", y.get(bucket).Lock.Run, "held though its engine had unlocked")
}

func TestForceUnlock_IsToldWithWhoAndWhy(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	w := y.locked(bucket, "run-1")
	require.NoError(t, y.SetUnresolved(t.Context(), bucket, "run-1", []string{"terraform_data.a"}))
	for _, reason := range []string{"", " \n", strings.Repeat("x", 501)} {
		_, err := y.ForceUnlock(t.Context(), events.Cause{}, bucket, reason)
		require.ErrorIs(t, err, stack.ErrNoReason)
	}
	st, err := y.ForceUnlock(t.Context(), events.Cause{Actor: "user:default/ada", CorrelationID: "c-1"}, bucket, " looked: it is not there ")
	require.NoError(t, err)
	require.Nil(t, st.Lock)
	require.Empty(t, st.Unresolved)

	all := y.events()
	require.Len(t, all, 1)
	d, err := pe.StackUnlocked.Decode(all[0])
	require.NoError(t, err)
	require.Equal(t, pe.StackUnlockedData{
		Stack: bucket, Project: "shop", Environment: "dev", Resource: bucket, Run: "run-1", LockedAt: y.clock(),
		By: "user:default/ada", Reason: "looked: it is not there", Unresolved: []string{"terraform_data.a"},
	}, d)
	require.Equal(t, "user:default/ada", events.Extension(all[0], events.ExtActor))
	require.Equal(t, "c-1", events.Extension(all[0], events.ExtCorrelation))

	var lost *stack.NotLockedError
	_, err = y.Put(t.Context(), bucket, w, stateOf("l", 1, "x"))
	require.ErrorAs(t, err, &lost, "whoever lost it writes nothing more")
	_, err = y.ForceUnlock(t.Context(), events.Cause{}, bucket, "again")
	require.ErrorIs(t, err, stack.ErrNotLocked)
	require.Len(t, y.events(), 1)
}
