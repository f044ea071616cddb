package catalog_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-idp/slipway/services/catalog"
)

func TestOpenAPI_EveryOperation_IsServedAndAnswersJSON(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(catalog.OpenAPI(), &doc))
	require.NotEmpty(t, doc.Paths)
	p := newPlatform(t)
	p.apply(shop)
	fill := strings.NewReplacer("{ref}", "component:default/orders", "{kind}", "user", "{namespace}", "default", "{name}", "ada")
	for path, operations := range doc.Paths {
		for _, method := range []string{"get", "post"} {
			if operations[method] == nil {
				continue
			}
			var out any
			var body any
			if method == "post" {
				body = map[string]any{"entityRefs": []string{"user:ada"}}
			}
			require.Equal(t, http.StatusOK, p.Call(strings.ToUpper(method), fill.Replace(path), body, &out), "%s %s", method, path)
		}
	}
	require.Equal(t, http.StatusNoContent, p.Call("DELETE", fill.Replace("/api/v1/entities/{ref}"), nil, nil))
}
