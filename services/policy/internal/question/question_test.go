package question

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

func TestSchemas_OfEachKindOfPolicy_ArePublished(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	Routes(mux)
	for _, kind := range rulebook.Kinds() {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/schemas/policy-input-"+kind+".json", nil))
		require.Equal(t, http.StatusOK, w.Code, kind)
		require.Equal(t, "application/schema+json", w.Header().Get("Content-Type"))
		var s struct {
			ID string `json:"$id"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
		require.Equal(t, "https://slipway.dev/schemas/policy-input-"+kind+".json", s.ID)
	}
	require.Len(t, Schemas(), len(rulebook.Kinds()))
}
