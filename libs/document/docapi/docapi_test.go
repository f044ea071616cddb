package docapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/stretchr/testify/require"
)

type projects struct{ made []string }

type projectSpec struct {
	Description string            `json:"description" description:"What it is for."`
	Parent      string            `json:"parent,omitempty"`
	Wait        document.Duration `json:"wait,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Size        *uint8            `json:"size,omitempty"`
	Any         any               `json:"any,omitempty"`
	Steps       []struct {
		At  time.Time `json:"at"`
		Big float64   `json:"big"`
		On  bool      `json:"on"`
		N   int       `json:"n"`
		B   []byte    `json:"b"`
	} `json:"steps,omitempty"`
}

func (p *projects) handler() http.Handler {
	mux := http.NewServeMux()
	h := docapi.Handler{Kinds: map[string]docapi.Kind{"Project": {
		Check: func(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
			var spec projectSpec
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
		Preview: func(_ context.Context, item docapi.Item) (have, want any, err error) {
			var spec projectSpec
			item.Spec(&spec)
			want = map[string]any{"spec": spec}
			switch item.Metadata.Name {
			case "new":
				return nil, want, nil
			case "same":
				return want, want, nil
			}
			return map[string]any{"spec": projectSpec{Description: "was", Parent: "s3cret", Any: "", Wait: document.Duration(time.Hour), Labels: map[string]string{"a/b": "1"}}}, want, nil
		},
		Secret: []string{"/spec/parent"},
		Schema: docapi.SchemaOf[projectSpec]("Project", "A project.", "description"),
	}}}
	h.Routes(mux)
	h.Schemas(mux)
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

func TestPreview_EachDocument_SaysWhatWouldChangeAndChangesNothing(t *testing.T) {
	t.Parallel()
	var p projects
	w := post(t, p.handler(), "/documents/preview", frame+"new}\nspec: {description: x}", frame+"same}\nspec: {description: x}",
		frame+"old}\nspec: {description: now, parent: base, wait: 2h, labels: {}, any: 3}")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.JSONEq(t, `{"results":[
		{"kind":"Project","name":"new","project":"shop","result":"created"},
		{"kind":"Project","name":"same","project":"shop","result":"unchanged"},
		{"kind":"Project","name":"old","project":"shop","result":"updated","changes":[
			{"field":"/spec/any","new":3},
			{"field":"/spec/description","old":"was","new":"now"},
			{"field":"/spec/labels/a~1b","old":"1"},
			{"field":"/spec/parent","secret":true},
			{"field":"/spec/wait","old":"1h","new":"2h"}]}]}`, w.Body.String())
	require.NotContains(t, w.Body.String(), "s3cret")
	require.Empty(t, p.made)
}

func TestPreview_OneDocumentIsWrong_SaysSo(t *testing.T) {
	t.Parallel()
	var p projects
	require.Equal(t, http.StatusUnprocessableEntity, post(t, p.handler(), "/documents/preview", frame+"a}\nspec: {x: 1}").Code)
}

func TestSchema_OfAKind_HasTheFieldsThatItsSpecIsReadInto(t *testing.T) {
	t.Parallel()
	var p projects
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	w := get("/schemas/Project.json")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/schema+json", w.Header().Get("Content-Type"))
	var s struct {
		Required   []string
		Properties struct{ Kind, Spec json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
	require.Equal(t, []string{"apiVersion", "kind", "metadata", "spec"}, s.Required)
	require.JSONEq(t, `{"const":"Project"}`, string(s.Properties.Kind))
	require.JSONEq(t, `{"type":"object","additionalProperties":false,"required":["description"],"properties":{
		"description":{"type":"string","description":"What it is for."},"parent":{"type":"string"},"any":{},
		"wait":{"type":"string","pattern":"^([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$","examples":["90s","10m","48h","2d"]},
		"labels":{"type":"object","additionalProperties":{"type":"string"}},"size":{"type":"integer","minimum":0},
		"steps":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{
			"at":{},"big":{"type":"number"},"on":{"type":"boolean"},"n":{"type":"integer"},"b":{"type":"string","contentEncoding":"base64"}}}}}}`,
		string(s.Properties.Spec))
	for _, path := range []string{"/schemas/Projct.json", "/schemas/Project"} {
		require.Equal(t, http.StatusNotFound, get(path).Code)
	}
}
