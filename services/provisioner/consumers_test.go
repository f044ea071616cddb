package provisioner_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
)

// released are the examples of a type that were ever released, as they were.
func released(t *testing.T, eventType string) []events.Event {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "events", "testdata", eventType, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no released example of %s", eventType)
	var out []events.Event
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		var e events.Event
		require.NoError(t, json.Unmarshal(b, &e), f)
		out = append(out, e)
	}
	return out
}

func decodes[T any](t *testing.T, def events.Definition[T]) {
	t.Helper()
	for _, e := range released(t, def.Type()) {
		_, err := def.Decode(e)
		require.NoError(t, err)

		var fields map[string]any
		require.NoError(t, json.Unmarshal(e.Data(), &fields))
		fields["fromTheFuture"] = true
		require.NoError(t, e.SetData("application/json", fields))
		_, err = def.Decode(e)
		require.NoError(t, err, "an unknown field must be tolerated")

		e.SetType(strings.TrimSuffix(e.Type(), ".v1") + ".v2")
		_, err = def.Decode(e)
		var unknown *events.UnknownMajorError
		require.ErrorAs(t, err, &unknown)
	}
}

func TestConsumers_EveryReleasedExample_IsUnderstood(t *testing.T) {
	t.Parallel()
	decodes(t, pe.EnsureResources)
	decodes(t, pe.ReleaseResources)
	decodes(t, pe.ReconcileEnvironment)
}

func TestEnsure_ReleasedExamples_AreAnswered(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for i, e := range released(t, pe.EnsureResources.Type()) {
		cmd := data(t, e, pe.EnsureResources)
		p.ask(pe.EnsureResources.Draft(cmd.Project, e.Subject(), cmd))
		require.Equal(t, cmd.Request, data(t, p.await("resources.ready", i+1), pe.ResourcesReady).Request)
	}
}
