package apply

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

func TestOperations_CutOffApply_IsToldAndForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "gateway.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var now atomic.Pointer[time.Time]
	now.Store(&start)
	o := NewOperations(s, func() time.Time { return *now.Load() })
	require.NoError(t, o.save(t.Context(), Operation{ID: "apl-1", Status: StatusRunning, CreatedAt: start}))

	// sweepAt sweeps at a later time until the record is as it should be then.
	sweepAt := func(at time.Time, so func(Operation, error) bool) {
		now.Store(&at)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- o.Sweep(ctx) }()
		require.Eventually(t, func() bool { return so(o.Get(ctx, "apl-1")) }, 10*time.Second, 5*time.Millisecond)
		cancel()
		require.NoError(t, <-done)
	}
	sweepAt(start.Add(time.Hour), func(op Operation, err error) bool {
		return err == nil && op.Status == StatusFailed && op.Problem != nil
	})
	sweepAt(start.Add(91*24*time.Hour), func(_ Operation, err error) bool { return err != nil })
}
