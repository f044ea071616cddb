package contract_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/gateway/internal/contract"
)

const base = `openapi: 3.1.0
info: {title: Slipway, description: All.}
paths: {/a: {get: {operationId: own}}}
components: {schemas: {Problem: {type: object}, Same: {type: string}}}
`

func TestMerge_SameNameOtherContent_BothStayAndReferencesFollow(t *testing.T) {
	t.Parallel()
	part := `paths:
  /a: {get: {operationId: theirs}, post: {operationId: more}}
  /b: {get: {responses: {"200": {$ref: "#/components/schemas/Problem"}, "201": {$ref: "#/components/schemas/Same"}}}}
components: {schemas: {Problem: {type: string, items: {$ref: "#/components/schemas/Problem"}}, Same: {type: string}, New: {type: number}}}
`
	got, err := contract.Merge([]byte(base), []contract.Part{{Owner: "policy", Text: []byte(part)}}, []string{"catalog"})
	require.NoError(t, err)
	require.YAMLEq(t, `openapi: 3.1.0
info: {title: Slipway, description: "All.\n\nNot included, because they did not answer: catalog."}
paths:
  /a: {get: {operationId: own}, post: {operationId: more}}
  /b: {get: {responses: {"200": {$ref: "#/components/schemas/PolicyProblem"}, "201": {$ref: "#/components/schemas/Same"}}}}
components: {schemas: {Problem: {type: object}, PolicyProblem: {type: string, items: {$ref: "#/components/schemas/PolicyProblem"}}, Same: {type: string}, New: {type: number}}}
`, string(got))
}

func TestMerge_ReadsTheSameAndRefersToAnother_IsAnother(t *testing.T) {
	t.Parallel()
	const page = `{type: array, items: {$ref: "#/components/schemas/Run"}}`
	part := func(run string) []byte {
		return []byte("paths: {/" + run + `: {get: {responses: {"200": {$ref: "#/components/responses/Runs"}}}}}
components: {schemas: {Run: {type: ` + run + `}, RunPage: ` + page + `}, responses: {Runs: {schema: {$ref: "#/components/schemas/RunPage"}}}}
`)
	}
	got, err := contract.Merge([]byte("openapi: 3.1.0\n"), []contract.Part{
		{Owner: "deployer", Text: part("string")}, {Owner: "provisioner", Text: part("number")},
	}, nil)
	require.NoError(t, err)
	require.YAMLEq(t, `openapi: 3.1.0
paths:
  /string: {get: {responses: {"200": {$ref: "#/components/responses/Runs"}}}}
  /number: {get: {responses: {"200": {$ref: "#/components/responses/ProvisionerRuns"}}}}
components:
  schemas:
    Run: {type: string}
    RunPage: {type: array, items: {$ref: "#/components/schemas/Run"}}
    ProvisionerRun: {type: number}
    ProvisionerRunPage: {type: array, items: {$ref: "#/components/schemas/ProvisionerRun"}}
  responses:
    Runs: {schema: {$ref: "#/components/schemas/RunPage"}}
    ProvisionerRuns: {schema: {$ref: "#/components/schemas/ProvisionerRunPage"}}
`, string(got))
}

func TestMerge_PartIsNoDocument_SaysWhose(t *testing.T) {
	t.Parallel()
	_, err := contract.Merge([]byte(base), []contract.Part{{Owner: "policy", Text: []byte("a: [")}}, nil)
	require.ErrorContains(t, err, "policy")
}
