package drivertest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// patience is how long one operation of a driver may take altogether.
const patience = 2 * time.Minute

// bench is a subject with what every case does to it.
type bench struct {
	Subject
	name string
	asks atomic.Int64
}

// operation is one that nobody asked for before.
func (b *bench) operation() driver.Operation {
	key := fmt.Sprintf("saga-%d/step/do", b.asks.Add(1))
	return driver.Operation{Key: key, Saga: key, Step: "step", Project: "shop", Environment: "dev", Type: "development", Resource: b.Kind}
}

func (b *bench) request(inputs map[string]any) driver.Request {
	return driver.Request{Ref: driver.Ref{Name: b.name, Kind: b.Kind}, Inputs: inputs, Module: b.Module, By: b.operation()}
}

// again is a request after an answer that was kept.
func (b *bench) again(inputs map[string]any, a driver.Applied) driver.Request {
	r := b.request(inputs)
	r.Secrets, r.State = a.Secrets, a.State
	return r
}

func (b *bench) kindOf(t *testing.T, d driver.Driver) driver.Kind {
	t.Helper()
	k, ok := driver.KindOf(d, b.Kind)
	require.True(t, ok, "the driver does not list kind %s", b.Kind)
	return k
}

func (b *bench) fresh(t *testing.T) (driver.Driver, context.Context) {
	t.Helper()
	d := b.New(t, false)
	t.Cleanup(func() {
		// It ends before the test's own context: the world is closed after it.
		ref, by := driver.Ref{Name: b.name, Kind: b.Kind}, b.operation()
		require.NoError(t, await(context.Background(), t, func(ctx context.Context) error { return d.Destroy(ctx, ref, by) }))
	})
	return d, t.Context()
}

// apply asks until it is no longer "not yet".
func apply(t *testing.T, d driver.Driver, r driver.Request) (driver.Applied, error) {
	t.Helper()
	var a driver.Applied
	err := await(t.Context(), t, func(ctx context.Context) error {
		var err error
		a, err = d.Apply(ctx, r)
		return err
	})
	return a, err
}

func (b *bench) destroy(t *testing.T, d driver.Driver, ref driver.Ref) error {
	t.Helper()
	by := b.operation()
	return await(t.Context(), t, func(ctx context.Context) error { return d.Destroy(ctx, ref, by) })
}

func await(ctx context.Context, t *testing.T, ask func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		reason, wait := driver.AsNotYet(err)
		if !wait {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.FailNow(t, "the driver still says \"not yet\"", reason)
		}
	}
}
