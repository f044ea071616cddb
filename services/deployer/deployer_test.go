package deployer_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events/provisioner"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	deployerevents "github.com/slipway-idp/slipway/events/deployer"

	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/targettest"
)

func TestDeploy_FirstRelease_RunsWithItsResourcesAndTraffic(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	ref := p.push("1", "redis")
	d := p.ended(p.deploy(ref))
	require.Equal(t, "done", d.Outcome, d.Reason)
	require.Equal(t, "orders:1", d.Version)
	require.Equal(t, "http://orders.dev.shop.localhost:8088", d.URL)
	require.Equal(t, []string{"orders.1"}, p.machine.Existing())
	require.Equal(t, map[string]string{"NAME": "orders", "REDIS": "redis.local value of resource/dev/redis/password"}, p.machine.Variables("orders.1"))
	require.NotEmpty(t, p.ingress.backend("orders.dev.shop.localhost"))

	e := p.await("dev.cdevents.service.deployed.")
	fact, err := cdevents.ServiceDeployed.Decode(e)
	require.NoError(t, err)
	require.Equal(t, "dev", fact.Content.Environment.Id)
	require.True(t, strings.HasPrefix(fact.Content.ArtifactId, "pkg:generic/orders@1?checksum=sha256:"))
	require.Equal(t, events.Extension(e, "correlationid"), fact.ChainID)
	p.await(deployerevents.DeploymentRequested.Type())
	p.await(deployerevents.TrafficShifted.Type())
	p.await(deployerevents.DeploymentSucceeded.Type())
	// No secret value is in any event, and none is kept.
	for _, e := range p.events("evt.>") {
		require.NotContains(t, string(e.Data()), "value of")
	}
}

func TestDeploy_SecondRelease_ReplacesTheFirstOnceItIsDrained(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	one := p.ended(p.deploy(p.push("1", "redis")))
	before := p.ingress.backend("orders.dev.shop.localhost")
	p.ingress.set(before, 3)
	id := p.deploy(p.push("2", "redis", "bucket"))
	p.awaitStep(id, "retire", "doing")
	require.Equal(t, []string{"orders.1", "orders.2"}, p.machine.Existing(), "the old one finishes its requests")
	require.NotEqual(t, before, p.ingress.backend("orders.dev.shop.localhost"), "new requests go to the new one")
	p.ingress.set(before, 0)
	d := p.ended(id)
	require.Equal(t, "done", d.Outcome, d.Reason)
	require.Equal(t, one.Set, d.PreviousSet)
	require.Equal(t, []string{"orders.2"}, p.machine.Existing())
	require.Eventually(t, func() bool {
		p.prov.mu.Lock()
		defer p.prov.mu.Unlock()
		return len(p.prov.existing["redis"]) == 1 && len(p.prov.existing["bucket"]) == 1
	}, 10*time.Second, 5*time.Millisecond, "the first release's claim is released, the second's stays")
	p.await("dev.cdevents.service.upgraded.")
}

func TestDeploy_BrokenRelease_IsUndoneAndTrafficNeverLeft(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	one := p.ended(p.deploy(p.push("1", "redis")))
	before := p.ingress.backend("orders.dev.shop.localhost")
	p.machine.Behave = func(s target.Spec) targettest.Behaviour {
		if strings.HasSuffix(s.Name, ".2") {
			return targettest.ExitsAtOnce
		}
		return targettest.Good
	}
	d := p.ended(p.deploy(p.push("2", "redis", "queue")))
	require.Equal(t, "failed", d.Outcome)
	require.Contains(t, d.Reason, "exited with code 3")
	require.Contains(t, d.Reason, "orders.2 | config: DATABASE_URL is empty")
	require.Equal(t, []string{"orders.1"}, p.machine.Existing())
	require.Equal(t, []string{"redis"}, p.prov.resources(), "what the failed release alone brought is destroyed")
	require.Equal(t, before, p.ingress.backend("orders.dev.shop.localhost"))

	failed, err := deployerevents.DeploymentFailed.Decode(p.await(deployerevents.DeploymentFailed.Type()))
	require.NoError(t, err)
	require.Equal(t, "verify", failed.Step)
	require.Equal(t, []string{"config: DATABASE_URL is empty"}, failed.LogTail)
	require.Equal(t, one.Set, failed.PreviousSet)
	var undone []string
	for _, u := range failed.Undone {
		undone = append(undone, u.ID+": "+u.Result+": "+u.Undo)
	}
	require.Equal(t, []string{"verify: nothing-to-undo: nothing to undo", "start: undone: orders.2 stopped", "resources: undone: queue destroyed",
		"decide: nothing-to-undo: nothing to undo", "admit: undone: traffic never left " + one.Set[:6]}, undone)

	// The environment is as it was, and takes the next one.
	p.machine.Behave = nil
	again := p.ended(p.deploy(p.push("3", "redis")))
	require.Equal(t, "done", again.Outcome)
	require.Equal(t, one.Set, again.PreviousSet)
}

func TestDeploy_PolicyDenies_NothingIsTouched(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.policy.set("deny")
	d := p.ended(p.deploy(p.push("1", "redis")))
	require.Equal(t, "denied", d.Outcome)
	require.Equal(t, "denied by owners: orders has no owner", d.Reason)
	require.Empty(t, p.machine.Existing())
	require.Empty(t, p.prov.resources())
	require.Equal(t, 0, p.machine.Starts())
	input := p.policy.asked[0]["input"].(map[string]any)
	require.Equal(t, map[string]any{"name": "dev", "type": "development"}, input["environment"])
	require.Equal(t, "user:default/ada", input["actor"])
}

func TestDeploy_PolicyDoesNotAnswer_WaitsAndAsksAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.policy.set("")
	id := p.deploy(p.push("1"))
	require.Contains(t, p.awaitStep(id, "decide", "waiting"), "undecided")
	p.policy.set("allow")
	require.Equal(t, "done", p.ended(id).Outcome)
}

func TestDeploy_ResourceCannotBeMade_SaysWhichAndWhy(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.prov.fail = "queue"
	d := p.ended(p.deploy(p.push("1", "bucket", "queue")))
	require.Equal(t, "failed", d.Outcome)
	require.Equal(t, "queue: no definition matches", d.Reason)
	require.Empty(t, p.prov.resources())
}

func TestDeploy_SeveralInOneEnvironment_GoOneAtATimeInOrder(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.policy.set("")
	var ids []string
	for i := range 3 {
		ids = append(ids, p.deploy(p.push(fmt.Sprint(i))))
		if i > 0 {
			require.Contains(t, p.awaitStep(ids[i], "admit", "waiting"), fmt.Sprintf("waits for its turn in dev: %s is at work there, %d before this one", ids[0], i))
		} else {
			p.awaitStep(ids[0], "decide", "waiting")
		}
	}
	p.policy.set("allow")
	var sets []string
	for _, id := range ids {
		d := p.ended(id)
		require.Equal(t, "done", d.Outcome)
		if len(sets) > 0 {
			require.Equal(t, sets[len(sets)-1], d.PreviousSet)
		}
		sets = append(sets, d.Set)
	}
	require.Equal(t, []string{"orders.3"}, p.machine.Existing())
}

func TestDeploy_Recreate_StopsTheOldOneFirst(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ended(p.deploy(p.push("1")))
	recreate := map[string]any{"strategy": "recreate"}
	seen := make(chan []string, 10)
	p.machine.BeforeStart = func(s target.Spec) error {
		if s.Name == "orders.2" {
			seen <- p.machine.Existing()
		}
		return nil
	}
	require.Equal(t, "done", p.ended(p.deploy(p.push("2"), recreate)).Outcome)
	require.Empty(t, <-seen)
	require.Equal(t, []string{"orders.2"}, p.machine.Existing())

	// A broken one: the old one is started again.
	p.machine.Behave = func(s target.Spec) targettest.Behaviour {
		if s.Name == "orders.3" {
			return targettest.NeverReady
		}
		return targettest.Good
	}
	d := p.ended(p.deploy(p.push("3"), recreate))
	require.Equal(t, "failed", d.Outcome)
	require.Equal(t, []string{"orders.2"}, p.machine.Existing())
	require.NotEmpty(t, p.ingress.backend("orders.dev.shop.localhost"))
}

func TestRollback_AfterAnUpgrade_TheOlderSetIsCurrentAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	one := p.ended(p.deploy(p.push("1")))
	p.ended(p.deploy(p.push("2")))
	code, text := p.call("POST", project+"/deployments:rollback", map[string]any{"workload": "orders", "environment": "dev"})
	require.Equal(t, 202, code, text)
	var op struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(text), &op))
	d := p.ended(op.ID)
	require.Equal(t, "done", d.Outcome)
	require.Equal(t, one.Set, d.Set, "the same content is the same set")
	require.Equal(t, "orders:1", d.Version)
	p.await("dev.cdevents.service.rolledback.")

	code, text = p.call("POST", project+"/deployments:rollback", map[string]any{"workload": "orders", "environment": "dev", "to": "ffffff"})
	require.Equal(t, 422, code)
	require.Contains(t, text, `deployment set \"ffffff\" of dev`)
	code, text = p.call("POST", project+"/deployments:rollback", map[string]any{"workload": "nothing", "environment": "dev"})
	require.Equal(t, 422, code)
	require.Contains(t, text, "does not run in dev")
}

func TestDeploy_DryRun_ShowsPlanUndoAndDiffAndDoesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	one := p.ended(p.deploy(p.push("1")))
	p.push("2", "redis")
	code, text := p.call("POST", project+"/deployments", map[string]any{"workload": "orders", "environment": "dev", "artifact": "orders:2", "dryRun": true})
	require.Equal(t, 200, code, text)
	var plan struct {
		Summary, PreviousSet string
		Steps                []struct{ ID, Description, Undo string }
		Changes              []struct{ Workload, Field string }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &plan))
	require.Contains(t, plan.Summary, "(was "+one.Set[:6]+")")
	require.Len(t, plan.Steps, 8)
	require.Equal(t, "ensure redis", plan.Steps[2].Description)
	require.Equal(t, "stop the new instance and remove its folder", plan.Steps[3].Undo)
	require.Equal(t, "artifact", plan.Changes[0].Field)
	require.Equal(t, []string{"orders.1"}, p.machine.Existing())
	require.Empty(t, p.prov.resources())
	var asked struct{ Resources []provisioner.PlannedResource }
	require.NoError(t, json.Unmarshal([]byte(text), &asked))
	require.Len(t, asked.Resources, 1)
	require.Equal(t, "tofu: 1 to add for dpl-", asked.Resources[0].Summary, "the provisioner says what it would do")
	require.JSONEq(t, `[{"address":"a.b","action":"add"}]`, string(asked.Resources[0].Changes))
	require.Equal(t, "destroyed", asked.Resources[0].Undo)

	p.prov.fail = "redis"
	code, text = p.call("POST", project+"/deployments", map[string]any{"workload": "orders", "environment": "dev", "artifact": "orders:2", "dryRun": true})
	require.Equal(t, 200, code, "what else it would do is shown all the same")
	require.Contains(t, text, `"resourcesProblem":"/resources/redis: no definition matches redis"`)
}

func TestDeploy_ResourceMadeByAnEngine_SaysWhatItsRunDid(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.push("1", "bucket", "redis")
	id := p.deploy("orders:1")
	p.ended(id)
	var op struct{ Steps []struct{ ID, Note string } }
	p.get("/api/v1/operations/"+id, &op)
	require.Equal(t, "bucket created (local, 1 to add) · redis created (local)", op.Steps[2].Note)
}

func TestDeploy_BadRequests_SayWhatIsWrongAndDoNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.push("1")
	for says, body := range map[string]map[string]any{
		`"detail":"There is no artifact orders:9 in project shop; there are orders:1."`: {"workload": "orders", "environment": "dev", "artifact": "orders:9"},
		`there is no strategy \"rolling\"`:                                              {"workload": "orders", "environment": "dev", "artifact": "orders:1", "strategy": "rolling"},
		`\"Dev!\" is not a name`:                                                        {"workload": "orders", "environment": "Dev!", "artifact": "orders:1"},
		`is an artifact of workload \"orders\"`:                                         {"workload": "storefront", "environment": "dev", "artifact": "orders:1"},
		`unknown field \"enviroment\"`:                                                  {"workload": "orders", "enviroment": "dev"},
		`names no artifact: write NAME:VERSION`:                                         {"workload": "orders", "environment": "dev", "artifact": "orders"},
		`slipway artifact push DIR storefront:VERSION`:                                  {"workload": "storefront", "environment": "dev", "artifact": "storefront:1"},
		`is not a digest: sha256: and 64 hexadecimal digits`:                            {"workload": "orders", "environment": "dev", "artifact": "orders@sha256:12"},
	} {
		code, text := p.call("POST", project+"/deployments", body)
		require.GreaterOrEqual(t, code, 400)
		require.Less(t, code, 500, text)
		require.Contains(t, text, says)
	}
	require.Equal(t, 0, p.machine.Starts())
}

func TestDeploy_IngressTakesNoRoutes_TrafficIsPutBack(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ended(p.deploy(p.push("1")))
	before := p.ingress.backend("orders.dev.shop.localhost")
	p.ingress.mu.Lock()
	p.ingress.fails = 4 // as often as it is tried; then it can be put back
	p.ingress.mu.Unlock()
	d := p.ended(p.deploy(p.push("2")))
	require.Equal(t, "failed", d.Outcome)
	require.Contains(t, d.Reason, "the ingress does not answer")
	require.Equal(t, before, p.ingress.backend("orders.dev.shop.localhost"))
	require.Equal(t, []string{"orders.1"}, p.machine.Existing())
	fact, err := cdevents.ServiceRolledback.Decode(p.await("dev.cdevents.service.rolledback."))
	require.NoError(t, err)
	require.Equal(t, "orders:1", fact.Custom.Slipway.Version)
	var w struct{ Running []struct{ Instance string } }
	p.get(project+"/workloads/orders", &w)
	require.Equal(t, "orders.1", w.Running[0].Instance)
}

func TestEnvironmentDeleted_WhatRanThere_IsStopped(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ended(p.deploy(p.push("1")))
	draft, err := cdevents.EnvironmentDeleted.Draft("shop", "dev", cdevents.Fact[cdevents.EnvironmentDeletedContent]{
		Custom: cdevents.Custom{Slipway: &cdevents.Slipway{Project: "shop", Environment: "dev"}}})
	require.NoError(t, err)
	require.NoError(t, p.publish(draft))
	p.await("dev.cdevents.service.removed.")
	require.Eventually(t, func() bool {
		return len(p.machine.Existing()) == 0 && p.ingress.backend("orders.dev.shop.localhost") == ""
	}, 10*time.Second, 5*time.Millisecond)
	// And a new one begins from nothing.
	d := p.ended(p.deploy("orders:1"))
	require.Equal(t, "done", d.Outcome, d.Reason)
	require.Empty(t, d.PreviousSet)
}

func TestRestart_MachineLostEverything_WhatShouldRunIsStartedAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.ended(p.deploy(p.push("1", "redis")))
	p.crash()
	p.machine.Lose()
	p.start()
	require.Eventually(t, func() bool { return p.machine.Starts() == 2 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, []string{"orders.1"}, p.machine.Existing())
	require.Equal(t, "redis.local value of resource/dev/redis/password", p.machine.Variables("orders.1")["REDIS"], "secrets are asked for again")
	var w struct{ Running []struct{ State, URL string } }
	p.get(project+"/workloads/orders", &w)
	require.Equal(t, "ready", w.Running[0].State)
}
