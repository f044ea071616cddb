package sentence_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/events/sentence"
)

func example(t *testing.T, eventType string) events.Event {
	t.Helper()
	raws, err := events.ReleasedExamples(eventType)
	require.NoError(t, err)
	var e events.Event
	require.NoError(t, e.UnmarshalJSON(raws[0]))
	return e
}

func TestOf_EachPublicTypeOfOurs_HasASentenceOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, d := range catalogue.All() {
		if d.Route != events.Public {
			continue
		}
		e := example(t, d.Type)
		said := sentence.Of(e)
		e.DataEncoded = nil // then only the plain sentence is left
		require.NotEqual(t, sentence.Of(e), said, "%s has no sentence: add one to ours.go", d.Type)
	}
}

func TestOf_TheStoryOfADeployment_ReadsWell(t *testing.T) {
	t.Parallel()
	for eventType, want := range map[string]string{
		"dev.slipway.gateway.delivery.recorded.v1":          "github delivered workflow_run completed for commit 5f2b8f3ce3a4",
		"dev.cdevents.pipelinerun.finished.0.3.0":           "pipeline ci finished with outcome success for commit 5f2b8f3ce3a4",
		"dev.cdevents.artifact.published.0.3.0":             "artifact orders:5f2b8f3ce3a4 was published",
		"dev.slipway.deployer.deployment.requested.v1":      "deployment of orders:5f2b8f3ce3a4 to dev was requested by a pipeline",
		"dev.slipway.policy.decision.made.v1":               "policy denies the deploy of dev/orders (production is not changed on Fridays)",
		"dev.cdevents.environment.created.0.3.0":            "environment dev was created",
		"dev.slipway.provisioner.resource.provisioned.v1":   "resource cache (redis) was provisioned in dev by local-redis",
		"dev.cdevents.service.upgraded.0.3.0":               "orders was upgraded in dev to orders@5f2b8f3ce3a4",
		"dev.slipway.deployer.deployment.succeeded.v1":      "orders:5f2b8f3ce3a4 runs in dev at http://orders.dev.shop.localhost:8088 (2.1 s)",
		"dev.slipway.deployer.deployment.failed.v1":         "deployment of orders:5f2b8f3ce3a4 to dev failed at verify: orders did not become ready within 10s: readiness probe GET /healthz answered 500 (undone: start and resources)",
		"dev.slipway.provisioner.environment.rolledback.v1": "environment pr-42 was rolled back: resource-bucket failed: resource bucket: the S3 server exited at once: address already in use (undone: resource-queue and resource-cache)",
		"dev.slipway.provisioner.saga.parked.v1":            "environment of pr-42 is stuck at undo of step resource-bucket and needs a person: bucket pr-42-uploads is not empty (empty the bucket, then: slipway saga retry env-3h7x1p)",
	} {
		require.Equal(t, want, sentence.Of(example(t, eventType)))
	}
}

func TestOf_TheRunsOfAnEngine_SayWhatTheyWaitForAndWhatTheyLeft(t *testing.T) {
	t.Parallel()
	for eventType, want := range map[string]string{
		"dev.slipway.provisioner.run.planned.v1":  "run run-01jd8x of stack shop.dev.s3.default.orders plans to add 2, change 0, replace 1 and destroy 1 and waits for an approval",
		"dev.slipway.provisioner.run.finished.v1": "run run-01jd8x of stack shop.dev.s3.default.orders ended failed as user:default/grace approved because terraform_data.key: local-exec: exit status 1 (made: terraform_data.bucket) (unresolved: terraform_data.key)",
		"dev.slipway.policy.decision.made.v1":     "policy denies the plan of shop.production.s3.default.orders/run-01jd8x (terraform_data.old: nothing of production is destroyed but by a destroy run)",
	} {
		raws, err := events.ReleasedExamples(eventType)
		require.NoError(t, err)
		var e events.Event
		require.NoError(t, e.UnmarshalJSON(raws[1]))
		require.Equal(t, want, sentence.Of(e))
	}
}

func TestOf_ReasonOfSeveralLinesAndPurlWithQualifiers_StayOneShortSentence(t *testing.T) {
	t.Parallel()
	e := example(t, "dev.slipway.deployer.deployment.failed.v1")
	e.DataEncoded = []byte(`{"workload":"orders","environment":"dev","step":"verify","reason":"it is not ready\norders | line one\n"}`)
	require.Equal(t, "deployment of orders to dev failed at verify: it is not ready", sentence.Of(e))
	e = example(t, "dev.cdevents.service.deployed.0.3.0")
	e.DataEncoded = []byte(`{"subject":{"id":"orders","content":{"artifactId":"pkg:generic/orders@1.4.0?checksum=sha256:abc","environment":{"id":"dev"}}}}`)
	require.Equal(t, "orders was deployed to dev as orders@1.4.0", sentence.Of(e))
}

func TestOf_UnknownOrBrokenEvent_IsToldByItsAttributes(t *testing.T) {
	t.Parallel()
	e := example(t, "dev.slipway.deployer.deployment.failed.v1")
	e.SetType("dev.slipway.deployer.deployment.failed.v7")
	require.Equal(t, "deployer deployment failed: dev/orders", sentence.Of(e))
	e.SetType("com.acme.built")
	require.Equal(t, "com.acme.built: dev/orders", sentence.Of(e))
	e.SetType("dev.cdevents.taskrun.started.0.3.0")
	require.Equal(t, "taskrun started: dev/orders", sentence.Of(e))
	e.DataEncoded = []byte("{")
	e.SetType("dev.cdevents.service.deployed.0.3.0")
	require.Equal(t, "service deployed: dev/orders", sentence.Of(e))
}
