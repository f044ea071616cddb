package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

func TestRun_BothPhases_AreCarriedOutAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		b.files = doing("id -u > " + shared + "/who; echo $PWD > " + shared + "/where")
		b.planned()
		require.NoFileExists(t, shared+"/who")
		b.start(runner.Apply)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v\n%s", r, b.log())
		require.Equal(t, map[string]any{"made": "yes"}, b.backend.Outputs(t))
		who := os.Geteuid()
		if b.config.Root {
			who = b.uid
		}
		require.Equal(t, strconv.Itoa(who)+"\n", b.until(shared+"/who"))
		require.Equal(t, b.work(runner.FileModule)+"\n", b.until(shared+"/where"))
		require.Contains(t, b.log(), "terraform_data.thing: Plan to create\n")
		require.Contains(t, b.log(), "Apply complete!")
		events, err := b.Apply(aRun)
		require.NoError(t, err)
		require.True(t, summed(events))
		_, there, err := b.ErroredState(aRun)
		require.NoError(t, err)
		require.False(t, there)

		require.NoError(t, b.Remove(aRun))
		for _, dir := range []string{"work", "logs", "started"} {
			entries, err := os.ReadDir(filepath.Join(b.config.Dir, dir))
			require.NoError(t, err)
			require.Empty(t, entries, dir)
		}
		require.NoError(t, b.RemoveStack(b.job.Stack))
		require.NoDirExists(t, b.StackFolder(b.job.Stack))
	})
}

func summed(events []runner.Event) bool {
	for _, e := range events {
		if e.Type == runner.EventSummary && e.Summary.Operation == "apply" {
			return true
		}
	}
	return false
}

func TestStart_Again_StartsNothingWhateverBecameOfTheFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		b.files = doing("echo made >> " + shared + "/made")
		b.planned()
		b.start(runner.Apply)
		b.start(runner.Apply)
		b.wait()
		b.start(runner.Apply)
		b.reopen()
		b.start(runner.Apply)
		b.wait()
		require.Equal(t, "made\n", b.until(shared+"/made"))
	})
}

func TestWait_NothingWasStarted_IsOver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		require.NoError(t, b.Wait(t.Context(), aRun))
		alive, err := b.Alive(aRun)
		require.NoError(t, err)
		require.False(t, alive)
		_, ok, err := b.Result(aRun)
		require.NoError(t, err)
		require.False(t, ok)
		require.NoError(t, b.Interrupt(aRun))
		require.NoError(t, b.Cut(t.Context(), aRun, time.Hour))
		_, _, err = b.Plan(aRun)
		require.ErrorContains(t, err, "nothing was planned")
	})
}

func TestPlatformRestarted_PhaseIsFoundAndAwaited(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		b.files = doing("echo here > " + shared + "/here; until [ -e " + shared + "/go ]; do sleep 0.02; done")
		b.planned()
		b.start(runner.Apply)
		b.until(shared + "/here")
		b.reopen()
		alive, err := b.Alive(aRun)
		require.NoError(t, err)
		require.True(t, alive)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, b.Wait(short, aRun), context.DeadlineExceeded)
		require.NoError(t, os.WriteFile(shared+"/go", nil, 0o600))
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v", r)
	})
}

func TestRunnerKilled_WhileTheEngineApplies_EngineFinishesAloneAndItsOutcomeIsFound(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		b.files = doing("echo here > " + shared + "/here; until [ -e " + shared + "/go ]; do sleep 0.02; done; echo printed after its death")
		b.planned()
		b.start(runner.Apply)
		b.until(shared + "/here")
		b.killRunner(runner.Apply)
		alive, err := b.Alive(aRun)
		require.NoError(t, err)
		require.True(t, alive)
		b.reopen()
		alive, err = b.Alive(aRun)
		require.NoError(t, err)
		require.True(t, alive)
		require.NoError(t, os.WriteFile(shared+"/go", nil, 0o600))
		_, ok := b.wait()
		require.False(t, ok, "nobody was left to write a result")
		events, err := b.Apply(aRun)
		require.NoError(t, err)
		require.True(t, summed(events))
		require.Equal(t, 1, b.backend.Resources(t))
		require.Empty(t, b.backend.Held())
		require.Contains(t, b.log(), "printed after its death")
		require.Equal(t, 1, strings.Count(b.log(), "terraform_data.thing: Creating...\n"))
		require.Contains(t, b.log(), "Apply complete!")
	})
}

func TestRunnerKilled_AtAnyMoment_WhatIsAppliedIsKnown(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		b.files = doing("echo made >> " + shared + "/made")
		b.planned()
		b.start(runner.Apply)
		timer := time.NewTimer(time.Duration(b.uid%16) * 8 * time.Millisecond)
		defer timer.Stop()
		<-timer.C
		b.killRunner(runner.Apply)
		r, ok := b.wait()
		made, err := os.ReadFile(shared + "/made")
		events, readErr := b.Apply(aRun)
		require.NoError(t, readErr)
		if err == nil {
			require.Equal(t, "made\n", string(made))
			require.True(t, summed(events), "an engine that began must finish: %+v", events)
			require.Equal(t, 1, b.backend.Resources(t))
		} else {
			require.False(t, ok && r.OK)
			require.Empty(t, b.backend.Resources(t))
		}
		require.Empty(t, b.backend.Held())
	})
}

func TestInterrupt_EngineEndsInOrderAndTheResultSaysWhy(t *testing.T) {
	t.Parallel()
	for _, orphaned := range []bool{false, true} {
		t.Run("runner killed: "+strconv.FormatBool(orphaned), func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, b *bench) {
				shared := b.shared()
				b.files = doing("echo here > " + shared + "/here; exec sleep 600")
				b.planned()
				b.start(runner.Apply)
				b.until(shared + "/here")
				if orphaned {
					b.killRunner(runner.Apply)
				}
				require.NoError(t, b.Interrupt(aRun))
				require.NoError(t, b.Interrupt(aRun), "a second time does no harm")
				r, ok := b.wait()
				require.Equal(t, !orphaned, ok)
				require.False(t, r.OK)
				if !orphaned {
					require.Equal(t, "it was told to stop", r.Cut)
				}
				require.Equal(t, 1, b.backend.Resources(t), "what is half there must be in the state")
				require.Empty(t, b.backend.Held())
			})
		})
	}
}

func TestDeadline_EngineThatHangs_IsInterruptedThenKilled(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		b.files = doing("trap '' INT TERM; echo here > " + shared + "/here; while :; do sleep 1; done")
		b.job.Grace = 300 * time.Millisecond
		b.planned()
		b.job.Deadline = time.Now().Add(1500 * time.Millisecond)
		b.start(runner.Apply)
		r, ok := b.wait()
		require.True(t, ok)
		require.False(t, r.OK)
		require.Contains(t, r.Cut, "it was not done by its deadline")
		require.Contains(t, r.Reason, "interrupted while it was at apply")
	})
}

func TestCut_Everything_IsEndedWhateverItDid(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		// One in the background, one in a session of its own.
		b.files = doing("sleep 600 & setsid sleep 601 & echo here > " + shared + "/here; sleep 602")
		b.planned()
		b.start(runner.Apply)
		b.until(shared + "/here")
		var before []process.Member
		require.Eventually(t, func() bool { // the shell says so before its last child is there
			var err error
			before, err = b.keeper.Members(aRun + "/apply")
			require.NoError(t, err)
			return len(before) >= 5
		}, 20*time.Second, 10*time.Millisecond)
		require.NoError(t, b.Cut(t.Context(), aRun, 0))
		for _, one := range before {
			require.False(t, one.Alive())
		}
		alive, err := b.Alive(aRun)
		require.NoError(t, err)
		require.False(t, alive)
		require.NoError(t, b.Wait(t.Context(), aRun))
	})
}

func TestCut_WhatFledItsEnvironmentAndSession_IsEndedWithTheStacksUser(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		if !b.config.Root {
			return // said in README.md: then it is not found once its parent is gone
		}
		shared := b.shared()
		b.files = doing("env -i setsid sh -c '(sh -c \"echo $$ > " + shared + "/fled; exec sleep 603\" >/dev/null 2>&1 &)'; until [ -e " + shared + "/fled ]; do sleep 0.02; done")
		b.planned()
		b.start(runner.Apply)
		require.NoError(t, b.Wait(t.Context(), aRun))
		left, err := process.Of(b.uid)
		require.NoError(t, err)
		require.NotEmpty(t, left)
		require.NoError(t, b.Cut(t.Context(), aRun, 0))
		left, err = process.Of(b.uid)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}
