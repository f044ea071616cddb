package policy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-idp/slipway/services/policy"
)

func TestOpenAPI_EveryOperation_IsServedAndAnswersJSON(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(policy.OpenAPI(), &doc))
	require.NotEmpty(t, doc.Paths)
	p := newPlatform(t)
	require.Equal(t, http.StatusOK, p.apply(project, nil))
	require.Equal(t, http.StatusOK, p.apply(noEvil, nil))
	fill := strings.NewReplacer("{project}", "shop", "{policy}", "no-evil", "{decision}", "dec-none")
	for path, operations := range doc.Paths {
		for _, method := range []string{"get", "delete"} { // what is there is read before it is deleted
			if operations[method] == nil {
				continue
			}
			var body map[string]any
			target, out := fill.Replace(path), any(&body)
			if method == "delete" {
				out = nil
			}
			status := p.Call(strings.ToUpper(method), target, nil, out)
			want := map[string]int{"get": http.StatusOK, "delete": http.StatusNoContent}[method]
			if strings.Contains(path, "{decision}") {
				want = http.StatusNotFound
				require.Contains(t, body["detail"], "dec-none")
			}
			require.Equal(t, want, status, "%s %s", method, target)
		}
	}
}
