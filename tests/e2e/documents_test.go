package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/tests/platform"
)

// kinds are all that apply knows, as the platform says when it is asked for none of them.
func kinds(t *testing.T, p *platform.Platform) []string {
	err := p.Client().Do(p.Context(), client.Request{Path: "/schemas/zzzzzzzz.json"}, nil)
	_, list, found := strings.Cut(err.Error(), "Kinds are ")
	require.True(t, found, err)
	list, _, _ = strings.Cut(list, ".")
	return strings.Split(list, ", ")
}

const shop = "../../deploy/examples/shop"

// example reads every document of the example.
func example(t *testing.T) (all []document.Document) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(shop, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(text, []byte("apiVersion:")) && !bytes.Contains(text, []byte("\napiVersion:")) {
			return err
		}
		docs, faults := document.Split(path, bytes.NewReader(text))
		require.Empty(t, faults)
		all = append(all, docs...)
		return nil
	}))
	return all
}

func TestSchemas_EveryKind_AcceptsTheExampleAndRefusesAnUnknownField(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	schemas := map[string]*jsonschema.Schema{}
	for _, kind := range kinds(t, p) {
		// For editors: nobody needs to be signed in.
		resp, err := http.Get("http://" + p.Listen + "/schemas/" + kind + ".json")
		require.NoError(t, err)
		schema, err := jsonschema.UnmarshalJSON(resp.Body)
		require.NoError(t, resp.Body.Close())
		require.NoError(t, err, kind)
		require.Equal(t, http.StatusOK, resp.StatusCode, kind)
		compiler := jsonschema.NewCompiler()
		require.NoError(t, compiler.AddResource(kind+".json", schema))
		schemas[kind], err = compiler.Compile(kind + ".json")
		require.NoError(t, err, kind)
	}
	seen := map[string]bool{}
	for _, d := range example(t) {
		seen[d.Kind] = true
		require.Contains(t, schemas, d.Kind)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.JSON()))
		require.NoError(t, err)
		require.NoError(t, schemas[d.Kind].Validate(value), d.Ref())
		value.(map[string]any)["metdata"] = "x"
		require.ErrorContains(t, schemas[d.Kind].Validate(value), "metdata", d.Ref())
		delete(value.(map[string]any), "metdata")
		if spec, ok := value.(map[string]any)["spec"].(map[string]any); ok {
			spec["unheardOf"] = "x"
			require.ErrorContains(t, schemas[d.Kind].Validate(value), "unheardOf", d.Ref())
		}
	}
	require.Len(t, schemas, 20)
	require.Greater(t, len(seen), 12, "the example has documents of most kinds")
}

func TestApply_OneRequest_HasOneCorrelationIDOverAllItsEvents(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	before := eventCount(t, p)
	out, err := p.Run("apply", "-f", shop, "-o", "json")
	require.NoError(t, err, out)
	var applied client.Applied
	require.NoError(t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &applied), out)
	require.NotEmpty(t, applied.CorrelationID)
	var page struct{ Items []map[string]any }
	require.NoError(t, p.Client().Do(p.Context(), client.Request{Path: "/events", Query: map[string][]string{"limit": {"500"}}}, &page))
	require.Greater(t, len(page.Items), before+10, "the catalog tells of every entity")
	for _, e := range page.Items {
		require.Equal(t, applied.CorrelationID, e["correlationid"], e)
	}
}

func TestApply_DryRun_PredictsWhatTheApplyThenSays(t *testing.T) {
	t.Parallel()
	p := platform.New(t, binaries).Start()
	apply := func(dry ...string) (lines []string) {
		out, err := p.Run(append([]string{"apply", "-f", shop, "-o", "json"}, dry...)...)
		require.NoError(t, err, out)
		var applied client.Applied
		require.NoError(t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &applied), out)
		for _, r := range applied.Results {
			lines = append(lines, r.Kind+"/"+r.Name+" "+r.Result)
		}
		return lines
	}
	for range 2 {
		predicted := apply("--dry-run")
		require.Equal(t, predicted, apply())
	}
}
