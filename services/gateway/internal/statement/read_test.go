package statement_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/gateway/internal/statement"
)

func TestCheck_CDEvent_EveryFaultNamesItsField(t *testing.T) {
	t.Parallel()
	body := `{"specversion":"1.0","id":"1","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0","data":{` +
		`"context":{"specversion":"0.5.1","id":"1","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2026-11-20T09:00:00Z","chain":"x"},` +
		`"subject":{"id":"","content":{"environment":{"id":"dev"}}}}}`
	stated, err := statement.Read(http.Header{"Content-Type": {"application/cloudevents+json"}}, []byte(body))
	require.NoError(t, err)
	err = statement.Check("shop", "user:default/ada", stated)
	require.Error(t, err)
	for _, field := range []string{"/data/context", "/data/subject/id", "/data/subject/content"} {
		require.ErrorContains(t, err, field)
	}
}

func TestCheck_TypeAndContextDiffer_IsRefused(t *testing.T) {
	t.Parallel()
	body := `{"specversion":"1.0","id":"1","source":"/ci","type":"dev.cdevents.service.removed.0.3.0","data":{"context":{"specversion":"0.5.1","type":"dev.cdevents.service.deployed.0.3.0"}}}`
	stated, err := statement.Read(http.Header{"Content-Type": {"application/cloudevents+json"}}, []byte(body))
	require.NoError(t, err)
	require.ErrorContains(t, statement.Check("shop", "a", stated), "/data/context/type")
}

// FuzzRead: whatever comes, reading and checking end without a panic.
func FuzzRead(f *testing.F) {
	f.Add("application/cloudevents+json", "", `{"specversion":"1.0","id":"1","source":"/a","type":"a.b","data":{"x":1}}`)
	f.Add("application/cloudevents-batch+json", "", `[{"specversion":"1.0","id":"1","source":"/a","type":"a.b","data_base64":"AA=="}]`)
	f.Add("text/plain", "a.b", `hello`)
	f.Add("application/json", "dev.cdevents.artifact.published.0.3.0", `{"context":{"specversion":"0.5.1"}}`)
	f.Fuzz(func(_ *testing.T, media, typ, body string) {
		h := http.Header{"Content-Type": {media}}
		if typ != "" {
			h["Ce-Specversion"], h["Ce-Id"], h["Ce-Source"], h["Ce-Type"] = []string{"1.0"}, []string{"1"}, []string{"/a"}, []string{typ}
		}
		stated, err := statement.Read(h, []byte(body))
		if err != nil {
			return
		}
		_ = statement.Check("shop", "user:default/ada", stated)
	})
}
