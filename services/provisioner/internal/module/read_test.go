package module_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
)

func tree(t testing.TB, files map[string]string) archive.Tree {
	t.Helper()
	var list []archive.File
	for name, content := range files {
		list = append(list, archive.File{Name: name, Content: []byte(content)})
	}
	out, err := archive.Make(list, archive.Limits{Bytes: module.MaxBytes, Files: module.MaxFiles})
	require.NoError(t, err)
	return out
}

func TestRead_VariablesOutputsAndProviders_AreKnownWithTheirPlaces(t *testing.T) {
	t.Parallel()
	m, err := module.Read(tree(t, map[string]string{
		"main.tf": `
terraform {
  required_providers {
    store  = { source = "acme/store", version = "~> 1.0" }
    random = { version = ">= 3" }
    mirror = { source = "acme/mirror", configuration_aliases = [mirror.far] }
  }
}
resource "terraform_data" "x" {}
resource "store_bucket" "b" {}
data "external_thing" "d" {}
module "inner" { source = "./inner" }
module "far" {
  source  = "acme/far/x"
  version = "1.2.3"
}
`,
		"variables.tf": `variable "name" {
  type        = string
  description = "What it is called."
}
variable "size" {
  type    = object({ gb = number, fast = optional(bool, true) })
  default = { gb = 1 }
}
variable "token" {
  sensitive = true
  default   = "hush-hush"
}
variable "any" {}
output "path" { value = "x" }
output "key" {
  value     = "y"
  sensitive = true
}
`,
		"override.tf":     `variable "name" { default = "nameless" }`,
		"inner/inner.tf":  `variable "not_ours" {}` + "\n" + `resource "time_sleep" "s" {}`,
		"more.tf.json":    `{"variable": {"count_of": {"type": "number"}}, "output": {"n": {"value": 1}}}`,
		"unused/wrong.tf": `this is { no`,
		"README.md":       "# anything",
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"acme/mirror", "acme/store", "hashicorp/external", "hashicorp/random", "hashicorp/time"}, m.Providers)
	require.Len(t, m.Variables, 5)
	require.Equal(t, "string", m.Variables["name"].Type)
	require.Equal(t, "variables.tf:1:1", m.Variables["name"].Place)
	require.Equal(t, "What it is called.", m.Variables["name"].Description)
	require.False(t, m.Variables["name"].Required, "an override gives it a default")
	require.JSONEq(t, `{"gb": 1}`, string(m.Variables["size"].Default))
	require.True(t, m.Variables["token"].Sensitive)
	require.Empty(t, m.Variables["token"].Default)
	require.True(t, m.Variables["any"].Required)
	require.Equal(t, "number", m.Variables["count_of"].Type)
	require.True(t, m.Outputs["key"].Sensitive)
	require.False(t, m.Outputs["path"].Sensitive)
	require.Contains(t, m.Outputs, "n")
}

func TestAccepts_ValueOfAnotherType_IsToldWithTheVariablesPlace(t *testing.T) {
	t.Parallel()
	m, err := module.Read(tree(t, map[string]string{"main.tf": `
variable "n" { type = number }
variable "list" { type = list(string) }
variable "size" { type = object({ gb = number, fast = optional(bool, true) }) }
variable "any" {}
`, "j.tf.json": `{"variable": {"flag": {"type": "bool"}}}`}))
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		value any
		ok    bool
	}{
		{"n", 3, true}, {"n", "3", true}, {"n", "three", false}, {"n", "${params.n}", true},
		{"n", map[string]any{"secretRef": "x"}, true}, {"n", map[string]any{"a": 1}, false},
		{"list", []any{"a"}, true}, {"list", "a", false}, {"list", []any{"${params.x}"}, true},
		{"size", map[string]any{"gb": 1}, true}, {"size", map[string]any{}, false},
		{"any", []any{1, "x"}, true}, {"flag", "true", true}, {"flag", "perhaps", false},
	} {
		err := m.Variables[c.name].Accepts(c.value)
		if c.ok {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorContains(t, err, "the variable takes", c.name)
		require.ErrorContains(t, err, m.Variables[c.name].Place)
	}
}

func TestRead_TofuFile_StandsInForItsTwin(t *testing.T) {
	t.Parallel()
	m, err := module.Read(tree(t, map[string]string{
		"main.tf": `variable "a" {}`, "main.tofu": `variable "b" {}`, "other.tf": `variable "c" {}`,
	}))
	require.NoError(t, err)
	require.Contains(t, m.Variables, "b")
	require.Contains(t, m.Variables, "c")
	require.NotContains(t, m.Variables, "a")
}

func TestRead_WhatIsWrong_IsToldByFileLineAndColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want  string
		files map[string]string
	}{
		{"there is no .tf or .tofu file at its top", map[string]string{"README.md": ""}},
		{"there is infra/main.tf: name that folder", map[string]string{"infra/main.tf": ""}},
		{"main.tf:2:12: ", map[string]string{"main.tf": "\nresource x {\n"}},
		{"main.tf.json:1:", map[string]string{"main.tf.json": `{"variable": [}`}},
		{"main.tf:1:10: Missing name for variable", map[string]string{"main.tf": "variable {}"}},
		{`main.tf:2:3: the module keeps its state by itself, with backend "s3": take the block out`, map[string]string{"main.tf": "terraform {\n  backend \"s3\" {}\n}"}},
		{"main.tf:2:1: the module keeps its state by itself, with a cloud block", map[string]string{"main.tf": "terraform {\ncloud {}\n}"}},
		{"main.tf:2:1: the module encrypts its state", map[string]string{"main.tf": "terraform {\nencryption {}\n}"}},
		{`main.tf:1:25: module "x" is taken from ../shared, which climbs out of this module's folder`, map[string]string{"main.tf": `module "x" {  source  = "../shared" }`}},
		{`in/a.tf:1:23: module "x" is taken from ../../shared, which climbs out`, map[string]string{"main.tf": `module "in" { source = "./in" }`, "in/a.tf": `module "x" { source = "../../shared" }`}},
		{`main.tf:1:23: module "x" is taken from /etc/x, which lies outside`, map[string]string{"main.tf": `module "x" { source = "/etc/x" }`}},
		{`main.tf:1:23: module "x" is taken from ./nothing, where there is no .tf`, map[string]string{"main.tf": `module "x" { source = "./nothing" }`}},
		{"in/a.tf:1:1: ", map[string]string{"main.tf": `module "in" { source = "./in" }`, "in/a.tf": `= 3`}},
		{"main.tf: line 1 is nested too deeply", map[string]string{"main.tf": "x = " + strings.Repeat("(", 20_000)}},
		{"main.tf: line 1 is nested too deeply", map[string]string{"main.tf": "x = " + strings.Repeat("!", 20_000)}},
		{"main.tf: line 1 is nested too deeply", map[string]string{"main.tf": "x = " + strings.Repeat("a?b:", 20_000)}},
		{"main.tf: line 1 is nested too deeply", map[string]string{"main.tf": `x = "` + strings.Repeat(`${"`, 20_000)}},
		{"main.tf: line 1 is nested too deeply", map[string]string{"main.tf": `x = "` + strings.Repeat(`%{if a}`, 20_000)}},
		{"a.tf.json: line 1 is nested too deeply", map[string]string{"a.tf.json": strings.Repeat("[", 20_000)}},
		{"main.tf: it has more than 1 MiB", map[string]string{"main.tf": strings.Repeat("#\n", 600_000)}},
	} {
		_, err := module.Read(tree(t, c.files))
		var invalid *module.InvalidError
		require.ErrorAs(t, err, &invalid, c.want)
		require.Contains(t, err.Error(), c.want)
	}
}

func TestRead_LargeButPlainModule_IsRead(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("locals {\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "  a%d = var.x ? -%d + local.a%d : \"${var.x}-%d\"\n", i, i, i, i)
	}
	b.WriteString("}\nvariable \"x\" {}\n")
	m, err := module.Read(tree(t, map[string]string{"main.tf": b.String()}))
	require.NoError(t, err)
	require.Contains(t, m.Variables, "x")
}

func TestRead_TypeInJSONThatWouldOverflow_IsNotTakenApart(t *testing.T) {
	t.Parallel()
	m, err := module.Read(tree(t, map[string]string{"main.tf.json": `{"variable": {"x": {"type": "` + strings.Repeat("(", 100_000) + `"}}}`}))
	require.NoError(t, err)
	require.NoError(t, m.Variables["x"].Accepts("anything"))
}

// The modules of the example organisation are read as the platform reads them.
func TestRead_ModulesOfTheExample_AreValid(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("../../../../deploy/examples/shop/definitions-opentofu/*/main.tf")
	require.NoError(t, err)
	for _, f := range folders {
		files, err := archive.ReadFolder(filepath.Dir(f), archive.Limits{Bytes: module.MaxBytes, Files: module.MaxFiles}, nil)
		require.NoError(t, err)
		_, err = module.Read(files)
		require.NoError(t, err, f)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`variable "x" { type = list(string) }`, `output "y" { value = 1 }`, "terraform { required_providers { a = { source = \"b/c\" } } }",
		`module "m" { source = "./m" }`, `{"variable": {"x": {"type": "string", "default": 1}}}`, "x = <<E\n${a}\nE\n", `terraform { backend "s3" {} }`,
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, asJSON bool) {
		name := "main.tf"
		if asJSON {
			name += ".json"
		}
		files, err := archive.Make([]archive.File{{Name: name, Content: []byte(text)}, {Name: "m/m.tf"}}, archive.Limits{Bytes: module.MaxBytes, Files: 10})
		if err != nil {
			return
		}
		m, err := module.Read(files)
		var invalid *module.InvalidError
		if err != nil && !errors.As(err, &invalid) {
			t.Fatalf("neither read nor told what is wrong: %v", err)
		}
		for _, v := range m.Variables {
			_ = v.Accepts("x")
			_ = v.Accepts([]any{1.5, map[string]any{"a": nil}})
		}
	})
}
