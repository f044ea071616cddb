package events_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/provisioner"
)

func finished(t *testing.T) events.Event {
	t.Helper()
	o := origin(7, 0)
	o.Cause = events.Cause{ID: "cause", CorrelationID: "story", Actor: "user:default/ada"}
	e, err := events.Finish(expiring(t), o, noon)
	require.NoError(t, err)
	return e
}

func TestEncodeNATS_ThenDecode_GivesTheSameEvent(t *testing.T) {
	t.Parallel()
	e := finished(t)
	e.SetSubject(`dev/Grüße "50 %" 日本`)
	e.SetExtension("count", int32(7))
	header, body, err := events.EncodeNATS(e)
	require.NoError(t, err)
	require.Equal(t, []string{`dev/Gr%C3%BC%C3%9Fe%20%2250%20%25%22%20%E6%97%A5%E6%9C%AC`}, header["ce-subject"])
	require.Equal(t, []string{"1.0"}, header["ce-specversion"])
	require.Equal(t, []string{"application/json"}, header["ce-datacontenttype"])
	require.Equal(t, []string{"story"}, header["ce-correlationid"])
	require.NotContains(t, header, "content-type", "the binding keeps that header for structured mode")

	back, err := events.DecodeNATS(header, body)
	require.NoError(t, err)
	require.Equal(t, e.Subject(), back.Subject())
	require.Equal(t, e.ID(), back.ID())
	require.Equal(t, e.Time(), back.Time())
	require.Equal(t, "7", events.Extension(back, "count"), "a header has no type: an integer comes back as a string")
	require.JSONEq(t, string(e.Data()), string(back.Data()))
}

func TestDecodeNATS_HeadersInAnyCase_AreRead(t *testing.T) {
	t.Parallel()
	e, err := events.DecodeNATS(map[string][]string{
		"CE-SpecVersion": {"1.0"}, "Ce-Id": {"1"}, "cE-source": {"/ci"}, "CE-TYPE": {"com.acme.built"},
		"Ce-CorrelationId": {"story"}, "Content-Type": {"application/json; charset=utf-8"}, "Nats-Msg-Id": {"ignored"},
	}, []byte(`{"a":1}`))
	require.NoError(t, err)
	require.Equal(t, "com.acme.built", e.Type())
	require.Equal(t, "story", events.Extension(e, events.ExtCorrelation))
	require.Equal(t, "application/json", e.DataContentType())
}

func TestDecodeNATS_QuotedAndPercentEncodedValue_IsTakenBack(t *testing.T) {
	t.Parallel()
	e, err := events.DecodeNATS(map[string][]string{
		"ce-specversion": {"1.0"}, "ce-id": {`"a \"b\" %c3%A9"`}, "ce-source": {"/ci"}, "ce-type": {"t"}, "ce-subject": {"100%"},
	}, nil)
	require.NoError(t, err)
	require.Equal(t, `a "b" é`, e.ID())
	require.Equal(t, "100%", e.Subject())
}

func TestDecodeNATS_StructuredMode_IsAccepted(t *testing.T) {
	t.Parallel()
	body, err := finished(t).MarshalJSON()
	require.NoError(t, err)
	e, err := events.DecodeNATS(map[string][]string{"Content-Type": {"application/cloudevents+json; charset=UTF-8"}}, body)
	require.NoError(t, err)
	data, err := provisioner.EnvironmentExpiring.Decode(e)
	require.NoError(t, err)
	require.Equal(t, "pr-42", data.Environment)
}

func TestDecodeNATS_BadMessage_IsATypedError(t *testing.T) {
	t.Parallel()
	good := func(change map[string]string) map[string][]string {
		h := map[string][]string{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/ci"}, "ce-type": {"t"}}
		for k, v := range change {
			h[k] = []string{v}
		}
		return h
	}
	cases := map[string]struct {
		header map[string][]string
		body   string
	}{
		"no headers":               {nil, "{}"},
		"unknown specversion":      {good(map[string]string{"ce-specversion": "2.0"}), ""},
		"no id":                    {good(map[string]string{"ce-id": ""}), ""},
		"wildcard in type":         {good(map[string]string{"ce-type": "a.*"}), ""},
		"encoded space in type":    {good(map[string]string{"ce-type": "a%20b"}), ""},
		"bad time":                 {good(map[string]string{"ce-time": "yesterday"}), ""},
		"not UTF-8":                {good(map[string]string{"ce-subject": "%ff"}), ""},
		"bad extension name":       {good(map[string]string{"ce-my_ext": "x"}), ""},
		"bad project":              {good(map[string]string{"ce-project": "a.b"}), ""},
		"structured, not JSON":     {map[string][]string{"content-type": {"application/cloudevents+json"}}, "{"},
		"structured, JSON array":   {map[string][]string{"content-type": {"application/cloudevents+json"}}, "[]"},
		"structured, other format": {map[string][]string{"content-type": {"application/cloudevents+avro"}}, "x"},
		"batch":                    {map[string][]string{"content-type": {"application/cloudevents-batch+json"}}, "[]"},
		"too large":                {good(nil), strings.Repeat("x", events.MaxSize)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := events.DecodeNATS(c.header, []byte(c.body))
			var invalid *events.InvalidError
			require.ErrorAs(t, err, &invalid)
		})
	}
}

func TestNATSSubject_EachRoute_HasItsFamily(t *testing.T) {
	t.Parallel()
	public := expiring(t)
	require.Equal(t, "evt.shop.dev.slipway.provisioner.environment.expiring.v1", events.NATSSubject(public))
	require.Equal(t, "ext.shop.dev.slipway.provisioner.environment.expiring.v1", events.NATSSubject(public.External()))

	ready, err := provisioner.ResourcesReady.Draft("shop", "dev/orders", provisioner.ResourcesReadyData{})
	require.NoError(t, err)
	require.Equal(t, "int.provisioner.dev.slipway.provisioner.resources.ready.v1", events.NATSSubject(ready))

	ensure, err := provisioner.EnsureResources.Draft("shop", "dev/orders", provisioner.EnsureResourcesData{})
	require.NoError(t, err)
	require.Equal(t, "cmd.provisioner.ensure-resources", events.NATSSubject(ensure))

	require.Equal(t, "evt.*.dev.slipway.provisioner.environment.expiring.*", provisioner.EnvironmentExpiring.Describe().SubjectFilter(events.Public))
	require.Equal(t, "ext.*.dev.cdevents.artifact.published.>", cdevents.ArtifactPublished.Describe().SubjectFilter(events.External))
	require.Equal(t, "int.provisioner.dev.slipway.provisioner.resources.ready.*", provisioner.ResourcesReady.Describe().SubjectFilter(events.Internal))
	require.Equal(t, "cmd.provisioner.ensure-resources", provisioner.EnsureResources.Describe().SubjectFilter(events.Command))
}

func TestParseSubject_OursAndOthers_AreToldApart(t *testing.T) {
	t.Parallel()
	a, ok := events.ParseSubject("ext.shop.dev.cdevents.change.merged.0.3.0")
	require.True(t, ok)
	require.Equal(t, events.Address{Route: events.External, Owner: "shop", Name: "dev.cdevents.change.merged.0.3.0"}, a)
	for _, s := range []string{"", "evt", "evt.shop", "evt..x", "log.shop.x", "dlq.some"} {
		_, ok := events.ParseSubject(s)
		require.False(t, ok, s)
	}
}

func FuzzDecodeNATS(f *testing.F) {
	f.Add("1.0", "id", "/source", "com.acme.built", "a%20subject", "2026-11-22T10:00:00Z", "x-y", "application/json", []byte(`{}`))
	f.Add("1.0", `"q\"uoted"`, "https://a/b?c#d", "t", "%ff", "", "", "application/cloudevents+json", []byte(`{"specversion":"1.0","id":"1","source":"/","type":"t","data_base64":"AA=="}`))
	f.Add("0.3", "%", "%zz", "a.>", "", "no", "é", "text/plain", []byte{0xff})
	f.Fuzz(func(t *testing.T, version, id, source, eventType, subject, at, ext, media string, body []byte) {
		e, err := events.DecodeNATS(map[string][]string{
			"ce-specversion": {version}, "CE-id": {id}, "ce-source": {source}, "ce-Type": {eventType},
			"ce-subject": {subject}, "ce-time": {at}, "ce-" + ext: {ext}, "Content-Type": {media},
		}, body)
		if err != nil {
			return
		}
		if err := events.CheckType(e.Type()); err != nil {
			t.Fatalf("decoded a type that cannot be published: %v", err)
		}
		header, again, err := events.EncodeNATS(e)
		if err != nil {
			t.Fatalf("decoded but cannot encode: %v", err)
		}
		for name, values := range header {
			for _, c := range []byte(name + values[0]) {
				if c <= ' ' || c >= 0x7f {
					t.Fatalf("header %q: %q is not printable ASCII", name, values[0])
				}
			}
		}
		back, err := events.DecodeNATS(header, again)
		if err != nil {
			t.Fatalf("encoded but cannot decode: %v", err)
		}
		if back.ID() != e.ID() || back.Source() != e.Source() || back.Type() != e.Type() || back.Subject() != e.Subject() || string(back.Data()) != string(e.Data()) {
			t.Fatalf("came back different:\n%v\n%v", e, back)
		}
	})
}
