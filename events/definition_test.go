package events_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/provisioner"
)

func TestDecode_UnknownFields_AreTolerated(t *testing.T) {
	t.Parallel()
	e := finished(t)
	e.DataEncoded = []byte(`{"environment":"pr-42","fromTheFuture":{"a":[1]}}`)
	data, err := provisioner.EnvironmentExpiring.Decode(e)
	require.NoError(t, err)
	require.Equal(t, "pr-42", data.Environment)
}

func TestDecode_UnknownMajor_IsItsOwnError(t *testing.T) {
	t.Parallel()
	e := finished(t)
	e.SetType("dev.slipway.provisioner.environment.expiring.v2")
	require.True(t, provisioner.EnvironmentExpiring.Matches(e.Type()), "a consumer must see it to dead-letter it")
	_, err := provisioner.EnvironmentExpiring.Decode(e)
	var unknown *events.UnknownMajorError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, 1, unknown.Known)
}

func TestDecode_AnotherType_IsRefused(t *testing.T) {
	t.Parallel()
	for _, other := range []string{"dev.slipway.provisioner.environment.paused.v1", "dev.slipway.provisioner.environment.expiring", "x"} {
		e := finished(t)
		e.SetType(other)
		require.False(t, provisioner.EnvironmentExpiring.Matches(other))
		_, err := provisioner.EnvironmentExpiring.Decode(e)
		var wrong *events.WrongTypeError
		require.ErrorAs(t, err, &wrong)
	}
}

func TestDecode_DataOfAnotherShape_IsADataError(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, `[]`, `{"environment":7}`, `{`} {
		e := finished(t)
		e.DataEncoded = []byte(data)
		_, err := provisioner.EnvironmentExpiring.Decode(e)
		var bad *events.DataError
		require.ErrorAs(t, err, &bad, data)
	}
}

func TestDraft_DataThatJSONCannotCarry_IsADataError(t *testing.T) {
	t.Parallel()
	_, err := events.Define[float64]("a.b.c", 1).Draft("shop", "x", math.NaN())
	var bad *events.DataError
	require.ErrorAs(t, err, &bad)
}

func TestCorrelation_SpellingsOfOneRepository_AreOneStory(t *testing.T) {
	t.Parallel()
	want := events.Correlation("https://github.com/acme/orders", "abc123")
	require.Len(t, want, 32)
	require.Equal(t, want, events.Correlation("https://GitHub.com/Acme/orders.git", "abc123"))
	require.Equal(t, want, events.Correlation("https://github.com/acme/orders/", "abc123"))
	require.NotEqual(t, want, events.Correlation("https://github.com/acme/orders", "abc124"))
	require.NotEqual(t, want, events.Correlation("https://github.com/acme/order", "sabc123"))
}

func TestCauseOf_AnEvent_TakesItsExtensions(t *testing.T) {
	t.Parallel()
	e := finished(t)
	require.Equal(t, events.Cause{ID: e.ID(), Consumer: "c", CorrelationID: "story", Actor: "user:default/ada"}, events.CauseOf(e, "c"))
}
