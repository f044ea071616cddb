package cdevents_test

import (
	"testing"
	"time"

	"github.com/cdevents/sdk-go/pkg/api"
	v03 "github.com/cdevents/sdk-go/pkg/api/v03"
	v04 "github.com/cdevents/sdk-go/pkg/api/v04"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
)

// envelope is what an outsider's SDK sends.
func envelope(t *testing.T, cd api.CDEventReader) events.Event {
	t.Helper()
	ce, err := api.AsCloudEvent(cd)
	require.NoError(t, err)
	ce.SetTime(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	return *ce
}

func TestDecode_EventsOfOlderSpecifications_AreRead(t *testing.T) {
	t.Parallel()
	old, err := v03.NewServiceDeployedEvent()
	require.NoError(t, err)
	old.SetSource("/ci")
	old.SetSubjectId("orders")
	old.SetSubjectArtifactId("pkg:generic/orders@1.4.0")
	old.SetSubjectEnvironment(&api.Reference{Id: "dev"})
	require.NoError(t, old.SetCustomData("application/json", map[string]any{"commit": "abc", "theirs": 1}))
	e := envelope(t, old)
	require.NotEqual(t, cdevents.ServiceDeployed.Type(), e.Type())
	require.True(t, cdevents.ServiceDeployed.Matches(e.Type()))
	require.NoError(t, cdevents.Validate(e))
	fact, err := cdevents.ServiceDeployed.Decode(e)
	require.NoError(t, err)
	require.Equal(t, "orders", fact.SubjectID)
	require.Equal(t, "dev", fact.Content.Environment.Id)
	require.Equal(t, "abc", fact.Custom.Commit)
	require.JSONEq(t, `{"commit":"abc","theirs":1}`, string(fact.CustomRaw))

	newer, err := v04.NewArtifactPublishedEvent()
	require.NoError(t, err)
	newer.SetSource("/ci")
	newer.SetSubjectId("pkg:generic/orders@1.4.0")
	newer.SetChainId("story")
	e = envelope(t, newer)
	require.NoError(t, cdevents.Validate(e))
	published, err := cdevents.ArtifactPublished.Decode(e)
	require.NoError(t, err)
	require.Equal(t, "story", published.ChainID)
}

func TestDecode_AnotherTypeOrMajor_IsATypedError(t *testing.T) {
	t.Parallel()
	e := event(t)
	e.SetType("dev.cdevents.service.upgraded.0.3.0")
	_, err := cdevents.ServiceDeployed.Decode(e)
	var wrong *events.WrongTypeError
	require.ErrorAs(t, err, &wrong)

	e.SetType("dev.cdevents.service.deployed.1.0.0")
	_, err = cdevents.ServiceDeployed.Decode(e)
	var unknown *events.UnknownMajorError
	require.ErrorAs(t, err, &unknown)

	e = event(t)
	e.DataEncoded = []byte(`{"subject":7}`)
	_, err = cdevents.ServiceDeployed.Decode(e)
	var bad *events.DataError
	require.ErrorAs(t, err, &bad)
}

func TestDecode_CustomDataThatIsNotOurs_IsTolerated(t *testing.T) {
	t.Parallel()
	e := event(t)
	e.DataEncoded = []byte(`{"context":{"type":"` + e.Type() + `"},"subject":{"id":"x","content":{}},"customData":"AAEC","customDataContentType":"application/zip"}`)
	fact, err := cdevents.ServiceDeployed.Decode(e)
	require.NoError(t, err)
	require.Equal(t, cdevents.Custom{}, fact.Custom)
	require.Empty(t, fact.CustomRaw)

	e.DataEncoded = []byte(`{"subject":{"id":"x","content":{}},"customData":{"slipway":"a string"}}`)
	_, err = cdevents.ServiceDeployed.Decode(e)
	require.NoError(t, err)
}

func TestValidate_MissingAndUnknownFields_AreNamed(t *testing.T) {
	t.Parallel()
	e := event(t)
	e.DataEncoded = []byte(`{"context":{"specversion":"0.5.1","id":"1","source":"/ci","type":"` + e.Type() + `","timestamp":"2026-11-22T10:00:00Z"},
		"subject":{"id":"orders","content":{"artifactId":"pkg:generic/orders@1","environment":{"id":""}}}}`)
	err := cdevents.Validate(e)
	var invalid *cdevents.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "/subject/content/environment/id", invalid.Faults[0].Pointer)

	for name, data := range map[string]string{
		"not JSON":             `{`,
		"context of no shape":  `{"context":7}`,
		"type differs":         `{"context":{"specversion":"0.5.1","type":"dev.cdevents.service.upgraded.0.3.0"}}`,
		"unknown spec version": `{"context":{"specversion":"9.9.9","type":"` + e.Type() + `"}}`,
	} {
		e.DataEncoded = []byte(data)
		require.ErrorAs(t, cdevents.Validate(e), &invalid, name)
	}
	e.SetType("dev.cdevents.nonsense")
	require.ErrorAs(t, cdevents.Validate(e), &invalid)
}

func TestValidate_SchemaURIOfAnOutsider_IsNotFetched(t *testing.T) {
	t.Parallel()
	newer, err := v04.NewArtifactPublishedEvent()
	require.NoError(t, err)
	newer.SetSource("/ci")
	newer.SetSubjectId("pkg:generic/orders@1.4.0")
	e := envelope(t, newer)
	withURI := newer
	withURI.SetSchemaUri("http://127.0.0.1:1/never.json")
	raw, err := api.AsJsonBytes(withURI)
	require.NoError(t, err)
	e.DataEncoded = raw
	require.NoError(t, cdevents.Validate(e))
}

func TestVocabulary_EachType_HasASchemaAndAMatchingFilter(t *testing.T) {
	t.Parallel()
	for _, d := range cdevents.All() {
		schema, ok := cdevents.Schema(d.Type)
		require.True(t, ok, d.Type)
		require.Contains(t, schema, d.Type)
		require.NotNil(t, d.Data)
	}
}

func event(t *testing.T) events.Event {
	t.Helper()
	d, err := cdevents.ServiceDeployed.Draft("shop", "dev/orders", cdevents.Fact[cdevents.ServiceDeployedContent]{
		Content: cdevents.ServiceDeployedContent{ArtifactId: "pkg:generic/orders@1.4.0", Environment: &cdevents.Reference{Id: "dev"}},
	})
	require.NoError(t, err)
	e, err := events.Finish(d, events.Origin{Service: "deployer", Kind: "deployment", ID: "dpl-1", Version: 1}, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.NoError(t, cdevents.Validate(e))
	return e
}
