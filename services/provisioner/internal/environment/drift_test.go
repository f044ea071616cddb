package environment

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/fake"
)

// drifting is the fake world with a look at it that answers what it is told.
type drifting struct {
	*fake.Driver
	mu    sync.Mutex
	lines []string
	err   error
	keys  []string
}

func (d *drifting) Drift(_ context.Context, r driver.Request) (driver.Difference, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = append(d.keys, r.By.Key)
	return driver.Difference{Lines: d.lines, Run: "run-1"}, d.err
}

func (d *drifting) say(err error, lines ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines, d.err = lines, err
}

func withDrift(t *testing.T) (*Environments, *drifting, func(string) int, *time.Time) {
	t.Helper()
	e, s, world := open(t)
	d := &drifting{Driver: world}
	now := time.Now()
	e.cfg.Drivers["fake"], e.cfg.Clock = d, func() time.Time { return now }
	in, node := reserved(t, e, false)
	_, err := e.ensureResource(t.Context(), call(t, "env-1", "cache", saga.Forward, in, node))
	require.NoError(t, err)
	_, err = e.settleEnvironment(t.Context(), call(t, "env-1", kindSettle, saga.Forward, in, nil))
	require.NoError(t, err)
	return e, d, func(part string) int { return told(t, s, part) }, &now
}

func (e *Environments) driftNow(t *testing.T) *Drift {
	t.Helper()
	require.NoError(t, e.driftOnce(t.Context()))
	v, err := e.Get(t.Context(), "shop", "dev")
	require.NoError(t, err)
	return v.State.Resources["cache"].Drift
}

func TestDrift_IsToldOncePerDistinctDifferenceAndNeverMended(t *testing.T) {
	t.Parallel()
	e, d, told, now := withDrift(t)
	look := func(lines ...string) *Drift {
		d.say(nil, lines...)
		_, err := e.LookForDrift(t.Context(), events.Cause{}, "shop", "dev", "cache")
		require.NoError(t, err)
		*now = now.Add(time.Minute)
		found := e.driftNow(t)
		require.Empty(t, found.Asked)
		require.Equal(t, lines, found.Lines)
		return found
	}
	require.Zero(t, look().Since)
	require.Zero(t, told("resource.drifted"))
	first := look("a: size is 3, not 2")
	require.Equal(t, 1, told("resource.drifted"))
	require.Equal(t, first.Since, look("a: size is 3, not 2").Since)
	require.Equal(t, 1, told("resource.drifted"), "the same difference is told once")
	look("a: size is 4, not 2")
	look()
	look("a: size is 4, not 2")
	require.Equal(t, 3, told("resource.drifted"), "another one, or one that came back, is told")
	require.Equal(t, []string{"apply shop.dev.cache"}, d.Calls(), "nothing is mended")
}

func TestDrift_LookTakesTime_IsTheSameLookUntilItIsOver(t *testing.T) {
	t.Parallel()
	e, d, _, _ := withDrift(t)
	d.say(driver.NotYet("run run-1 is planning"))
	asked, err := e.LookForDrift(t.Context(), events.Cause{}, "shop", "dev", "cache")
	require.NoError(t, err)
	again, err := e.LookForDrift(t.Context(), events.Cause{}, "shop", "dev", "cache")
	require.NoError(t, err)
	require.Equal(t, asked.Asked, again.Asked)
	require.NotEmpty(t, e.driftNow(t).Asked)
	d.say(errors.New("the engine is gone"))
	found := e.driftNow(t)
	require.Empty(t, found.Asked)
	require.Equal(t, "the engine is gone", found.Problem)
	require.Equal(t, []string{asked.Asked, asked.Asked}, d.keys)
}

func TestDrift_Schedule_LooksOnceAnInterval(t *testing.T) {
	t.Parallel()
	e, d, _, now := withDrift(t)
	e.cfg.DriftEvery = time.Hour
	*now = now.Add(time.Hour)
	e.driftNow(t)
	require.NotZero(t, e.driftNow(t).At)
	require.Len(t, d.keys, 1)
	*now = now.Add(59 * time.Minute)
	e.driftNow(t)
	require.Empty(t, e.driftNow(t).Asked)
	*now = now.Add(2 * time.Minute)
	e.driftNow(t)
	e.driftNow(t)
	require.Len(t, d.keys, 2)
	e.cfg.DriftEvery = -1
	*now = now.Add(48 * time.Hour)
	require.Empty(t, e.driftNow(t).Asked)
}

func TestDrift_DriverThatKeepsWhatItMakes_IsRefusedClearly(t *testing.T) {
	t.Parallel()
	e, d, _, _ := withDrift(t)
	e.cfg.Drivers["fake"] = d.Driver
	_, err := e.LookForDrift(t.Context(), events.Cause{}, "shop", "dev", "cache")
	require.ErrorContains(t, err, "cannot look for differences")
	_, err = e.LookForDrift(t.Context(), events.Cause{}, "shop", "dev", "nothing")
	require.ErrorContains(t, err, "nothing")
	_, err = e.LookForDrift(t.Context(), events.Cause{}, "shop", "gone", "cache")
	require.ErrorContains(t, err, "gone")
}
