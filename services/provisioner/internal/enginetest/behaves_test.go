package enginetest_test

import (
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"
)

// behaves is what the fake and the real engines have in common: what the
// platform relies on. With the build tag `engines` it runs on the real ones.
func behaves(t *testing.T, path string) {
	const module = `
variable "name" { type = string }
variable "password" {
  type      = string
  sensitive = true
}
locals { full = "the ${var.name}" }
resource "terraform_data" "first" {
  input = local.full
}
resource "terraform_data" "second" {
  input            = var.password
  triggers_replace = [terraform_data.first.output]
  provisioner "local-exec" { command = "echo made by $$" }
  provisioner "local-exec" {
    when       = destroy
    on_failure = continue
    command    = "exit 3"
  }
}
output "name" { value = terraform_data.first.output }
output "count" { value = 3 }
output "list" { value = ["a", "b"] }
output "password" {
  value     = var.password
  sensitive = true
}
`
	files := map[string]string{"main.tf": module, "inputs.tfvars.json": `{"name": "n1", "password": "canary-1"}`}
	vars := "-var-file=inputs.tfvars.json"

	t.Run("life", func(t *testing.T) {
		t.Parallel()
		b := on(t, path, files)
		b.init()
		require.Contains(t, b.must(0, "validate", "-json", "-no-color").out, `"valid": true`)

		p := b.plan(2, vars)
		require.Len(t, p.ResourceChanges, 2)
		first, second := p.ResourceChanges[0], p.ResourceChanges[1]
		require.Equal(t, "terraform_data.first", first.Address)
		require.True(t, first.Change.Actions.Create())
		require.Equal(t, "the n1", first.Change.After.(map[string]any)["input"])
		require.Equal(t, true, first.Change.AfterUnknown.(map[string]any)["id"])
		require.Equal(t, true, second.Change.AfterSensitive.(map[string]any)["input"])
		require.Equal(t, "terraform.io/builtin/terraform", first.ProviderName)
		require.Equal(t, "canary-1", p.Variables["password"].Value)
		require.Equal(t, true, p.OutputChanges["password"].AfterSensitive)
		require.Equal(t, "canary-1", p.OutputChanges["password"].After)
		require.Empty(t, b.server.kept(), "a plan writes nothing")
		require.Empty(t, b.server.held())

		applied := lines(t, b.must(0, "apply", "-json", "-input=false", "-no-color", "plan.bin").out)
		require.Len(t, applied["apply_start"], 2)
		require.Len(t, applied["apply_complete"], 2)
		require.Len(t, applied["provision_complete"], 1)
		summary := applied["change_summary"][0]["changes"].(map[string]any)
		require.Equal(t, "apply", summary["operation"])
		require.EqualValues(t, 2, summary["add"])
		require.NotContains(t, applied["outputs"][0]["outputs"].(map[string]any)["password"], "value")

		s := b.server.content(t)
		require.Equal(t, 4, s.Version)
		require.Equal(t, 1, s.Serial)
		require.NotEmpty(t, s.Lineage)
		require.Equal(t, "the n1", s.Outputs["name"].Value)
		require.Equal(t, "string", s.Outputs["name"].Type)
		require.EqualValues(t, 3, s.Outputs["count"].Value)
		require.True(t, s.Outputs["password"].Sensitive)
		require.Empty(t, b.server.held())

		stale := lines(t, b.must(1, "apply", "-json", "-input=false", "-no-color", "plan.bin").out)
		require.Equal(t, "Saved plan is stale", stale["diagnostic"][0]["diagnostic"].(map[string]any)["summary"])

		p = b.plan(0, vars)
		for _, c := range p.ResourceChanges {
			require.True(t, c.Change.Actions.NoOp())
		}
		b.write(map[string]string{"inputs.tfvars.json": `{"name": "n2", "password": "canary-1"}`})
		p = b.plan(2, vars)
		require.True(t, p.ResourceChanges[0].Change.Actions.Update())
		require.True(t, p.ResourceChanges[1].Change.Actions.DestroyBeforeCreate())
		b.must(0, "apply", "-json", "-input=false", "-no-color", "plan.bin")
		require.Equal(t, 2, b.server.content(t).Serial)
		require.Equal(t, "the n2", b.server.content(t).Outputs["name"].Value)

		p = b.plan(2, vars, "-destroy")
		require.True(t, p.ResourceChanges[0].Change.Actions.Delete())
		summary = lines(t, b.must(0, "apply", "-json", "-input=false", "-no-color", "plan.bin").out)["change_summary"][0]["changes"].(map[string]any)
		require.EqualValues(t, 2, summary["remove"])
		require.Empty(t, b.server.content(t).Resources)
		require.Equal(t, s.Lineage, b.server.content(t).Lineage)
	})

	t.Run("failure half-way", func(t *testing.T) {
		t.Parallel()
		b := on(t, path, map[string]string{"main.tf": `
resource "terraform_data" "first" { input = "a" }
resource "terraform_data" "second" {
  input = terraform_data.first.id
  provisioner "local-exec" { command = "exit 7" }
}
resource "terraform_data" "third" { input = terraform_data.second.id }
`})
		b.init()
		b.plan(2)
		log := lines(t, b.must(1, "apply", "-json", "-input=false", "-no-color", "plan.bin").out)
		require.Len(t, log["apply_complete"], 1)
		require.Len(t, log["apply_errored"], 1)
		require.Len(t, log["provision_errored"], 1)
		require.Empty(t, log["change_summary"])
		d := log["diagnostic"][0]["diagnostic"].(map[string]any)
		require.Equal(t, "error", d["severity"])
		require.Equal(t, "terraform_data.second", d["address"])
		s := b.server.content(t)
		require.Len(t, s.Resources, 2, "what was made is known")
		require.Equal(t, "tainted", s.Resources[1].Instances[0].Status)
		require.Empty(t, b.server.held())
		p := b.plan(2)
		require.Equal(t, "replace_because_tainted", string(p.ResourceChanges[1].ActionReason))
		b.plan(2, "-destroy")
		b.must(0, "apply", "-json", "-input=false", "-no-color", "plan.bin")
	})

	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct{ module, says string }{
			"unknown argument": {"resource \"terraform_data\" \"a\" {\n  inputt = 1\n}\n", "Unsupported argument"},
			"unknown name":     {"output \"x\" {\n  value = terraform_data.gone.id\n}\n", "Reference to undeclared resource"},
			"no HCL":           {"resource \"terraform_data\" \"a\" {\n", "Unclosed configuration block"},
		} {
			b := on(t, path, map[string]string{"main.tf": c.module})
			b.run("init", "-input=false", "-no-color")
			a := b.must(1, "validate", "-json", "-no-color")
			require.Contains(t, a.out, c.says, name)
			require.Contains(t, a.out, `"filename": "main.tf"`, name)
		}
		b := on(t, path, map[string]string{"main.tf": "terraform {\n  required_providers {\n    x = { source = \"nobody.invalid/acme/x\" }\n  }\n}\nresource \"terraform_data\" \"a\" {}\n"})
		require.Contains(t, b.must(1, "init", "-input=false", "-no-color").err, "nobody.invalid/acme/x")
		b = on(t, path, map[string]string{"main.tf": "variable \"a\" {\n  type = number\n}\n"})
		b.init()
		require.Contains(t, b.must(1, "plan", "-input=false", "-no-color").err, "No value for required variable")
		require.Contains(t, b.must(1, "plan", "-input=false", "-no-color", "-var=a=word").err, "Invalid value for")
		b = on(t, path, map[string]string{"main.tf": "variable \"a\" {\n  sensitive = true\n  default = \"x\"\n}\noutput \"a\" { value = var.a }\n"})
		b.init()
		require.Contains(t, b.must(1, "plan", "-input=false", "-no-color").err, "Output refers to sensitive values")
	})

	t.Run("lock", func(t *testing.T) {
		t.Parallel()
		b := on(t, path, files)
		b.init()
		b.server.with(func() {
			b.server.lock = []byte(`{"ID": "lock-1", "Operation": "OperationTypeApply", "Who": "run-0", "Created": "2026-01-02T03:04:05Z"}`)
		})
		a := b.must(1, "plan", "-input=false", "-no-color", vars)
		require.Contains(t, a.err, "Error acquiring the state lock")
		require.Contains(t, a.err, "lock-1")
	})

	t.Run("token that is not good", func(t *testing.T) {
		t.Parallel()
		b := on(t, path, files)
		b.env["TF_HTTP_PASSWORD"] = "another"
		require.Contains(t, b.must(1, "init", "-input=false", "-no-color").err, "HTTP remote state endpoint requires auth")
	})

	t.Run("state that cannot be written", func(t *testing.T) {
		t.Parallel()
		b := on(t, path, files)
		b.init()
		b.plan(2, vars)
		b.server.with(func() { b.server.broken = true })
		log := lines(t, b.must(1, "apply", "-json", "-input=false", "-no-color", "plan.bin").out)
		require.Empty(t, log["change_summary"])
		require.FileExists(t, b.dir+"/errored.tfstate")
	})

	t.Run("refresh only", func(t *testing.T) {
		t.Parallel()
		b := on(t, path, files)
		b.init()
		b.plan(2, vars)
		b.must(0, "apply", "-json", "-input=false", "-no-color", "plan.bin")
		p := b.plan(0, vars, "-refresh-only")
		require.Empty(t, p.ResourceDrift)
		require.Empty(t, changing(p))
	})

	t.Run("import", func(t *testing.T) {
		t.Parallel()
		b := on(t, path, files)
		b.init()
		b.must(0, "import", "-input=false", "-no-color", vars, "terraform_data.first", "it-was-there")
		require.Equal(t, "it-was-there", b.server.content(t).Resources[0].Instances[0].Attributes["id"])
		p := b.plan(2, vars)
		require.True(t, p.ResourceChanges[0].Change.Actions.Update())
	})
}

func changing(p *tfjson.Plan) (all []string) {
	for _, c := range p.ResourceChanges {
		if !c.Change.Actions.NoOp() {
			all = append(all, c.Address)
		}
	}
	return all
}
