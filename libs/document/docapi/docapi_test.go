package docapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/stretchr/testify/require"
)

type projects struct{ made []string }

func (p *projects) handler() http.Handler {
	mux := http.NewServeMux()
	docapi.Handler{Kinds: map[string]docapi.Kind{"Project": {
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			var spec struct {
				Description string `json:"description"`
				Parent      string `json:"parent"`
			}
			faults := item.Spec(&spec)
			if spec.Parent != "" && !item.InBatch("Project", spec.Parent, "") {
				faults = append(faults, item.Fault("/spec/parent", "there is no such project", ""))
			}
			return faults, nil
		},
		Apply: func(_ context.Context, item docapi.Item) (docapi.Result, error) {
			if item.Metadata.Name == "refused" {
				return docapi.Result{}, httpapi.Conflict("it is reserved")
			}
			p.made = append(p.made, item.Project+"/"+item.Metadata.Name)
			return docapi.Result{Result: docapi.Created, Version: 1}, nil
		},
	}}}.Routes(mux)
	return mux
}

func post(t *testing.T, h http.Handler, path string, docs ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := docapi.Request{Project: "shop", Context: []docapi.Reference{{Kind: "Project", Name: "base"}}}
	for i, d := range docs {
		req.Documents = append(req.Documents, docapi.Raw{Source: "p.yaml", Line: 1 + 10*i, Raw: d})
	}
	body, err := json.Marshal(req)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body))))
	return w
}

const frame = "apiVersion: slipway.dev/v1alpha1\nkind: Project\nmetadata: {name: "

func TestCheck_ManyMistakes_AllAreToldAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	var p projects
	w := post(t, p.handler(), "/documents/check",
		frame+"a}\nspec: {descripton: x}", frame+"b}\nspec: {parent: nowhere}", frame+"c}\nspec: {parent: base}", strings.Replace(frame, "Project", "Projct", 1)+"d}")
	require.Equal(t, http.StatusOK, w.Code)
	var got docapi.Checked
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	var texts []string
	for _, f := range got.Faults {
		texts = append(texts, f.Document+" "+f.String())
	}
	require.Equal(t, []string{
		`Project/a p.yaml:4:8: unknown field "descripton" (did you mean "description"?)`,
		`Project/b p.yaml:14:16: there is no such project`,
		`Projct/d p.yaml:32:7: unknown kind "Projct" (did you mean "Project"?)`,
	}, texts)
	require.Empty(t, p.made)
}

func TestApply_OneDocumentIsWrong_NoneIsApplied(t *testing.T) {
	t.Parallel()
	var p projects
	w := post(t, p.handler(), "/documents/apply", frame+"a}", frame+"b}\nspec: {x: 1}")
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Empty(t, p.made)
}

func TestApply_GoodDocuments_AnswersAResultEach(t *testing.T) {
	t.Parallel()
	var p projects
	w := post(t, p.handler(), "/documents/apply", frame+"a}", frame+"b, project: other}")
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"results":[{"kind":"Project","name":"a","project":"shop","result":"created","version":1},{"kind":"Project","name":"b","project":"other","result":"created","version":1}]}`, w.Body.String())
	require.Equal(t, []string{"shop/a", "other/b"}, p.made)
}

func TestApply_OneIsRefused_SaysWhichAndHowFarItCame(t *testing.T) {
	t.Parallel()
	var p projects
	w := post(t, p.handler(), "/documents/apply", frame+"a}", frame+"refused}")
	require.Equal(t, http.StatusConflict, w.Code)
	require.Contains(t, w.Body.String(), "Project/refused: it is reserved (1 documents before it were applied")
}
