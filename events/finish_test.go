package events_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/provisioner"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

func origin(version int64, n int) events.Origin {
	return events.Origin{Service: "provisioner", Kind: "environment", ID: "shop/dev", Version: version, N: n}
}

func expiring(t *testing.T) events.Draft {
	t.Helper()
	d, err := provisioner.EnvironmentExpiring.Draft("shop", "pr-42", provisioner.EnvironmentExpiringData{
		Environment: "pr-42", Type: "preview", Project: "shop", ExpiresAt: noon,
	})
	require.NoError(t, err)
	return d
}

func TestFinish_SameOriginTwice_MakesTheSameEvent(t *testing.T) {
	t.Parallel()
	a, err := events.Finish(expiring(t), origin(3, 1), noon)
	require.NoError(t, err)
	b, err := events.Finish(expiring(t), origin(3, 1), noon)
	require.NoError(t, err)
	require.Equal(t, a, b)

	for _, o := range []events.Origin{origin(3, 0), origin(4, 1), {Service: "provisioner", Kind: "environment", ID: "shop/dev2", Version: 3, N: 1}} {
		c, err := events.Finish(expiring(t), o, noon)
		require.NoError(t, err)
		require.NotEqual(t, a.ID(), c.ID())
	}
}

func TestFinish_WithCause_CarriesItOn(t *testing.T) {
	t.Parallel()
	o := origin(12, 2)
	o.Cause = events.Cause{ID: "cause-1", Consumer: "c", CorrelationID: "story", Actor: "user:default/ada", TraceParent: "00-ab-cd-01"}
	e, err := events.Finish(expiring(t), o, noon)
	require.NoError(t, err)
	require.Equal(t, "story", events.Extension(e, events.ExtCorrelation))
	require.Equal(t, "cause-1", events.Extension(e, events.ExtCausation))
	require.Equal(t, "user:default/ada", events.Extension(e, events.ExtActor))
	require.Equal(t, "00-ab-cd-01", events.Extension(e, events.ExtTraceParent))
	require.Equal(t, "shop", events.Extension(e, events.ExtProject))
	require.Equal(t, "0000000012.2", events.Extension(e, events.ExtSequence))
	require.Equal(t, "/slipway/provisioner", e.Source())
	require.Equal(t, "pr-42", e.Subject())
	require.Equal(t, noon, e.Time())
	require.Equal(t, "application/json", e.DataContentType())
	require.Equal(t, "https://slipway.dev/schemas/dev.slipway.provisioner.environment.expiring.v1.json", e.DataSchema())
}

func TestFinish_NoCause_StartsAStoryOfItsOwn(t *testing.T) {
	t.Parallel()
	a, err := events.Finish(expiring(t), origin(1, 0), noon)
	require.NoError(t, err)
	b, err := events.Finish(expiring(t), origin(1, 1), noon)
	require.NoError(t, err)
	require.Len(t, events.Extension(a, events.ExtCorrelation), 32)
	require.Equal(t, events.Extension(a, events.ExtCorrelation), events.Extension(b, events.ExtCorrelation), "events of one commit are one story")
	require.Equal(t, "service:provisioner", events.Extension(a, events.ExtActor))
}

func TestFinish_DraftOverrides_Win(t *testing.T) {
	t.Parallel()
	d := expiring(t)
	d.ID, d.CorrelationID, d.Source, d.Actor = "given", "other", "https://github.com/acme/orders", "webhook:shop/github"
	o := origin(1, 0)
	o.Cause = events.Cause{CorrelationID: "story", Actor: "user:default/ada"}
	e, err := events.Finish(d.External(), o, noon)
	require.NoError(t, err)
	require.Equal(t, "given", e.ID())
	require.Equal(t, "other", events.Extension(e, events.ExtCorrelation))
	require.Equal(t, "https://github.com/acme/orders", e.Source())
	require.Equal(t, "webhook:shop/github", events.Extension(e, events.ExtActor))
}

func TestFinish_CDEvent_IsValidAndHasTheEnvelopesContext(t *testing.T) {
	t.Parallel()
	d, err := cdevents.ArtifactPublished.Draft("shop", "orders", cdevents.Fact[cdevents.ArtifactPublishedContent]{
		SubjectID: "pkg:generic/orders@1.4.0",
		Custom: cdevents.Custom{
			Slipway:    &cdevents.Slipway{Workload: "orders", Artifact: "orders:1.4.0"},
			Repository: "https://github.com/acme/orders", Commit: "abc",
		},
	})
	require.NoError(t, err)
	o := origin(1, 0)
	o.Cause.CorrelationID = events.Correlation("https://github.com/acme/orders", "abc")
	e, err := events.Finish(d, o, noon)
	require.NoError(t, err)
	require.NoError(t, cdevents.Validate(e))

	fact, err := cdevents.ArtifactPublished.Decode(e)
	require.NoError(t, err)
	require.Equal(t, e.ID(), fact.ID)
	require.Equal(t, e.Source(), fact.Source)
	require.Equal(t, noon, fact.Time)
	require.Equal(t, o.Cause.CorrelationID, fact.ChainID)
	require.Equal(t, "pkg:generic/orders@1.4.0", fact.SubjectID)
	require.Equal(t, "orders:1.4.0", fact.Custom.Slipway.Artifact)
}

func TestFinish_CDEventOfAnOutsider_StaysAsStated(t *testing.T) {
	t.Parallel()
	stated := json.RawMessage(`{"context":{"version":"0.4.1","id":"theirs","source":"/ci","type":"dev.cdevents.artifact.published.0.2.0","timestamp":"2026-11-22T10:00:00Z"},
		"subject":{"id":"pkg:generic/orders@1","type":"artifact","content":{}}}`)
	d := events.Draft{Type: "dev.cdevents.artifact.published.0.2.0", Project: "shop", Data: stated, ID: "theirs", Source: "/ci"}
	e, err := events.Finish(d.External(), origin(1, 0), noon)
	require.NoError(t, err)
	require.Equal(t, string(stated), string(e.Data()))
	require.NoError(t, cdevents.Validate(e))
}

func TestFinish_CDEventMappedFromAWebhook_IsStampedToo(t *testing.T) {
	t.Parallel()
	d, err := cdevents.BranchCreated.Draft("shop", "main", cdevents.Fact[cdevents.BranchCreatedContent]{})
	require.NoError(t, err)
	e, err := events.Finish(d.External(), origin(1, 0), noon)
	require.NoError(t, err)
	require.NoError(t, cdevents.Validate(e))
}

func TestFinish_BadDraft_IsRefusedWithTheAttribute(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change    func(*events.Draft)
		attribute string
	}{
		"star in type":       {func(d *events.Draft) { d.Type = "dev.*.x" }, "type"},
		"wildcard in type":   {func(d *events.Draft) { d.Type = "dev.>" }, "type"},
		"space in type":      {func(d *events.Draft) { d.Type = "dev x" }, "type"},
		"empty part of type": {func(d *events.Draft) { d.Type = "dev..x" }, "type"},
		"no type":            {func(d *events.Draft) { d.Type = "" }, "type"},
		"no project":         {func(d *events.Draft) { d.Project = "" }, "project"},
		"dot in project":     {func(d *events.Draft) { d.Project = "a.b" }, "project"},
		"wildcard project":   {func(d *events.Draft) { d.Project = "*" }, "project"},
		"data is not JSON":   {func(d *events.Draft) { d.Data = []byte("{") }, "data"},
		"no service":         {func(d *events.Draft) { d.Route = events.Internal; d.Service = "" }, "service"},
		"too large":          {func(d *events.Draft) { d.Data = []byte(`"` + strings.Repeat("x", events.MaxSize) + `"`) }, "size"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := expiring(t)
			c.change(&d)
			_, err := events.Finish(d, origin(1, 0), noon)
			var invalid *events.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, c.attribute, invalid.Attribute)
		})
	}
}
