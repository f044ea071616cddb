package stack_test

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// sweep runs Sweep until nothing is due any more, or claimed for a while.
func (y *yard) sweep() {
	y.Helper()
	ctx, stop := context.WithCancel(y.Context())
	done := make(chan error, 1)
	go func() { done <- y.Sweep(ctx) }()
	require.Eventually(y, func() bool {
		next, ok, err := y.store.NextWake(ctx, stack.Kind)
		return err == nil && (!ok || next.After(y.clock().Add(time.Minute)))
	}, 10*time.Second, time.Millisecond)
	stop()
	require.NoError(y, <-done)
}
