package httpapi_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

func TestSurface_Stranger_SeesOnlyWhatIsOpen(t *testing.T) {
	t.Parallel()
	identity, err := httpapi.NewIdentity(bytes.Repeat([]byte("k"), 32), time.Now)
	require.NoError(t, err)
	s := httpapi.NewSurface([]byte("openapi: 3.1.0\n"), httpapi.Correlation(func() string { return "c0ffee" }), identity.Middleware)
	s.Handle("GET /mine", func(w http.ResponseWriter, r *http.Request) error {
		cause := httpapi.CauseOf(r.Context())
		httpapi.JSON(w, http.StatusOK, cause.Actor+" "+cause.CorrelationID)
		return nil
	})
	s.Handle("GET /gone", func(http.ResponseWriter, *http.Request) error { return httpapi.NotFound("thing", "gone", "") })
	ask := func(path string, sign bool) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
		if sign {
			require.NoError(t, identity.SignRequest(r, httpapi.Actor{Name: "user:default/ada"}))
		}
		s.ServeHTTP(w, r)
		return w
	}
	spec := ask("/openapi.yaml", false)
	require.Equal(t, "openapi: 3.1.0\n", spec.Body.String())
	require.Equal(t, "application/yaml", spec.Header().Get("Content-Type"))
	require.Equal(t, http.StatusUnauthorized, ask("/mine", false).Code)
	require.JSONEq(t, `"user:default/ada c0ffee"`, ask("/mine", true).Body.String())
	gone := ask("/gone", true)
	require.Equal(t, http.StatusNotFound, gone.Code)
	require.Equal(t, httpapi.ProblemContentType, gone.Header().Get("Content-Type"))
}
