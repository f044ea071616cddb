package provisioner_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
)

type resources = map[string]pe.Resource

func cmd(claim string, r resources) pe.EnsureResourcesData {
	return pe.EnsureResourcesData{
		Request: pe.Request{SagaID: "dpl-" + claim, StepID: "resources", Attempt: 1, Direction: "do", Claim: claim},
		Project: "shop", Environment: "dev", EnvironmentType: "development", Workload: "orders", Resources: r,
	}
}

func (p *platform) ensure(c pe.EnsureResourcesData) {
	p.ask(pe.EnsureResources.Draft("shop", "dev/orders", c))
}

func (p *platform) release(claim string, attempt int) {
	p.ask(pe.ReleaseResources.Draft("shop", "dev/"+claim, pe.ReleaseResourcesData{
		Request: pe.Request{SagaID: "dpl-" + claim, StepID: "resources", Attempt: attempt, Direction: "undo", Claim: claim},
		Project: "shop", Environment: "dev", Reason: "the deployment failed",
	}))
}

func cacheAndBucket() resources { return resources{"cache": {Type: "redis"}, "receipts": {Type: "s3"}} }

func TestEnsure_EnvironmentThatIsNotThere_IsMadeAndOutputsAreHandedOver(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ensure(cmd("v1", cacheAndBucket()))
	ready := data(t, p.await("resources.ready", 1), pe.ResourcesReady)
	require.Equal(t, cmd("v1", nil).Request, ready.Request)
	require.Equal(t, "shop.dev.orders.cache.example", ready.Outputs["cache"]["host"])
	require.Equal(t, map[string]any{"secretRef": "resource/dev/orders.cache/password"}, ready.Outputs["cache"]["password"])
	require.Equal(t, []pe.ResourceChange{
		{Resource: "cache", Action: "created", Definition: "plain-redis", Driver: "fake"},
		{Resource: "receipts", Action: "created", Definition: "bucket", Driver: "fake"},
	}, ready.Changes)
	require.Equal(t, "c0ffee", p.await("environment.created", 1).Extensions()["correlationid"])
	require.Equal(t, []string{"dev"}, p.environments())
}

func TestEnsure_NextSetOfTheSameWorkload_SharesAndReleasesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ensure(cmd("v1", cacheAndBucket()))
	p.await("resources.ready", 1)
	p.ensure(cmd("v2", cacheAndBucket()))
	second := data(t, p.await("resources.ready", 2), pe.ResourcesReady)
	require.Equal(t, "unchanged", second.Changes[0].Action)

	p.release("v1", 1)
	released := data(t, p.await("resources.released", 1), pe.ResourcesReleased)
	require.Empty(t, released.Destroyed)
	require.Len(t, p.Driver.Existing(), 2)

	// v3 asks for one more, and is given up again.
	more := cacheAndBucket()
	more["queue"] = pe.Resource{Type: "queue"}
	p.ensure(cmd("v3", more))
	third := data(t, p.await("resources.ready", 3), pe.ResourcesReady)
	require.Equal(t, "created", third.Changes[1].Action)
	p.release("v3", 1)
	released = data(t, p.await("resources.released", 2), pe.ResourcesReleased)
	require.Equal(t, []string{"orders.queue"}, released.Destroyed)
	require.Equal(t, []string{"shop.dev.orders.cache", "shop.dev.orders.receipts"}, p.Driver.Existing())
	require.NotContains(t, p.secrets(), "resource/dev/orders.queue/password")
	require.Equal(t, []string{"dev"}, p.environments())
}

func TestRelease_TheClaimThatMadeTheEnvironmentAndNobodyElseUsesIt_TakesItAlong(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ensure(cmd("v1", cacheAndBucket()))
	p.await("resources.ready", 1)
	p.release("v1", 1)
	released := data(t, p.await("resources.released", 1), pe.ResourcesReleased)
	require.ElementsMatch(t, []string{"orders.cache", "orders.receipts"}, released.Destroyed)
	require.Empty(t, p.Driver.Existing())
	p.await("environment.deleted", 1)
	require.Empty(t, p.environments())
	require.Empty(t, p.secrets())
}

func TestEnsure_AfterItsRelease_IsRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.release("v1", 1) // the undo overtook the do
	require.Empty(t, data(t, p.await("resources.released", 1), pe.ResourcesReleased).Destroyed)
	p.ensure(cmd("v1", cacheAndBucket()))
	failed := data(t, p.await("resources.failed", 1), pe.ResourcesFailed)
	require.Contains(t, failed.Reason, "was released")
	require.Empty(t, p.Driver.Calls())
	require.Empty(t, p.environments())
	p.restart()
	late := cmd("v1", cacheAndBucket())
	late.Attempt = 2
	p.ensure(late)
	p.await("resources.failed", 2)
	require.Empty(t, p.Driver.Calls())
}

func TestRelease_WhileItsEnsureIsAtWork_TurnsItBackAndAnswersBoth(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	release := p.Driver.Block("apply", ".receipts")
	p.ensure(cmd("v1", cacheAndBucket()))
	p.entered("apply", ".receipts")
	p.release("v1", 1)
	released := data(t, p.await("resources.released", 1), pe.ResourcesReleased)
	release()
	require.Contains(t, released.Destroyed, "orders.cache")
	require.Contains(t, data(t, p.await("resources.failed", 1), pe.ResourcesFailed).Reason, "released")
	require.Empty(t, p.Driver.Existing())
	require.Empty(t, p.environments())
	require.Empty(t, p.all("resources.ready"))
}

func TestEnsure_ResourceFails_AnswersWithWhatWasUndone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.Driver.FailHalf("apply", ".receipts", errors.New("disk is full near secret-of-shop.dev.orders.receipts"), -1)
	p.ensure(cmd("v1", resources{"cache": {Type: "redis"}, "receipts": {Type: "s3"}}))
	failed := data(t, p.await("resources.failed", 1), pe.ResourcesFailed)
	require.Equal(t, "receipts", failed.Resource)
	require.Contains(t, failed.Reason, "disk is full")
	require.Len(t, failed.Undone, 2)
	require.Empty(t, p.Driver.Existing())
	require.Empty(t, p.environments())
	d := data(t, p.await("environment.rolledback", 1), pe.EnvironmentRolledBack)
	require.Equal(t, "orders.receipts", d.FailedStep)

	// The asker's next attempt is a new try.
	p.Driver.Fail("apply", ".receipts", nil, 0)
	again := cmd("v1", cacheAndBucket())
	again.Attempt = 2
	p.ensure(again)
	require.Equal(t, 2, data(t, p.await("resources.ready", 1), pe.ResourcesReady).Attempt)
}

func TestEnsure_AskedAgain_JoinsWhatIsAtWorkAndAnswersTheLastAttempt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	release := p.Driver.Block("apply", ".cache")
	p.ensure(cmd("v1", cacheAndBucket()))
	p.entered("apply", ".cache")
	again := cmd("v1", cacheAndBucket())
	again.Attempt = 2
	p.ensure(again)
	p.ensure(cmd("other", resources{"x": {Type: "nonsense"}})) // in order behind it: once answered, the other was taken
	p.await("resources.failed", 1)
	release()
	require.Equal(t, 2, data(t, p.await("resources.ready", 1), pe.ResourcesReady).Attempt)
	again.Attempt = 3
	p.ensure(again)
	third := data(t, p.await("resources.ready", 2), pe.ResourcesReady)
	require.Equal(t, 3, third.Attempt)
	require.Equal(t, "unchanged", third.Changes[0].Action)
	require.Len(t, p.all("resources.ready"), 2)
}

func TestEnsure_NobodyMakesIt_SaysWhichDefinitionsWereConsidered(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ensure(cmd("v1", resources{"db": {Type: "postgres"}}))
	failed := data(t, p.await("resources.failed", 1), pe.ResourcesFailed)
	require.Equal(t, "db", failed.Resource)
	require.Contains(t, failed.Reason, "Considered: bucket (it is for type s3, not postgres)")
	require.Empty(t, p.environments())
}

func TestEnsure_OtherParamsOfASharedResource_ArePutBackWhenGivenUp(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	sized := func(size string) resources {
		return resources{"cache": {Type: "redis", Class: "sized", Params: map[string]any{"size": size}}}
	}
	p.ensure(cmd("v1", sized("small")))
	p.await("resources.ready", 1)
	p.ensure(cmd("v2", sized("big")))
	require.Equal(t, "changed", data(t, p.await("resources.ready", 2), pe.ResourcesReady).Changes[0].Action)
	require.Equal(t, "big", p.Driver.Inputs("shop.dev.orders.cache")["size"])
	require.Equal(t, []string{"size"}, data(t, p.await("resource.changed", 1), pe.ResourceChanged).Changed)
	p.release("v2", 1)
	p.await("resources.released", 1)
	require.Equal(t, "small", p.Driver.Inputs("shop.dev.orders.cache")["size"])

	// And within one saga: the next step fails after the change.
	p.Driver.Fail("apply", ".receipts", errors.New("no"), -1)
	both := sized("huge")
	both["receipts"] = pe.Resource{Type: "s3", Params: map[string]any{"after": "${resources.cache.host}"}}
	p.ensure(cmd("v3", both))
	p.await("resources.failed", 1)
	require.Equal(t, "small", p.Driver.Inputs("shop.dev.orders.cache")["size"])
	require.Equal(t, []string{"shop.dev.orders.cache"}, p.Driver.Existing())
}

func TestEnsure_SharedById_OutlivesOneOfItsUsers(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	shared := resources{"store": {Type: "redis", ID: "one"}}
	a, b := cmd("a", shared), cmd("b", shared)
	b.Workload = "storefront"
	p.ensure(a)
	p.ensure(b)
	p.await("resources.ready", 2)
	require.Equal(t, []string{"shop.dev.shared.redis.one"}, p.Driver.Existing())
	p.release("a", 1)
	p.await("resources.released", 1)
	require.Equal(t, []string{"shop.dev.shared.redis.one"}, p.Driver.Existing())
	p.release("b", 1)
	p.await("resources.released", 2)
	require.Empty(t, p.Driver.Existing())
}

func TestEnsure_KilledAtEachMoment_EndsReadyOnce(t *testing.T) {
	t.Parallel()
	for _, at := range []string{".cache", ".receipts"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			release := p.Driver.Block("apply", at)
			p.ensure(cmd("v1", cacheAndBucket()))
			p.entered("apply", at)
			p.Stop()
			release()
			p.Start()
			p.await("resources.ready", 1)
			p.await("environment.created", 1)
			require.Len(t, p.Driver.Existing(), 2)
			require.Len(t, p.all("resource.provisioned"), 2)
			require.Len(t, p.all("environment.created"), 1)
		})
	}
}

func TestRelease_KilledWhileDestroying_IsFinishedAndAnsweredOnce(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ensure(cmd("v1", cacheAndBucket()))
	p.await("resources.ready", 1)
	release := p.Driver.Block("destroy", ".cache")
	p.release("v1", 1)
	p.entered("destroy", ".cache")
	p.Stop()
	release()
	p.Start()
	released := data(t, p.await("resources.released", 1), pe.ResourcesReleased)
	require.Len(t, released.Destroyed, 2)
	require.Empty(t, p.Driver.Existing())
	p.await("environment.deleted", 1)
	require.Len(t, p.all("resource.destroyed"), 2)
	require.Len(t, p.all("resources.released"), 1)
}

func TestDelete_WhileAWorkloadRuns_NeedsForceAndFencesItsClaim(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ensure(cmd("v1", cacheAndBucket()))
	p.await("resources.ready", 1)
	require.Eventually(t, func() bool {
		var page struct{ Items []sagaapi.Operation }
		p.ok(http.StatusOK, http.MethodGet, "/api/v1/sagas?open=true", nil, &page)
		return len(page.Items) == 0
	}, 5*time.Second, 5*time.Millisecond)
	problem := p.refused(http.StatusConflict, http.MethodDelete, "/api/v1/projects/shop/environments/dev", nil)
	require.Contains(t, problem.Detail, "workload orders runs in environment dev")
	var op sagaapi.Operation
	p.ok(http.StatusAccepted, http.MethodDelete, "/api/v1/projects/shop/environments/dev?force=true", nil, &op)
	require.Equal(t, saga.Done, p.end(op.ID).Status)
	require.Empty(t, p.Driver.Existing())
	p.release("v1", 1)
	require.Empty(t, data(t, p.await("resources.released", 1), pe.ResourcesReleased).Destroyed)
}

func TestProtected_IsKeptOnReleaseAndRefusedOnDelete(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.applyOK("apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: kept}\nspec: {type: volume, driver: fake, protect: true}\n")
	p.ensure(cmd("v1", resources{"disk": {Type: "volume"}}))
	p.await("resources.ready", 1)
	p.release("v1", 1)
	require.Empty(t, data(t, p.await("resources.released", 1), pe.ResourcesReleased).Destroyed)
	require.Equal(t, []string{"shop.dev.orders.disk"}, p.Driver.Existing())
	require.Equal(t, []string{"dev"}, p.environments())
	problem := p.refused(http.StatusConflict, http.MethodDelete, "/api/v1/projects/shop/environments/dev", nil)
	require.Contains(t, problem.Detail, "protected by definition kept")
}
