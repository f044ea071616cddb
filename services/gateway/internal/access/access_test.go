package access_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/access"
)

func TestNeeds_EachRoute(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]access.Permission{
		"GET /":                                  access.Public,
		"POST /":                                 access.Administer,
		"POST /hooks/shop/github":                access.Public,
		"GET /openapi.yaml":                      access.Public,
		"GET /events/types":                      access.Public,
		"GET /events":                            access.Read,
		"HEAD /events":                           access.Read,
		"POST /events":                           access.Publish,
		"GET /api/v1/projects":                   access.Read,
		"POST /api/v1/projects/shop/deployments": access.Write,
		"GET /api/v1/projects/shop/stacks/s":     access.Read,
		"POST /api/v1/projects/shop/stacks/s/unlock": access.Write,
		"POST /api/v1/apply":                         access.Write,
		"GET /api/v1/projects/shop/runs/r/log":       access.Read,
		"POST /api/v1/projects/shop/runs/r/approve":  access.Write, // looking is not enough to let a run go on
		"POST /api/v1/projects/shop/runs/r/discard":  access.Write,
		"POST /api/v1/projects/shop/runs/r/cancel":   access.Write,
		"GET /api/v1/tokens":                         access.Administer,
		"POST /api/v1/sagas/dpl-1/retry":             access.Administer,
		"POST /api/v1/dead-letters/x/1/redrive":      access.Administer,
		"DELETE /api/v1/entities/component:orders":   access.Administer,
		"GET /metrics":                               access.Administer, // served beside, never through here
		"GET /somewhere":                             access.Administer,
	} {
		var method, path string
		for i, c := range request {
			if c == ' ' {
				method, path = request[:i], request[i+1:]
			}
		}
		require.Equal(t, want, access.Needs(httptest.NewRequest(method, path, nil)), request)
	}
}

func TestAllowed_NobodyWithoutARole(t *testing.T) {
	t.Parallel()
	require.True(t, access.Allowed(httpapi.Actor{}, access.Public))
	require.False(t, access.Allowed(httpapi.Actor{Name: "user:default/ada", Roles: []string{"guest"}}, access.Read))
	require.True(t, access.Allowed(httpapi.Actor{Roles: []string{"admin"}}, access.Administer))
}
