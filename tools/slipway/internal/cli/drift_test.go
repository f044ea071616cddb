package cli

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResourcesDrift_OfOne_IsLookedAtAndAwaited(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/resources/dev/s3.bucket/drift", 202, `{"name":"s3.bucket","drift":{"asked":true,"drifted":false}}`)
	asked := 0
	p.mux.HandleFunc("GET /api/v1/projects/shop/resources/dev/s3.bucket", func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			fmt.Fprint(w, `{"name":"s3.bucket","drift":{"asked":true,"drifted":false}}`)
			return
		}
		fmt.Fprint(w, `{"name":"s3.bucket","drift":{"drifted":true,"differences":["a.b: versioning is false, not true"],"since":"2026-11-22T11:58:00Z","run":"run-9"}}`)
	})
	code, out, errs := p.slipway(t, "resources", "drift", "dev/s3.bucket")
	require.Zero(t, code, errs)
	require.Equal(t, "✗ dev/s3.bucket drifted, first seen 2m ago:\n    a.b: versioning is false, not true\nslipway run show run-9\n", out)
	code, out, _ = p.slipway(t, "resources", "drift", "dev/s3.bucket", "--wait=false")
	require.Zero(t, code)
	require.Contains(t, out, "is being looked at")
	code, _, errs = p.slipway(t, "resources", "drift", "s3.bucket")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "ENVIRONMENT/RESOURCE")
}

func TestResourcesDrift_OfAll_TellsWhatTheLastLooksFound(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/resources", 200, `{"items":[
		{"name":"redis","environment":"dev"},
		{"name":"a","environment":"dev","drift":{"drifted":false,"lookedAt":"2026-11-22T11:58:00Z"}},
		{"name":"b","environment":"dev","drift":{"drifted":true,"differences":["x","y"],"lookedAt":"2026-11-22T11:58:00Z"}},
		{"name":"c","environment":"dev","drift":{"drifted":false,"problem":"no engine"}}]}`)
	code, out, _ := p.slipway(t, "resources", "drift", "--env", "dev")
	require.Zero(t, code)
	require.Equal(t, `ENVIRONMENT   RESOURCE   STATE            LOOKED AT   DIFFERENCE
dev           a          as it was made   2m ago
dev           b          drifted          2m ago   x (and 1 more)
dev           c          not known: no engine
`, out)
}
