package definition_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
)

// drivers are one that takes modules and one that does not.
func drivers(name string) (definition.Driver, []string, bool) {
	known := []string{"local", "opentofu"}
	switch name {
	case "opentofu":
		return definition.Driver{Modules: true}, known, true
	case "local":
		return definition.Driver{Check: func(string, map[string]any) error { return nil }}, known, true
	}
	return definition.Driver{}, known, false
}

func told(faults []definition.Fault) []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.Pointer+": "+f.Message)
	}
	return out
}

func TestCheck_ModuleOfADefinition_EveryFaultHasItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ spec, want string }{
		{`{"driver": "opentofu"}`, "/driver: driver opentofu carries out a module, and there is none"},
		{`{"driver": "local", "module": {"folder": "x"}}`, "/module: driver local carries out no module and takes no module"},
		{`{"driver": "local", "engine": "tofu"}`, "/engine: driver local carries out no module and takes no engine"},
		{`{"driver": "local", "timeout": "1m"}`, "/timeout: driver local"},
		{`{"driver": "local", "env": {"A": "b"}}`, "/env: driver local"},
		{`{"driver": "local", "outputs": {"a": "any"}}`, "/outputs: driver local"},
		{`{"driver": "opentofu", "module": {}}`, "/module: a module comes from exactly one of folder, git and inline; this one names 0"},
		{`{"driver": "opentofu", "module": {"folder": "x", "git": "https://a/b"}}`, "this one names 2"},
		{`{"driver": "opentofu", "module": {"folder": "x", "digest": "abc"}}`, `/module/digest: "abc" is no digest`},
		{`{"driver": "opentofu", "module": {"folder": "x", "ref": "main"}}`, "/module/ref: ref goes with git alone"},
		{`{"driver": "opentofu", "module": {"git": "file:///srv/repo"}}`, "/module/git: a module is not taken from"},
		{`{"driver": "opentofu", "module": {"git": "/srv/repo"}}`, "nothing that lies on the platform's own machine"},
		{`{"driver": "opentofu", "module": {"git": "../repo"}}`, "nothing that lies on the platform's own machine"},
		{`{"driver": "opentofu", "module": {"git": "ext::sh -c id"}}`, "/module/git: "},
		{`{"driver": "opentofu", "module": {"git": "git://host/repo"}}`, "git takes https, http and ssh, not git"},
		{`{"driver": "opentofu", "module": {"git": "https:///repo"}}`, "names no host"},
		{`{"driver": "opentofu", "module": {"git": "https://ada:hush@host/repo"}}`, "would be shown to everybody"},
		{`{"driver": "opentofu", "module": {"git": "https://token@host/repo"}}`, "would be shown to everybody"},
		{`{"driver": "opentofu", "module": {"git": "https://host/repo", "ref": "--upload-pack=id"}}`, "/module/ref: "},
		{`{"driver": "opentofu", "module": {"git": "https://host/repo", "path": "../x"}}`, "/module/path: "},
		{`{"driver": "opentofu", "module": {"git": "https://host/repo", "commit": "main"}}`, "/module/commit: "},
		{`{"driver": "opentofu", "module": {"folder": "x"}, "engine": "tofuu"}`, `/engine: there is no engine "tofuu"; there is tofu, terraform, or the absolute path`},
		{`{"driver": "opentofu", "module": {"folder": "x"}, "timeout": "3h"}`, "/timeout: a phase of a run may take from 1s to 2h; 3h is asked for"},
		{`{"driver": "opentofu", "module": {"folder": "x"}, "timeout": "1ms"}`, "/timeout: "},
		{`{"driver": "opentofu", "module": {"folder": "x"}, "outputs": {"a": "text"}}`, `/outputs/a: there is no type "text"`},
		{`{"driver": "opentofu", "module": {"folder": "x"}, "env": {"A-B": "x"}}`, "/env/A-B: "},
		{`{"driver": "opentofu", "module": {"folder": "x"}, "env": {"TF_HTTP_ADDRESS": "x"}}`, "/env/TF_HTTP_ADDRESS: TF_HTTP_ADDRESS is the runner's own to set"},
	} {
		var s definition.Spec
		require.NoError(t, json.Unmarshal([]byte(c.spec), &s), c.spec)
		s.Type = "bucket"
		require.Contains(t, strings.Join(told(s.Check(drivers)), "\n"), c.want, c.spec)
	}
	for _, ok := range []string{
		`{"driver": "opentofu", "module": {"folder": "x"}, "engine": "/opt/tofu", "timeout": "2h", "outputs": {"a": "any"}, "env": {"AWS_REGION": "eu", "KEY": {"secretRef": "aws"}}}`,
		`{"driver": "opentofu", "module": {"git": "https://host/repo.git", "ref": "feature/x", "path": "infra/bucket"}}`,
		`{"driver": "opentofu", "module": {"git": "ssh://git@host/repo.git"}}`,
		`{"driver": "opentofu", "module": {"git": "git@host:repo.git"}}`,
		`{"driver": "opentofu", "module": {"inline": {"main.tf": ""}}}`,
	} {
		var s definition.Spec
		require.NoError(t, json.Unmarshal([]byte(ok), &s), ok)
		s.Type = "bucket"
		require.Empty(t, s.Check(drivers), ok)
	}
}

func TestCheckModule_InputsAndOutputsThatDoNotFit_AreTold(t *testing.T) {
	t.Parallel()
	tree, err := archive.Make([]archive.File{{Name: "main.tf", Content: []byte(`
variable "folder" { type = string }
variable "size" {
  type    = number
  default = 1
}
output "path" { value = var.folder }
`)}}, archive.Limits{Bytes: 1000, Files: 10})
	require.NoError(t, err)
	m, err := module.Read(tree)
	require.NoError(t, err)
	check := func(inputs map[string]any, outputs map[string]string) []string {
		return told(definition.Spec{Inputs: inputs, Outputs: outputs}.CheckModule(m))
	}
	require.Empty(t, check(map[string]any{"folder": "x"}, map[string]string{"path": "string"}))
	require.Equal(t, []string{
		`/inputs/foldr: the module has no variable "foldr" (did you mean "folder"?)`,
		`/inputs: the module wants a value for its variable folder (main.tf:2:1) and is given none`,
	}, check(map[string]any{"foldr": "x"}, nil))
	require.Equal(t, []string{`/outputs/paht: the module has no output "paht" (did you mean "path"?)`},
		check(map[string]any{"folder": "x"}, map[string]string{"paht": "string"}))
	require.Equal(t, []string{`/inputs/unlike: the module has no variable "unlike"; it has folder, size`},
		check(map[string]any{"folder": "x", "unlike": "x"}, nil))
	require.Contains(t, check(map[string]any{"folder": "x", "size": "large"}, nil)[0], "/inputs/size: the variable takes number (main.tf:3:1)")
}

func TestEnvValue_TextOrSecret_AndNothingElse(t *testing.T) {
	t.Parallel()
	var s definition.Spec
	require.NoError(t, json.Unmarshal([]byte(`{"module": {"folder": "x", "digest": "d"}, "engine": "tofu", "env": {"A": "b", "C": {"secretRef": "d"}}, "timeout": "5m"}`), &s))
	require.Equal(t, &definition.Module{
		Digest: "d", Engine: "tofu", Timeout: document.Duration(5 * time.Minute),
		Env: map[string]any{"A": "b", "C": map[string]any{"secretRef": "d"}},
	}, s.Carried())
	again, err := json.Marshal(s.Env)
	require.NoError(t, err)
	require.JSONEq(t, `{"A": "b", "C": {"secretRef": "d"}}`, string(again))
	for _, wrong := range []string{`1`, `{"secretRef": ""}`, `{"secretref": "x", "more": 1}`, `["x"]`} {
		require.ErrorContains(t, json.Unmarshal([]byte(`{"env": {"A": `+wrong+`}}`), &s), "secretRef: NAME", wrong)
	}
	require.Nil(t, definition.Spec{}.Carried())
}
