package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

// world records what activities did and holds them up where a test says so.
type world struct {
	mu    sync.Mutex
	did   []string
	hold  map[string]chan struct{}
	fails map[string]error
	began chan string
}

func newWorld() *world {
	return &world{hold: map[string]chan struct{}{}, fails: map[string]error{}, began: make(chan string, 100)}
}

func (w *world) activity(ctx context.Context, c saga.Call) (saga.Result, error) {
	name := string(c.Direction) + " " + c.StepID
	w.mu.Lock()
	hold, err := w.hold[name], w.fails[name]
	w.mu.Unlock()
	w.began <- name
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return saga.Result{}, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did = append(w.did, name)
	return saga.Result{Output: map[string]string{"by": c.StepID}, Note: "did " + c.StepID}, err
}

func (w *world) done() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.did...)
}

var ask = events.DefineCommand[map[string]any]("peer.ask", 1, "Asks the peer.")

func (w *world) definition() saga.Definition {
	return saga.Definition{Name: "test", Steps: map[string]saga.StepKind{
		"local": {Do: w.activity, Undo: w.activity, Compensation: saga.DestroyCreated, Timeout: time.Minute},
		"remote": {
			Command: func(c saga.Call) (events.Draft, error) {
				return ask.Draft("org", c.StepID, map[string]any{"attempt": c.Attempt, "direction": c.Direction})
			},
			UndoCommand: func(c saga.Call) (events.Draft, error) {
				return ask.Draft("org", c.StepID, map[string]any{"attempt": c.Attempt, "direction": c.Direction})
			},
			Compensation: saga.DestroyCreated,
		},
	}}
}

func open(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	return s
}

// run starts a runner on the store and returns it with its stop.
func run(t *testing.T, s store.Store, w *world) (*runner.Runner, func()) {
	t.Helper()
	r, err := runner.New(runner.Config{Store: s, Service: "tester", Definitions: []saga.Definition{w.definition()}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return r, stop
}

func await(t *testing.T, r *runner.Runner, id string, status saga.Status) saga.Saga {
	t.Helper()
	changed, stop := r.Watch(id)
	defer stop()
	for {
		v, err := r.Get(t.Context(), id)
		require.NoError(t, err)
		if v.State.Status == status {
			return v.State
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatalf("saga is %s, not %s: %+v", v.State.Status, status, v.State.Journal)
		}
	}
}

func steps(kind string, ids ...string) saga.Plan {
	var p saga.Plan
	for i, id := range ids {
		st := saga.PlannedStep{ID: id, Kind: kind}
		if i > 0 {
			st.After = []string{ids[i-1]}
		}
		p.Steps = append(p.Steps, st)
	}
	return p
}

func TestStart_SameIDTwice_IsOneSaga(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r, _ := run(t, open(t, filepath.Join(t.TempDir(), "s.db")), w)
	for range 2 {
		_, err := r.Start(t.Context(), runner.Start{ID: "s1", Definition: "test", Plan: steps("local", "a", "b")})
		require.NoError(t, err)
	}
	await(t, r, "s1", saga.Done)
	require.Equal(t, []string{"do a", "do b"}, w.done())
}

func TestFailure_LastStep_EverythingIsUndoneInReverse(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.fails["do c"] = saga.Fail(errors.New("no room"))
	r, _ := run(t, open(t, filepath.Join(t.TempDir(), "s.db")), w)
	_, err := r.Start(t.Context(), runner.Start{ID: "s1", Definition: "test", Plan: steps("local", "a", "b", "c")})
	require.NoError(t, err)
	s := await(t, r, "s1", saga.Undone)
	require.Equal(t, []string{"do a", "do b", "do c", "undo c", "undo b", "undo a"}, w.done())
	require.Equal(t, "no room", s.Failure.Reason)
}

func TestPanic_InAnActivity_FailsItsStepOnly(t *testing.T) {
	t.Parallel()
	w := newWorld()
	def := w.definition()
	def.Steps["broken"] = saga.StepKind{Do: func(context.Context, saga.Call) (saga.Result, error) { panic("boom") }}
	r, err := runner.New(runner.Config{Store: open(t, filepath.Join(t.TempDir(), "s.db")), Service: "tester", Definitions: []saga.Definition{def}})
	require.NoError(t, err)
	go func() { _ = r.Run(t.Context()) }()
	_, err = r.Start(t.Context(), runner.Start{ID: "s1", Definition: "test", Plan: steps("broken", "a")})
	require.NoError(t, err)
	require.Contains(t, await(t, r, "s1", saga.Undone).Failure.Reason, "boom")
}

func TestRestart_InTheMiddleOfACall_TakesItOver(t *testing.T) {
	t.Parallel()
	for _, direction := range []string{"do", "undo"} {
		t.Run(direction, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "s.db")
			w := newWorld()
			w.hold[direction+" a"] = make(chan struct{})
			if direction == "undo" {
				w.fails["do b"] = saga.Fail(errors.New("no"))
			}
			s := open(t, path)
			r, stop := run(t, s, w)
			_, err := r.Start(t.Context(), runner.Start{ID: "s1", Definition: "test", Plan: steps("local", "a", "b")})
			require.NoError(t, err)
			for name := range w.began {
				if name == direction+" a" {
					break
				}
			}
			stop()
			require.NoError(t, s.Close())

			w.hold = map[string]chan struct{}{}
			again, _ := run(t, open(t, path), w)
			want := saga.Done
			if direction == "undo" {
				want = saga.Undone
			}
			await(t, again, "s1", want)
		})
	}
}

func TestRemote_CommandIsInTheCommit_AndTheReplyGoesOnOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	r, _ := run(t, s, w)
	started, err := r.Start(t.Context(), runner.Start{ID: "s1", Definition: "test", Plan: steps("remote", "a", "b"), Cause: events.Cause{CorrelationID: "c1", Actor: "user:default/ada"}})
	require.NoError(t, err)
	pending, err := s.Outbox().Pending(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, "cmd.peer.ask", pending[0].Message.Subject)
	sent, err := events.DecodeNATS(pending[0].Message.Header, pending[0].Message.Body)
	require.NoError(t, err)
	require.Equal(t, "c1", sent.Extensions()["correlationid"])

	cause := events.Cause{ID: "reply-1", Consumer: "tester-replies"}
	for range 2 { // a redelivery
		require.NoError(t, r.Reply(t.Context(), cause, runner.Reply{SagaID: "s1", StepID: "a", Attempt: started.Step("a").Attempt, Direction: saga.Forward, Output: json.RawMessage(`{"x":1}`)}))
	}
	v, err := r.Get(t.Context(), "s1")
	require.NoError(t, err)
	require.Equal(t, saga.StepDone, v.State.Step("a").Status)
	require.Equal(t, saga.StepDoing, v.State.Step("b").Status)
	require.NoError(t, r.Reply(t.Context(), events.Cause{}, runner.Reply{SagaID: "s1", StepID: "b", Attempt: 1, Direction: saga.Forward, Failed: "refused", Final: true}))
	pending, err = s.Outbox().Pending(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, pending, 3, "two commands forward, one undo")
}

func TestTimer_RemoteStepWithoutAnswer_TurnsBackByItself(t *testing.T) {
	t.Parallel()
	w := newWorld()
	def := w.definition()
	k := def.Steps["remote"]
	k.Timeout = 20 * time.Millisecond
	k.UndoDeadline = 30 * time.Millisecond
	def.Steps["remote"] = k
	r, err := runner.New(runner.Config{Store: open(t, filepath.Join(t.TempDir(), "s.db")), Service: "tester", Definitions: []saga.Definition{def}})
	require.NoError(t, err)
	go func() { _ = r.Run(t.Context()) }()
	_, err = r.Start(t.Context(), runner.Start{ID: "s1", Definition: "test", Plan: steps("remote", "a")})
	require.NoError(t, err)
	require.Contains(t, await(t, r, "s1", saga.Parked).Failure.Reason, "no answer")
}

func TestRequests_OnWhatIsNotThere_SayNotFound(t *testing.T) {
	t.Parallel()
	r, _ := run(t, open(t, filepath.Join(t.TempDir(), "s.db")), newWorld())
	_, err := r.Retry(t.Context(), "nobody", "", "ada")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = r.Start(t.Context(), runner.Start{ID: "x", Definition: "unknown"})
	require.ErrorContains(t, err, `no saga definition "unknown"`)
}
