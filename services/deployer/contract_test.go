package deployer_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/events/cdevents"
	deployerevents "github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/events/provisioner"

	"github.com/slipway-idp/slipway/services/deployer"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
	"github.com/slipway-idp/slipway/services/deployer/internal/pipeline"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/targettest"
)

// examples are all released ones of a type, decoded.
func examples[T any](t *testing.T, def interface {
	Type() string
	Decode(events.Event) (T, error)
}) []T {
	t.Helper()
	raws, err := events.ReleasedExamples(def.Type())
	require.NoError(t, err)
	require.NotEmpty(t, raws, def.Type())
	var out []T
	for _, raw := range raws {
		var e events.Event
		require.NoError(t, e.UnmarshalJSON(raw))
		data, err := def.Decode(e)
		require.NoError(t, err)
		out = append(out, data)
	}
	return out
}

func TestConsumed_ReleasedExamples_AreUnderstood(t *testing.T) {
	t.Parallel()
	for _, d := range examples(t, cdevents.ArtifactPublished) {
		require.True(t, pipeline.FromPurl(d.SubjectID) != "" || d.Custom.Slipway != nil, "%s names an artifact", d.SubjectID)
	}
	for _, d := range examples(t, deployerevents.StartPipeline) {
		require.NotEmpty(t, d.Artifact)
	}
	for _, d := range examples(t, deployerevents.ResumePipeline) {
		require.NotEmpty(t, d.PipelineRun)
	}
	for _, d := range examples(t, deployerevents.Deploy) {
		require.NotEmpty(t, d.Workload)
	}
	for _, d := range examples(t, deployerevents.ArtifactStored) {
		require.NotEmpty(t, d.Version)
	}
	examples(t, deployerevents.DeploymentSucceeded)
	examples(t, deployerevents.DeploymentFailed)
	for _, d := range examples(t, provisioner.ResourcesReady) {
		r, err := deployment.ReplyReady(d)
		require.NoError(t, err)
		require.NotEmpty(t, r.SagaID)
		require.Empty(t, r.Failed)
	}
	for _, d := range examples(t, provisioner.ResourcesFailed) {
		require.NotEmpty(t, deployment.ReplyFailed(d).Failed)
	}
	for _, d := range examples(t, provisioner.ResourcesReleased) {
		require.NotEmpty(t, deployment.ReplyReleased(d).Note)
	}
	examples(t, cdevents.EnvironmentCreated)
	examples(t, cdevents.EnvironmentModified)
	examples(t, cdevents.EnvironmentDeleted)
}

func TestPublished_EveryEventOfAStory_FitsItsSchemaAndIsOneStory(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.apply(pipelineText)
	p.announce("orders:1", "https://github.com/acme/orders", "1")
	p.awaitRun("waiting")
	p.push("1", "redis")
	p.awaitRun("done")
	p.ended(p.deploy(p.push("2", "redis")))
	p.machine.Behave = func(target.Spec) targettest.Behaviour { return targettest.ExitsAtOnce }
	p.ended(p.deploy(p.push("3", "redis")))
	p.machine.Behave = nil
	p.await(deployerevents.DeploymentFailed.Type())

	v, err := catalogue.NewValidator()
	require.NoError(t, err)
	seen := map[string]int{}
	for _, subjects := range []string{"evt.>", "int.deployer.>"} {
		for _, e := range p.events(subjects) {
			require.NoError(t, v.Validate(e), "%s: %s", e.Type(), e.Data())
			require.NotEmpty(t, events.Extension(e, "correlationid"), e.Type())
			require.Equal(t, "/slipway/deployer", e.Source())
			seen[e.Type()]++
			if strings.Contains(string(e.Data()), `"commit":"1"`) {
				require.Equal(t, events.Correlation("https://github.com/acme/orders", "1"), events.Extension(e, "correlationid"), e.Type())
			}
		}
	}
	require.Equal(t, 3, seen[deployerevents.DeploymentRequested.Type()])
	require.Equal(t, 2, seen[deployerevents.DeploymentSucceeded.Type()])
	require.Equal(t, 1, seen[cdevents.ServiceDeployed.Type()])
	require.Equal(t, 1, seen[cdevents.ServiceUpgraded.Type()])
	require.Equal(t, 1, seen[deployerevents.DeploymentHeld.Type()])
	require.Equal(t, 2, seen[deployerevents.TrafficShifted.Type()])
}

func TestOpenAPI_EveryReadOperation_IsServed(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(deployer.OpenAPI(), &doc))
	p := newPlatform(t)
	p.apply(pipelineText)
	p.push("1")
	p.announce("orders:1", "https://github.com/acme/orders", "1")
	run := p.awaitRun("done")
	d := p.ended(run.Deployment)
	fill := strings.NewReplacer("{project}", "shop", "{name}", "orders", "{version}", "1", "{deployment}", run.Deployment,
		"{set}", d.Set[:8], "{workload}", "orders", "{pipeline}", "orders", "{run}", run.ID)
	for path, operations := range doc.Paths {
		if operations["get"] == nil {
			continue
		}
		target := fill.Replace(path)
		if strings.HasSuffix(path, "/logs") {
			target += "?environment=dev"
		}
		code, text := p.call(http.MethodGet, target, nil)
		require.Equal(t, 200, code, "%s: %s", target, text)
	}
	code, text := p.call(http.MethodGet, project+"/nothing", nil)
	require.Equal(t, 404, code, text)
	code, text = p.call(http.MethodDelete, project+"/workloads/orders", nil)
	require.Equal(t, 409, code, text)
	require.Contains(t, text, "runs in dev")
	code, _ = p.call(http.MethodDelete, project+"/pipelines/orders", nil)
	require.Equal(t, 204, code)
	code, _ = p.call(http.MethodDelete, project+"/pipelines/orders", nil)
	require.Equal(t, 404, code)
}
