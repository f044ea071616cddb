// Package targettest is what every target must do, in code. A driver's test
// calls Run; so does the fake's.
package targettest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

// Behaviour is how a test workload behaves.
type Behaviour string

// The behaviours that a harness must offer. Each has one port and is given
// the variable GREETING=hello.
const (
	Good        Behaviour = "good"         // becomes ready; writes "serving" to its log
	ExitsAtOnce Behaviour = "exits"        // writes "config: DATABASE_URL is empty" and exits with code 3
	NeverReady  Behaviour = "never-ready"  // listens, but its probe answers 500; start-up deadline at most a second
	NeverListen Behaviour = "never-listen" // lives and listens nowhere
)

// Harness is a target under test with what is behind it.
type Harness struct {
	Target target.Target
	// Reopen makes a target over the same state, as a restarted platform does.
	Reopen func(t *testing.T) target.Target
	// Spec makes a specification; the same id and behaviour give the same.
	Spec func(t *testing.T, id string, b Behaviour) target.Spec
}

// Run checks a target.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("a good instance becomes ready and has an address", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		i := start(t, h, "i-good", Good)
		require.Equal(t, target.Ready, i.State)
		require.NotEmpty(t, i.Addr)
		require.Len(t, i.Ports, 1)
		found, ok, err := h.Target.Find(t.Context(), "i-good")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i.Addr, found.Addr)
		ids, err := h.Target.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"i-good"}, ids)
	})
	t.Run("starting twice is one instance", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		first := start(t, h, "i-twice", Good)
		again, err := h.Target.Start(t.Context(), h.Spec(t, "i-twice", Good))
		require.NoError(t, err)
		require.Equal(t, first.Addr, again.Addr)
		require.Equal(t, first.StartedAt, again.StartedAt)
	})
	t.Run("a restarted platform finds it and can stop it", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		first := start(t, h, "i-found", Good)
		other := h.Reopen(t)
		again, err := other.AwaitReady(t.Context(), "i-found")
		require.NoError(t, err)
		require.Equal(t, first.Addr, again.Addr)
		require.NoError(t, other.Stop(t.Context(), "i-found", 5*time.Second))
		_, ok, err := h.Target.Find(t.Context(), "i-found")
		require.NoError(t, err)
		require.False(t, ok)
	})
	t.Run("one that ends before it is ready says so with its last lines", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		err := fails(t, h, "i-exits", ExitsAtOnce)
		require.Contains(t, err.Reason, "exited with code 3")
		require.Contains(t, err.LogTail, "config: DATABASE_URL is empty")
	})
	t.Run("one that is never ready says what its probe answered", func(t *testing.T) {
		t.Parallel()
		err := fails(t, open(t), "i-unready", NeverReady)
		require.Contains(t, err.Reason, "answered 500")
	})
	t.Run("one that never listens says so", func(t *testing.T) {
		t.Parallel()
		err := fails(t, open(t), "i-deaf", NeverListen)
		require.Contains(t, err.Reason, "never listened")
	})
	t.Run("a stopped one is gone, and one that never was is no error", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		require.NoError(t, h.Target.Stop(t.Context(), "i-never", time.Second))
		start(t, h, "i-stop", Good)
		require.NoError(t, h.Target.Stop(t.Context(), "i-stop", 5*time.Second))
		require.NoError(t, h.Target.Stop(t.Context(), "i-stop", 5*time.Second))
		_, ok, err := h.Target.Find(t.Context(), "i-stop")
		require.NoError(t, err)
		require.False(t, ok)
		ids, err := h.Target.List(t.Context())
		require.NoError(t, err)
		require.Empty(t, ids)
		_, err = h.Target.AwaitReady(t.Context(), "i-stop")
		var unknown *target.UnknownError
		require.ErrorAs(t, err, &unknown)
		// And may be started again.
		require.Equal(t, target.Ready, start(t, h, "i-stop", Good).State)
	})
	t.Run("its lines can be read and followed", func(t *testing.T) {
		t.Parallel()
		h := open(t)
		start(t, h, "i-logs", Good)
		ctx, enough := context.WithTimeout(t.Context(), 10*time.Second)
		defer enough()
		var seen []string
		require.NoError(t, h.Target.Logs(ctx, "i-logs", target.LogOptions{Follow: true}, func(l target.Line) error {
			seen = append(seen, l.Text)
			require.False(t, l.At.IsZero())
			if l.Text == "serving" {
				enough()
			}
			return nil
		}))
		require.Contains(t, seen, "serving")
		var unknown *target.UnknownError
		require.ErrorAs(t, h.Target.Logs(t.Context(), "i-none", target.LogOptions{}, nil), &unknown)
	})
}

func start(t *testing.T, h Harness, id string, b Behaviour) target.Instance {
	t.Helper()
	_, err := h.Target.Start(t.Context(), h.Spec(t, id, b))
	require.NoError(t, err)
	i, err := h.Target.AwaitReady(t.Context(), id)
	require.NoError(t, err)
	return i
}

func fails(t *testing.T, h Harness, id string, b Behaviour) *target.NotReadyError {
	t.Helper()
	_, err := h.Target.Start(t.Context(), h.Spec(t, id, b))
	require.NoError(t, err)
	_, err = h.Target.AwaitReady(t.Context(), id)
	var not *target.NotReadyError
	require.ErrorAs(t, err, &not)
	require.NoError(t, h.Target.Stop(t.Context(), id, time.Second))
	return not
}
