package intake

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

func TestDeliveries_PastTheirTime_BodyGoesFirstAndTheKeyLongAfter(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "gateway.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var now atomic.Pointer[time.Time]
	now.Store(&start)
	d := NewDeliveries(s, func() time.Time { return *now.Load() })
	body, err := d.zip.compress([]byte(`{"zen":"x"}`))
	require.NoError(t, err)
	for id, apart := range map[string]bool{"inline": false, "apart": true} {
		_, err = d.repo.Update(t.Context(), id, events.Cause{}, func(v *Delivery, _ bool) (aggregate.Decision, error) {
			*v = Delivery{Project: "shop", Webhook: "github", ReceivedAt: start, Apart: apart}
			if !apart {
				v.Body = body
			}
			return aggregate.Decision{WakeAt: start.Add(keepBody)}, nil
		})
		require.NoError(t, err)
	}
	require.NoError(t, (&Receiver{Deliveries: d}).keepApart(t.Context(), "apart", body))
	for _, id := range []string{"inline", "apart"} {
		v, err := d.Get(t.Context(), "shop", "github", id)
		require.NoError(t, err)
		got, err := d.Body(t.Context(), v)
		require.NoError(t, err)
		require.True(t, bytes.Contains(got, []byte("zen")))
	}

	sweepAt := func(at time.Time, so func(aggregate.Versioned[Delivery], error) bool) {
		now.Store(&at)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- d.Sweep(ctx) }()
		for _, id := range []string{"inline", "apart"} {
			require.Eventually(t, func() bool { return so(d.Get(ctx, "shop", "github", id)) }, 10*time.Second, 5*time.Millisecond, id)
		}
		cancel()
		require.NoError(t, <-done)
	}
	sweepAt(start.Add(31*24*time.Hour), func(v aggregate.Versioned[Delivery], err error) bool { return err == nil && v.State.Dropped })
	v, err := d.Get(t.Context(), "shop", "github", "apart")
	require.NoError(t, err)
	_, err = d.Body(t.Context(), v)
	require.Equal(t, http.StatusGone, httpapi.ProblemOf(err).Status)
	_, err = d.bodies.Get(t.Context(), "apart")
	require.Error(t, err)
	sweepAt(start.Add(401*24*time.Hour), func(_ aggregate.Versioned[Delivery], err error) bool { return err != nil })
}
