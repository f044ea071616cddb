package fake_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/drivertest"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/fake"
)

func TestFake_PassesTheSuite(t *testing.T) {
	t.Parallel()
	var world *fake.Driver
	drivertest.Run(t, drivertest.Subject{
		Kind: "redis", Inputs: map[string]any{"size": "1"}, Changed: map[string]any{"size": "2"},
		New: func(_ *testing.T, reopen bool) driver.Driver {
			if !reopen || world == nil {
				world = fake.New()
			}
			return world
		},
		Kill: func(_ *testing.T, name string) { world.Crash(name) },
		Gone: func(t *testing.T, _ string, _ driver.Applied) { require.Empty(t, world.Existing()) },
	})
}

func TestFake_FailHalf_TheThingIsThereAllTheSame(t *testing.T) {
	t.Parallel()
	d := fake.New()
	d.FailHalf("apply", ".cache", errors.New("boom"), 1)
	r := driver.Request{Ref: driver.Ref{Name: "shop.dev.cache", Kind: "redis"}}
	_, err := d.Apply(t.Context(), r)
	require.ErrorContains(t, err, "boom")
	require.Equal(t, []string{"shop.dev.cache"}, d.Existing())
	_, err = d.Apply(t.Context(), r)
	require.NoError(t, err)
}
