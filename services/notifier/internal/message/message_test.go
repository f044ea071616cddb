package message

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
)

func example(t *testing.T, eventType string) events.Event {
	t.Helper()
	raws, err := events.ReleasedExamples(eventType)
	require.NoError(t, err)
	var e events.Event
	require.NoError(t, e.UnmarshalJSON(raws[0]))
	return e
}

func TestOf_EveryReleasedExample_HasTitleTextAndEvent(t *testing.T) {
	t.Parallel()
	for _, d := range append(catalogue.All(), catalogue.CDEvents()...) {
		raws, err := events.ReleasedExamples(d.Type)
		if d.Route != events.Public || err != nil {
			continue
		}
		for _, raw := range raws {
			var e events.Event
			require.NoError(t, e.UnmarshalJSON(raw))
			m, err := Of(e, false)
			require.NoError(t, err)
			require.NotEmpty(t, m.Title)
			require.NotEmpty(t, m.Text)
			require.JSONEq(t, string(raw), string(m.Event))
		}
	}
}

func TestOf_UnknownType_IsToldByItsAttributes(t *testing.T) {
	t.Parallel()
	e := example(t, "dev.cdevents.artifact.published.0.3.0")
	e.SetType("com.acme.built")
	m, err := Of(e, true)
	require.NoError(t, err)
	require.Equal(t, "com.acme.built: shop/orders (stated by /slipway/gateway)", m.Title)
	require.Equal(t, "com.acme.built: orders.", m.Text)
}

func TestTopic_EventsOfOneOutcome_ShareIt(t *testing.T) {
	t.Parallel()
	want := "outcome of deployment dpl-7k2m9q"
	for _, outcome := range []string{
		"dev.slipway.deployer.deployment.succeeded.v1", "dev.slipway.deployer.deployment.failed.v1",
		"dev.cdevents.service.deployed.0.3.0", "dev.cdevents.service.upgraded.0.3.0", "dev.cdevents.service.rolledback.0.3.0",
	} {
		require.Equal(t, want, Topic(example(t, outcome)), outcome)
	}
	for _, other := range []string{"dev.slipway.deployer.deployment.requested.v1", "dev.cdevents.service.removed.0.3.0", "dev.slipway.deployer.saga.parked.v1"} {
		require.Empty(t, Topic(example(t, other)), other)
	}
}
