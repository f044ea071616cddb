package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDeployDryRun_EnginePlansAResource_ShowsItsPlanAndUndo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/deployments", 200, `{"summary":"orders → dev    set e2d90a","steps":[
		{"id":"resources","description":"ensure bucket, receipt","undo":"release what this deployment alone brought"},
		{"id":"start","description":"start orders:2","undo":"stop it"}],
		"resources":[
			{"id":"reserve","kind":"reserve","title":"environment dev","undo":"the environment is gone"},
			{"id":"r-bucket","kind":"create-resource","title":"s3 bucket","action":"create","definition":"bucket-opentofu","driver":"opentofu","summary":"tofu: 1 to add","run":"run-1","undo":"destroyed",
			 "changes":[{"address":"terraform_data.bucket","type":"terraform_data","name":"bucket","action":"add","fields":[{"path":"input.key","after":"(secret)","sensitive":true}]}],"omitted":2},
			{"id":"r-receipt","kind":"create-resource","title":"key receipt","action":"unknown","summary":"known once what it needs is there: resource s3.bucket is not there","undo":"destroyed"},
			{"id":"r-old","kind":"drop-resource","undo":"cannot be undone: it comes last"}]}`)
	code, out, errs := p.slipway(t, "deploy", "orders", "--env", "dev", "--dry-run")
	require.Zero(t, code, errs)
	require.Equal(t, `orders → dev    set e2d90a
STEP        DOES                     UNDO
resources   ensure bucket, receipt   release what this deployment alone brought
start       start orders:2           stop it

resources
RESOURCE      DOES                                                                 UNDO
s3 bucket     create: tofu: 1 to add                                               destroyed
key receipt   known once what it needs is there: resource s3.bucket is not there   destroyed
r-old         let go of it: nobody else, and it is destroyed                       cannot be undone: it comes last

s3 bucket   by bucket-opentofu   tofu: 1 to add   undo: destroyed
  +   terraform_data.bucket
        input.key  (secret)
  and 2 more resources
  slipway run show run-1
Nothing was changed: this was a dry run.
`, out)
}

func TestEnvCreateDryRun_EnginePlansAResource_ShowsItsPlan(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/environments", 200, `{"environment":"pr-1","project":"shop","steps":[
		{"id":"reserve","kind":"reserve","title":"environment pr-1","undo":"the environment is gone"},
		{"id":"r-bucket","kind":"create-resource","title":"s3 bucket","action":"create","definition":"bucket-opentofu","summary":"tofu: 1 to add","run":"run-1","undo":"destroyed",
		 "changes":[{"address":"terraform_data.bucket","type":"terraform_data","name":"bucket","action":"add"}]}]}`)
	code, out, errs := p.slipway(t, "env", "create", "pr-1", "--type", "preview", "--dry-run")
	require.Zero(t, code, errs)
	require.Contains(t, out, "s3 bucket          create: tofu: 1 to add   destroyed\n")
	require.Contains(t, out, "  +   terraform_data.bucket\n  slipway run show run-1\nNothing was changed")
}

func TestDeployDryRun_ResourcesCannotBeMade_SaysWhy(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/deployments", 200, `{"summary":"s","steps":[{"id":"start","description":"d","undo":"u"}],"resourcesProblem":"no definition matches redis"}`)
	_, out, _ := p.slipway(t, "deploy", "orders", "--env", "dev", "--dry-run")
	require.Contains(t, out, "✗ resources    no definition matches redis\n")
}
