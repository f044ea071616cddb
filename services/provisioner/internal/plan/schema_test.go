package plan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// What is promised to those who write policies is what they get: the schema is
// the policy service's, which publishes it.
func TestInput_OfEveryRecordedPlan_IsAsThePublishedSchemaSays(t *testing.T) {
	t.Parallel()
	const place = "../../../policy/internal/question/policy-input-plan.json"
	text, err := os.ReadFile(place)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("input.json", doc))
	schema, err := compiler.Compile("input.json")
	require.NoError(t, err)
	var promised struct{ Properties map[string]any }
	require.NoError(t, json.Unmarshal(text, &promised))
	for _, engine := range engines {
		files, err := filepath.Glob(filepath.Join("testdata", engine, "*.json"))
		require.NoError(t, err)
		for _, file := range files {
			in, err := Input(recorded(t, engine, strings.TrimSuffix(filepath.Base(file), ".json")), nil, Question{Operation: "apply", Time: time.Unix(1, 0)})
			require.NoError(t, err)
			raw, err := json.Marshal(in)
			require.NoError(t, err)
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
			require.NoError(t, err)
			require.NoError(t, schema.Validate(value), file)
			for field := range in {
				require.Contains(t, promised.Properties, field, "it is given and not promised")
			}
		}
	}
}
