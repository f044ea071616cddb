package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/gateway"
)

// withPortal is a gateway before a portal that says what it was asked.
func withPortal(t *testing.T) *world {
	t.Helper()
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(httpapi.CorrelationHeader, r.Header.Get(httpapi.CorrelationHeader))
		httpapi.JSON(w, http.StatusOK, map[string]string{
			"page": r.URL.RequestURI(), "host": r.Host, "authorization": r.Header.Get("Authorization"),
			"cookie": r.Header.Get("Cookie"), "identity": r.Header.Get(httpapi.IdentityHeader), "proto": r.Header.Get("X-Forwarded-Proto"),
		})
	}))
	t.Cleanup(portal.Close)
	return newWorld(t, func(c *gateway.Config) { c.Portal = &service.Owner{BaseURL: portal.URL} })
}

func TestPortal_ItsPaths_ArePassedOnAsTheyCame(t *testing.T) {
	t.Parallel()
	w := withPortal(t)
	for _, path := range []string{"/", "/signin?next=%2Fsagas", "/projects/shop/environments/dev", "/explorer?q=a+b", "/live?watch=all", "/assets/1/slipway.css"} {
		a := w.get(path, "Authorization", "", "Cookie", "slipway_portal=x", httpapi.IdentityHeader, "forged", "X-Forwarded-Proto", "https")
		require.Equal(t, http.StatusOK, a.status, path)
		var got map[string]string
		a.into(t, &got)
		require.Equal(t, map[string]string{"page": path, "host": "gateway", "authorization": "", "cookie": "slipway_portal=x", "identity": "", "proto": "https"}, got)
		require.Len(t, a.header.Values(httpapi.CorrelationHeader), 1)
	}
	var got map[string]string
	w.do("POST", "/sagas/env-1", []byte("do=retry")).into(t, &got)
	require.Equal(t, "Bearer "+w.token, got["authorization"])
}

func TestPortal_ThePathsOfTheAPI_StayTheGateways(t *testing.T) {
	t.Parallel()
	w := withPortal(t)
	require.Equal(t, http.StatusUnauthorized, w.get("/api/v1/projects", "Authorization", "").status)
	require.Equal(t, http.StatusUnauthorized, w.get("/events", "Authorization", "").status)
	require.NotContains(t, string(w.get("/events/types").body), `"page"`)
	require.Equal(t, http.StatusNotFound, w.get("/nonsense").status)
	require.Contains(t, string(w.get("/openapi.yaml").body), "openapi:")
}

func TestPortal_Away_IsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) { c.Portal = &service.Owner{BaseURL: "http://127.0.0.1:1"} })
	a := w.get("/catalog")
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Contains(t, string(a.body), "portal")
	require.Equal(t, http.StatusOK, w.get("/api/v1/projects").status, "the API works without it")
}
