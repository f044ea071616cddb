package saga_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-idp/slipway/libs/saga"
)

// world is everything outside a saga: what exists, which calls are at work,
// and what another service remembers. It breaks in every way that it may.
type world struct {
	t      *rapid.T
	s      saga.Saga
	now    time.Time
	exists map[string]bool
	// fenced: the other service has undone this step and refuses a late Do.
	fenced map[string]bool
	calls  []saga.Effect
	said   []saga.Input // every answer so far, to be said again
	// cursed steps cannot be undone until a person mends them.
	cursed map[string]bool
}

func (w *world) advance(in saga.Input) {
	next, fx, err := saga.Advance(w.s, book, in, w.now)
	if err != nil {
		return
	}
	w.s = next
	for _, e := range fx {
		if e.Do != saga.CancelActivity {
			w.calls = append(w.calls, e)
		}
	}
}

// act lets one call at work do what it does and answer, or not.
func (w *world) act(i int, how string) {
	e := w.calls[i]
	kind := w.s.Step(e.Step).Kind
	if !book[kind].Remote && slices.ContainsFunc(w.calls[:i], func(o saga.Effect) bool { return o.Step == e.Step }) {
		return // the runner lets an older local call of the step end first
	}
	w.calls = slices.Delete(w.calls, i, i+1)
	if e.Direction == saga.Backward {
		if w.cursed[e.Step] || how == "fail" {
			w.answer(saga.Failed{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Reason: "undo broke"})
			return
		}
		w.exists[e.Step] = false
		w.fenced[e.Step] = true
		if how != "lost" {
			w.answer(saga.Finished{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt})
		}
		return
	}
	if book[kind].Remote && w.fenced[e.Step] {
		w.answer(saga.Failed{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Reason: "refused: undone already", Final: true})
		return
	}
	switch how {
	case "ok", "lost":
		w.exists[e.Step] = true
		if how == "ok" {
			w.answer(saga.Finished{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Output: json.RawMessage(`1`)})
		}
	case "half":
		w.exists[e.Step] = true
		w.answer(saga.Failed{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Reason: "half done", Final: true})
	case "fail":
		w.answer(saga.Failed{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Reason: "broke"})
	case "notyet":
		w.answer(saga.NotYet{Step: e.Step, Direction: e.Direction, Attempt: e.Attempt, Until: w.now.Add(time.Second), Reason: "not yet"})
	}
}

func (w *world) answer(in saga.Input) {
	w.said = append(w.said, in)
	w.advance(in)
}

// crash ends the process: local calls are gone, each done or not.
func (w *world) crash() {
	var remote []saga.Effect
	for _, e := range w.calls {
		kind := w.s.Step(e.Step).Kind
		switch {
		case book[kind].Remote:
			remote = append(remote, e)
		case rapid.Bool().Draw(w.t, "happened before the crash"):
			if e.Direction == saga.Forward {
				w.exists[e.Step] = true
			} else if !w.cursed[e.Step] {
				w.exists[e.Step] = false
			}
		}
	}
	w.calls = remote
	w.advance(saga.Recovered{})
}

// settle lets everything go well from now on until the saga rests.
func (w *world) settle() {
	for range 10_000 {
		switch {
		case len(w.calls) > 0:
			w.act(0, "ok")
		case w.s.Status.Over() || w.s.Status == saga.Parked:
			return
		default:
			wake := w.s.NextWake()
			if wake.IsZero() {
				w.t.Fatalf("saga is %s with nothing at work and no timer: it would hang for ever", w.s.Status)
			}
			w.now = wake
			w.advance(saga.Ticked{})
		}
	}
	w.t.Fatal("saga never rests")
}

func plan(t *rapid.T) saga.Plan {
	kinds := []string{"make", "make", "remote", "decide", "shift", "retire"}
	n := rapid.IntRange(1, 6).Draw(t, "steps")
	var p saga.Plan
	for i := range n {
		st := saga.PlannedStep{ID: fmt.Sprintf("s%d", i), Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		for j := range i {
			if rapid.Bool().Draw(t, "depends") {
				st.After = append(st.After, fmt.Sprintf("s%d", j))
			}
		}
		p.Steps = append(p.Steps, st)
	}
	return p
}

func TestAnyHistory_SagaEndsDoneUndoneOrParked_AndNothingIsForgotten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, now: start, exists: map[string]bool{}, fenced: map[string]bool{}, cursed: map[string]bool{}}
		s, fx, err := saga.New(saga.Saga{ID: "s"}, plan(t), book, w.now)
		if err != nil {
			t.Fatal(err)
		}
		w.s, w.calls = s, fx
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			switch what := rapid.SampledFrom([]string{"act", "act", "act", "act", "again", "tick", "crash", "abort", "nudge", "curse"}).Draw(t, "what"); what {
			case "act":
				if len(w.calls) > 0 {
					w.act(rapid.IntRange(0, len(w.calls)-1).Draw(t, "call"), rapid.SampledFrom([]string{"ok", "ok", "ok", "fail", "half", "lost", "notyet"}).Draw(t, "how"))
				}
			case "again":
				if len(w.said) > 0 {
					w.advance(rapid.SampledFrom(w.said).Draw(t, "said"))
				}
			case "tick":
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
				w.advance(saga.Ticked{})
			case "crash":
				w.crash()
			case "abort":
				if rapid.IntRange(0, 4).Draw(t, "rarely") == 0 {
					w.advance(saga.Abort{Reason: "aborted"})
				}
			case "nudge":
				w.advance(saga.Nudged{})
			case "curse":
				w.cursed[rapid.SampledFrom(w.s.Steps).Draw(t, "step").ID] = true
			}
		}
		w.settle()
		w.check(t)
		if w.s.Status == saga.Parked {
			clear(w.cursed) // a person mends what was broken
			w.advance(saga.RetryStep{Actor: "ada"})
			w.settle()
			if !w.s.Status.Over() {
				t.Fatalf("mended and retried, the saga is %s", w.s.Status)
			}
			w.check(t)
		}
	})
}

func (w *world) check(t *rapid.T) {
	irreversible := false
	for _, st := range w.s.Steps {
		irreversible = irreversible || (st.Begun && book[st.Kind].Compensation == saga.Irreversible)
		if w.exists[st.ID] && !st.Begun {
			t.Fatalf("step %s has an effect that the saga does not know", st.ID)
		}
		noUndo := book[st.Kind].Compensation == saga.NoEffect || book[st.Kind].Compensation == ""
		switch {
		case w.s.Status == saga.Done && !w.exists[st.ID]:
			t.Fatalf("saga is done, but step %s never happened", st.ID)
		case w.s.Status == saga.Undone && w.exists[st.ID] && !noUndo:
			t.Fatalf("saga is undone, but step %s is still there", st.ID)
		}
	}
	if w.s.Status == saga.Undone && irreversible {
		t.Fatal("saga was undone past an irreversible step")
	}
}
