package route

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
)

func example(t *testing.T, eventType string) events.Event {
	t.Helper()
	raws, err := events.ReleasedExamples(eventType)
	require.NoError(t, err)
	var e events.Event
	require.NoError(t, e.UnmarshalJSON(raws[0]))
	return e
}

func TestEnvironmentOf_EachShapeOfEvent_IsFound(t *testing.T) {
	t.Parallel()
	for eventType, want := range map[string]string{
		"dev.slipway.deployer.deployment.failed.v1":         "dev",
		"dev.slipway.provisioner.environment.rolledback.v1": "pr-42",
		"dev.cdevents.service.deployed.0.3.0":               "dev",
		"dev.cdevents.environment.deleted.0.3.0":            "dev",
		"dev.slipway.catalog.entity.changed.v1":             "",
	} {
		require.Equal(t, want, EnvironmentOf(example(t, eventType)), eventType)
	}
	e := example(t, "dev.cdevents.environment.created.0.3.0")
	e.DataEncoded = []byte(`{"subject":{"id":"theirs","content":{}},"environment":{"odd":true}}`)
	require.Equal(t, "theirs", EnvironmentOf(e))
	e.DataEncoded = []byte(`[`)
	require.Empty(t, EnvironmentOf(e))
}

func TestMatches_PrefixAndEnvironment_BothMustHold(t *testing.T) {
	t.Parallel()
	e := example(t, "dev.slipway.deployer.deployment.failed.v1")
	for _, c := range []struct {
		route Route
		want  bool
	}{
		{Route{Events: []string{"dev.slipway.deployer."}}, true},
		{Route{Events: []string{"dev.cdevents.", "dev.slipway.deployer.deployment.failed.v1"}}, true},
		{Route{Events: []string{"dev.cdevents."}}, false},
		{Route{Events: []string{"dev."}, Environments: []string{"production", "dev"}}, true},
		{Route{Events: []string{"dev."}, Environments: []string{"production"}}, false},
		{Route{}, false},
	} {
		require.Equal(t, c.want, c.route.Matches(e), "%+v", c.route)
	}
}
