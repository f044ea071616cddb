package saga_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/saga"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

var book = saga.Book{
	"make":   {Compensation: saga.DestroyCreated, Retry: saga.Retry{Max: 2, First: time.Second}, Timeout: time.Minute, UndoDeadline: 10 * time.Minute},
	"remote": {Remote: true, Compensation: saga.DestroyCreated, Timeout: time.Minute, UndoDeadline: 10 * time.Minute},
	"decide": {Compensation: saga.NoEffect},
	"shift":  {Compensation: saga.ReapplyPrevious},
	"retire": {Compensation: saga.Irreversible, Retry: saga.Retry{Max: 2, First: time.Second}},
}

// drive is a saga under test with its clock and the effects of the last input.
type drive struct {
	t   *testing.T
	s   saga.Saga
	fx  []saga.Effect
	now time.Time
}

func begin(t *testing.T, steps ...saga.PlannedStep) *drive {
	t.Helper()
	d := &drive{t: t, now: start}
	var err error
	d.s, d.fx, err = saga.New(saga.Saga{ID: "s"}, saga.Plan{Steps: steps}, book, d.now)
	require.NoError(t, err)
	return d
}

func (d *drive) in(in saga.Input) *drive {
	d.t.Helper()
	var err error
	d.s, d.fx, err = saga.Advance(d.s, book, in, d.now)
	require.NoError(d.t, err)
	return d
}

func (d *drive) later(by time.Duration) *drive {
	d.now = d.now.Add(by)
	return d.in(saga.Ticked{})
}

func (d *drive) ok(step string, dir saga.Direction) *drive {
	return d.in(saga.Finished{Step: step, Direction: dir, Attempt: d.s.Step(step).Attempt, Output: json.RawMessage(`{"of":"` + step + `"}`)})
}

func (d *drive) fail(step string, dir saga.Direction, final bool) *drive {
	return d.in(saga.Failed{Step: step, Direction: dir, Attempt: d.s.Step(step).Attempt, Reason: step + " broke", Final: final})
}

func (d *drive) effects() []string {
	out := []string{}
	for _, e := range d.fx {
		text := string(e.Do) + " " + string(e.Direction) + " " + e.Step
		if e.Recovered {
			text += " (look first)"
		}
		out = append(out, text)
	}
	return out
}

func (d *drive) is(status saga.Status, steps map[string]saga.StepStatus) {
	d.t.Helper()
	require.Equal(d.t, status, d.s.Status)
	for id, want := range steps {
		require.Equal(d.t, want, d.s.Step(id).Status, "step %s", id)
	}
}

func step(id, kind string, after ...string) saga.PlannedStep {
	return saga.PlannedStep{ID: id, Kind: kind, After: after}
}

func TestForward_IndependentSteps_RunTogetherAndHandOnOutputs(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("b", "make"), step("c", "make", "a", "b"))
	require.Equal(t, []string{"call do a", "call do b"}, d.effects())
	d.ok("b", saga.Forward)
	require.Empty(t, d.fx)
	d.ok("a", saga.Forward)
	require.Equal(t, []string{"call do c"}, d.effects())
	require.JSONEq(t, `{"of":"a"}`, string(d.s.Outputs()["a"]))
	d.ok("c", saga.Forward).is(saga.Done, nil)
	require.True(t, d.s.NextWake().IsZero())
}

func TestFailure_StepsAreUndoneInReverse_TheFailingOneIncluded(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("b", "make", "a"), step("c", "make", "b"))
	d.ok("a", saga.Forward).ok("b", saga.Forward).fail("c", saga.Forward, true)
	require.Equal(t, []string{"call undo c (look first)"}, d.effects())
	d.ok("c", saga.Backward)
	require.Equal(t, []string{"call undo b"}, d.effects())
	d.ok("b", saga.Backward)
	require.Equal(t, []string{"call undo a"}, d.effects())
	d.ok("a", saga.Backward).is(saga.Undone, map[string]saga.StepStatus{"a": saga.StepUndone, "c": saga.StepUndone})
	require.Equal(t, "c", d.s.Failure.Step)
	require.Equal(t, "c broke", d.s.Failure.Reason)
}

func TestFailure_BeforeTheLastAttempt_IsRetriedAfterAPause(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"))
	d.fail("a", saga.Forward, false).is(saga.Running, map[string]saga.StepStatus{"a": saga.StepRetrying})
	require.Equal(t, start.Add(time.Second), d.s.NextWake())
	d.later(time.Second)
	require.Equal(t, []string{"call do a (look first)"}, d.effects())
	d.fail("a", saga.Forward, false).is(saga.Undoing, nil)
}

func TestFailure_StepThatNeverBegan_IsNotUndone(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("b", "make", "a"))
	d.fail("a", saga.Forward, true).ok("a", saga.Backward)
	d.is(saga.Undone, map[string]saga.StepStatus{"b": saga.StepPending})
	require.False(t, d.s.Step("b").Begun)
}

func TestFailure_LocalCallInFlight_IsAwaitedBeforeItsUndo(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("b", "make"))
	d.fail("a", saga.Forward, true)
	require.Equal(t, []string{"cancel do b", "call undo a (look first)"}, d.effects())
	d.ok("b", saga.Forward)
	require.Equal(t, []string{"call undo b"}, d.effects())
}

func TestFailure_RemoteCallInFlight_IsUndoneAtOnce_AndALateSuccessAgain(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("r", "remote"))
	d.fail("a", saga.Forward, true)
	require.Contains(t, d.effects(), "send undo r (look first)")
	d.ok("r", saga.Backward).ok("a", saga.Backward).is(saga.Undone, nil)
	d.in(saga.Finished{Step: "r", Direction: saga.Forward, Attempt: 1, Output: json.RawMessage(`"late"`)})
	d.is(saga.Undoing, map[string]saga.StepStatus{"r": saga.StepUndoing})
	require.Contains(t, d.effects(), "send undo r (look first)")
	d.ok("r", saga.Backward).is(saga.Undone, nil)
}

func TestRemote_NoAnswer_CommandIsLostAndTheStepTurnsBack(t *testing.T) {
	t.Parallel()
	d := begin(t, step("r", "remote"))
	d.later(time.Minute).is(saga.Undoing, nil)
	require.Equal(t, []string{"send undo r (look first)"}, d.effects())
}

func TestUndo_PastItsDeadline_ParksAndAPersonMayRetrySkipOrAdopt(t *testing.T) {
	t.Parallel()
	stuck := func() *drive {
		d := begin(t, step("a", "make"), step("b", "make", "a"))
		d.ok("a", saga.Forward).fail("b", saga.Forward, true)
		for d.s.Status == saga.Undoing {
			d.fail("b", saga.Backward, false)
			if wake := d.s.NextWake(); !wake.IsZero() {
				d.now = wake
				d.in(saga.Ticked{})
			}
		}
		d.is(saga.Parked, map[string]saga.StepStatus{"a": saga.StepDone, "b": saga.StepUndoFailed})
		return d
	}
	d := stuck()
	require.WithinDuration(t, start.Add(10*time.Minute), d.now, time.Second)
	d.in(saga.RetryStep{Step: "b", Actor: "ada"}).ok("b", saga.Backward).ok("a", saga.Backward).is(saga.Undone, nil)

	d = stuck().in(saga.SkipStep{Step: "b", Actor: "ada"})
	require.Equal(t, []string{"call undo a"}, d.effects())
	d.ok("a", saga.Backward).is(saga.Undone, map[string]saga.StepStatus{"b": saga.StepSkipped})

	d = stuck().in(saga.AdoptStep{Step: "b", Actor: "ada"}).ok("a", saga.Backward)
	d.is(saga.Undone, map[string]saga.StepStatus{"b": saga.StepAdopted})
}

func TestIrreversible_FailureBehindIt_ParksForwardAndNeverUndoes(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("retire", "retire", "a"))
	d.ok("a", saga.Forward).fail("retire", saga.Forward, false).later(time.Second).fail("retire", saga.Forward, false)
	d.is(saga.Parked, map[string]saga.StepStatus{"a": saga.StepDone, "retire": saga.StepFailed})
	_, _, err := saga.Advance(d.s, book, saga.Abort{Reason: "no more"}, d.now)
	require.ErrorIs(t, err, saga.ErrRefused)
	d.in(saga.RetryStep{Actor: "ada"})
	require.Equal(t, []string{"call do retire (look first)"}, d.effects())
	d.ok("retire", saga.Forward).is(saga.Done, nil)
	require.Nil(t, d.s.Failure)
}

func TestWaiting_IsNotFailing_AndANudgeAsksAtOnce(t *testing.T) {
	t.Parallel()
	d := begin(t, step("d", "decide"))
	for range 50 {
		d.in(saga.NotYet{Step: "d", Direction: saga.Forward, Attempt: d.s.Step("d").Attempt, Until: d.now.Add(time.Second), Reason: "undecided"})
		d.later(time.Second)
		require.Equal(t, []string{"call do d"}, d.effects())
	}
	require.Less(t, len(d.s.Journal), 5, "asking again is not written down each time")
	d.in(saga.NotYet{Step: "d", Direction: saga.Forward, Attempt: d.s.Step("d").Attempt, Until: d.now.Add(time.Hour), Reason: "undecided"})
	d.in(saga.Nudged{})
	require.Equal(t, []string{"call do d"}, d.effects())
}

func TestRecovered_LocalCallsAreMadeAgain_RemoteOnesAreAwaited(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("r", "remote"))
	d.in(saga.Recovered{})
	require.Equal(t, []string{"call do a (look first)"}, d.effects())
	require.Equal(t, saga.StepDoing, d.s.Step("r").Status)
}

func TestRecovered_WhileUndoing_InterruptedDoIsUndone(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("b", "make"))
	d.fail("a", saga.Forward, true).in(saga.Recovered{})
	require.Contains(t, d.effects(), "call undo b (look first)")
}

func TestAbort_WhileRunning_UndoesWhatBegan(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("b", "make", "a"))
	d.ok("a", saga.Forward).in(saga.Abort{Reason: "no longer wanted"})
	require.Equal(t, []string{"cancel do b"}, d.effects())
	d.fail("b", saga.Forward, false).ok("b", saga.Backward).ok("a", saga.Backward).is(saga.Undone, nil)
	_, _, err := saga.Advance(d.s, book, saga.Abort{}, d.now)
	require.ErrorIs(t, err, saga.ErrRefused)
}

func TestAnswers_LateOrTwice_ChangeNothing(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"))
	d.fail("a", saga.Forward, false).later(time.Second)
	before := d.s
	d.in(saga.Failed{Step: "a", Direction: saga.Forward, Attempt: 1, Reason: "late"})
	require.Equal(t, before, d.s)
	d.in(saga.Finished{Step: "nobody", Direction: saga.Forward, Attempt: 1})
	require.Equal(t, before, d.s)
	d.ok("a", saga.Forward)
	before = d.s
	d.in(saga.Finished{Step: "a", Direction: saga.Forward, Attempt: 2})
	require.Equal(t, before, d.s)
}

func TestValidate_SaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	err := book.Validate(saga.Plan{Steps: []saga.PlannedStep{
		step("a", "make", "b"), step("b", "make", "a"), step("b", "nonsense"), step("c", "make", "z"),
	}})
	require.ErrorContains(t, err, `"b" is there twice`)
	require.ErrorContains(t, err, `unknown kind "nonsense"`)
	require.ErrorContains(t, err, `"z", which is not in the plan`)
	err = book.Validate(saga.Plan{Steps: []saga.PlannedStep{step("a", "make", "b"), step("b", "make", "a")}})
	require.ErrorContains(t, err, "comes after itself")
	require.Error(t, book.Validate(saga.Plan{}))
}

func TestUndo_FailsForGood_IsParkedAtOnceAndCanBeRetried(t *testing.T) {
	t.Parallel()
	d := begin(t, step("a", "make"), step("b", "make", "a"))
	d.ok("a", saga.Forward).fail("b", saga.Forward, true).fail("b", saga.Backward, true)
	d.is(saga.Parked, map[string]saga.StepStatus{"a": saga.StepDone, "b": saga.StepUndoFailed})
	require.Empty(t, d.fx, "nothing is tried until a person says so")
	require.True(t, d.s.NextWake().IsZero())
	d.in(saga.RetryStep{Step: "b", Actor: "user:default/ada"})
	require.Equal(t, []string{"call undo b"}, d.effects())
	d.ok("b", saga.Backward).ok("a", saga.Backward).is(saga.Undone, nil)
}

func TestUndo_WaitsForWhatIsAtWork_IsNotGivenUpWhileItIs(t *testing.T) {
	t.Parallel()
	wait := func(d *drive, working bool) *drive {
		return d.in(saga.NotYet{Step: "a", Direction: saga.Backward, Attempt: d.s.Step("a").Attempt, Reason: "run r-1 is at work",
			Until: d.now.Add(8 * time.Minute), Working: working})
	}
	d := begin(t, step("a", "make")).fail("a", saga.Forward, true)
	for range 3 { // twice the deadline
		wait(d, true).later(8*time.Minute).is(saga.Undoing, nil)
	}
	wait(d, false).later(8*time.Minute).is(saga.Undoing, nil)
	d.later(3 * time.Minute)
	wait(d, false).is(saga.Parked, map[string]saga.StepStatus{"a": saga.StepUndoFailed})
}
