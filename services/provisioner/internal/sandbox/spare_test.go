package sandbox_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// spare is the runner that waits for the phase apply.
func (b *bench) spare() (process.Process, bool) {
	b.t.Helper()
	p, ok, err := b.keeper.Find(aRun + "/apply")
	require.NoError(b.t, err)
	return p, ok
}

func TestSpare_PlanWithChanges_ApplyIsDoneByTheRunnerThatWaits(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		b.files = doing("true")
		b.planned()
		before, ok := b.spare()
		require.True(t, ok)
		alive, err := b.Alive(aRun)
		require.NoError(t, err)
		require.False(t, alive, "one that waits is no phase at work")
		b.start(runner.Apply)
		after, _ := b.spare()
		require.Equal(t, before.PID, after.PID)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v", r)
		require.Equal(t, 1, b.backend.Resources(t))
	})
}

func TestSpare_ThatDied_AnotherDoesIt(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		b.files = doing("true")
		b.planned()
		p, ok := b.spare()
		require.True(t, ok)
		require.NoError(t, syscall.Kill(p.PID, syscall.SIGKILL))
		_, err := b.keeper.Wait(t.Context(), p)
		require.NoError(t, err)
		b.start(runner.Apply)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v", r)
	})
}

func TestSpare_OfAPlatformThatIsGone_IsNotTakenForThePhase(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		b.files = doing("true")
		b.planned()
		p, ok := b.spare()
		require.True(t, ok)
		b.reopen() // its job would come from who is gone
		b.start(runner.Apply)
		after, _ := b.spare()
		require.NotEqual(t, p.PID, after.PID)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v", r)
	})
}

func TestSpare_NothingToApply_ThereIsNone(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		for operation, files := range map[string]map[string]string{
			runner.OpPlan:  doing("true"),
			runner.OpApply: {"main.tf": "variable \"x\" {\n  default = \"none\"\n}\n"},
		} {
			b.job.Operation, b.files = operation, files
			b.prepare(nil)
			b.start(runner.Plan)
			r, ok := b.wait()
			require.True(t, ok && r.OK, "%+v", r)
			_, ok = b.spare()
			require.False(t, ok, operation)
			require.NoError(t, b.Remove(aRun))
		}
	})
}

func TestSpare_RunRemoved_IsGoneWithIt(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		b.files = doing("true")
		b.planned()
		p, ok := b.spare()
		require.True(t, ok)
		require.NoError(t, b.Remove(aRun))
		require.False(t, process.Member{PID: p.PID, StartTicks: p.StartTicks}.Alive())
	})
}
