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
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

func undone(d pe.EnvironmentRolledBackData) []string {
	var out []string
	for _, st := range d.Steps {
		out = append(out, st.ID)
	}
	return out
}

func TestCreate_ThreeResources_AreThereWithOutputsHandedOn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	op := p.preview("pr-42", "cache:redis", "bucket:s3", "queue")
	require.Equal(t, saga.Done, p.end(op.ID).Status)
	require.Equal(t, []string{"shop.pr-42.bucket", "shop.pr-42.cache", "shop.pr-42.queue"}, p.Driver.Existing())
	require.Equal(t, map[string]any{
		"url":      "redis://shop.pr-42.cache.example",
		"password": "secret-of-shop.pr-42.cache", // a secret is handed on by name and shown to the driver alone
	}, p.Driver.Inputs("shop.pr-42.queue"))

	created := p.await("cdevents.environment.created", 1)
	require.Equal(t, "pr-42", created.Subject())
	require.Equal(t, "c0ffee", created.Extensions()["correlationid"])
	require.Equal(t, "user:default/ada", created.Extensions()["actor"])
	require.Len(t, p.all("resource.provisioned"), 3)
	require.Contains(t, p.secrets(), "resource/pr-42/cache/password")

	var env struct {
		Status    string
		Type      string
		ExpiresAt time.Time
		Resources []struct {
			Name      string
			Status    string
			Outputs   map[string]any
			DependsOn []string
		}
	}
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/environments/pr-42", nil, &env)
	require.Equal(t, "ready", env.Status)
	require.WithinDuration(t, time.Now().Add(48*time.Hour), env.ExpiresAt, time.Minute)
	require.Len(t, env.Resources, 3)
	require.Equal(t, map[string]any{"secretRef": "resource/pr-42/cache/password"}, env.Resources[1].Outputs["password"])
	require.Equal(t, []string{"cache"}, env.Resources[2].DependsOn)
	for _, e := range p.all("") {
		require.NotContains(t, string(e.Data()), "secret-of-")
	}
	require.NotContains(t, p.logged(), "secret-of-")
}

func TestCreate_ThirdResourceFails_FirstTwoAreUndone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	// The queue comes after the cache; the bucket stands by itself.
	p.Driver.FailHalf("apply", ".queue", errors.New("no room for a queue"), -1)
	op := p.end(p.preview("pr-42", "cache:redis", "bucket:s3", "queue").ID)
	require.Equal(t, saga.Undone, op.Status)
	require.Contains(t, op.Failure.Reason, "no room for a queue")
	require.Empty(t, p.Driver.Existing(), "the half-made one is destroyed too")
	require.Empty(t, p.environments())
	require.Empty(t, p.secrets())

	d := data(t, p.await("environment.rolledback", 1), pe.EnvironmentRolledBack)
	require.Equal(t, "queue", d.FailedStep)
	require.Equal(t, "pr-42", d.Environment)
	require.Equal(t, "preview", d.Type)
	steps := undone(d)
	require.ElementsMatch(t, []string{"queue", "cache", "bucket", "reserve"}, steps)
	require.Equal(t, "reserve", steps[3])
	require.Less(t, indexOf(steps, "queue"), indexOf(steps, "cache"), "undone against the order of dependence")
	for _, st := range d.Steps[:3] {
		require.Equal(t, "destroyed", st.Undo, st.ID)
		require.Equal(t, "undone", st.Result)
	}
	require.Empty(t, p.all("environment.created"))
	require.Len(t, p.all("resource.destroyed"), 2, "the third was never said to be there")

	// And it can be asked for again.
	p.Driver.Fail("apply", ".queue", nil, 0)
	require.Equal(t, saga.Done, p.end(p.preview("pr-42", "cache:redis", "bucket:s3", "queue").ID).Status)
}

func indexOf(list []string, s string) int {
	for i, one := range list {
		if one == s {
			return i
		}
	}
	return -1
}

func TestCreate_DriverFailsOnce_IsTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.Driver.Fail("apply", ".cache", errors.New("not now"), 1)
	require.Equal(t, saga.Done, p.end(p.preview("pr-1", "cache:redis").ID).Status)
}

func TestCreate_DriverSaysNever_IsNotTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.Driver.Fail("apply", ".cache", driver.Permanent(errors.New("never")), -1)
	require.Equal(t, saga.Undone, p.end(p.preview("pr-1", "cache:redis").ID).Status)
	require.Equal(t, []string{"apply shop.pr-1.cache", "destroy shop.pr-1.cache"}, p.Driver.Calls())
}

func TestCreate_KilledInEachStep_EndsDoneOrWithNothingLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operation, at string
		fails         bool
		want          saga.Status
	}{
		"while making the first":         {"apply", ".cache", false, saga.Done},
		"while making the last":          {"apply", ".queue", false, saga.Done},
		"while undoing the failing one":  {"destroy", ".queue", true, saga.Undone},
		"while undoing the first":        {"destroy", ".cache", true, saga.Undone},
		"while the failing one is asked": {"apply", ".queue", true, saga.Undone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			if c.fails {
				p.Driver.FailHalf("apply", ".queue", errors.New("no"), -1)
			}
			release := p.Driver.Block(c.operation, c.at)
			op := p.preview("pr-42", "cache:redis", "bucket:s3", "queue")
			p.entered(c.operation, c.at)
			p.Stop()
			release()
			p.Start()
			require.Equal(t, c.want, p.end(op.ID).Status)
			if c.want == saga.Undone {
				require.Empty(t, p.Driver.Existing())
				require.Empty(t, p.environments())
				require.Empty(t, p.secrets())
				p.await("environment.rolledback", 1)
				return
			}
			require.Len(t, p.Driver.Existing(), 3)
			p.await("environment.created", 1)
			require.Len(t, p.all("resource.provisioned"), 3)
		})
	}
}

func TestCreate_UndoFails_IsParkedInSightAndRetriedByAPerson(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.Driver.Fail("apply", ".queue", errors.New("no"), -1)
	p.Driver.Fail("destroy", ".cache", errors.New("will not go"), -1)
	op := p.end(p.preview("pr-42", "cache:redis", "queue").ID)
	require.EqualValues(t, "parked", op.Status)
	parked := data(t, p.await("saga.parked", 1), pe.SagaParked)
	require.Equal(t, "cache", parked.Step)
	require.Equal(t, "undo", parked.Direction)
	require.Contains(t, parked.Reason, "will not go")
	require.Equal(t, []string{"shop.pr-42.cache"}, p.Driver.Existing())

	p.refused(http.StatusConflict, http.MethodPost, "/api/v1/sagas/"+op.ID+"/skip", map[string]string{"step": "queue"})
	p.Driver.Fail("destroy", ".cache", nil, 0)
	p.ok(http.StatusAccepted, http.MethodPost, "/api/v1/sagas/"+op.ID+"/retry", map[string]string{}, nil)
	require.Equal(t, saga.Undone, p.end(op.ID).Status)
	require.Empty(t, p.Driver.Existing())
	resolved := data(t, p.await("saga.resolved", 1), pe.SagaResolved)
	require.Equal(t, "retried", resolved.Resolution)
	require.Equal(t, "user:default/ada", resolved.By)
}

func TestCreate_SameKeyTwice_IsOneEnvironment(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	body := map[string]any{"name": "pr-1", "type": "preview"}
	var first, second sagaapi.Operation
	p.ok(http.StatusAccepted, http.MethodPost, "/api/v1/projects/shop/environments", body, &first, "Idempotency-Key", "k1")
	p.end(first.ID)
	p.ok(http.StatusAccepted, http.MethodPost, "/api/v1/projects/shop/environments", body, &second, "Idempotency-Key", "k1")
	require.Equal(t, first.ID, second.ID)
	problem := p.refused(http.StatusConflict, http.MethodPost, "/api/v1/projects/shop/environments", body)
	require.Contains(t, problem.Detail, "there already")
}

func TestCreate_DryRun_TellsStepsAndUndoAndDoesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var plan struct {
		Steps []struct{ ID, Kind, Action, Definition, Driver, Undo string }
	}
	p.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/environments?dryRun=true",
		map[string]any{"name": "pr-1", "type": "preview", "resources": map[string]any{"cache": map[string]string{"type": "redis"}, "queue": map[string]string{"type": "queue"}}}, &plan)
	var ids []string
	for _, st := range plan.Steps {
		ids = append(ids, st.ID)
	}
	require.Equal(t, []string{"reserve", "cache", "queue", "settle"}, ids)
	require.Equal(t, "create", plan.Steps[1].Action)
	require.Equal(t, "plain-redis", plan.Steps[1].Definition)
	require.Equal(t, "destroyed", plan.Steps[1].Undo)
	require.Empty(t, p.Driver.Existing())
	require.Empty(t, p.environments())
}

func TestCreate_BadInput_IsAProblemWithoutEffect(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.applyOK("apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: twin}\nspec: {type: s3, driver: fake}\n")
	for name, c := range map[string]struct {
		status int
		body   map[string]any
		want   string
	}{
		"no type":       {400, map[string]any{"name": "pr-1"}, "no type is given"},
		"unknown type":  {404, map[string]any{"name": "pr-1", "type": "moon"}, "There is development, preview, production, staging"},
		"bad name":      {422, map[string]any{"name": "PR 1", "type": "preview"}, "lower case letters"},
		"ttl too long":  {400, map[string]any{"name": "pr-1", "type": "preview", "ttl": "90d"}, "at most"},
		"ttl nonsense":  {400, map[string]any{"name": "pr-1", "type": "preview", "ttl": "soon"}, "not a time span"},
		"unknown field": {422, map[string]any{"name": "pr-1", "typ": "preview"}, "typ"},
		"no match":      {422, map[string]any{"name": "pr-1", "type": "preview", "resources": need("db", "postgres", nil)}, "Considered: bucket (it is for type s3, not postgres)"},
		"tie":           {422, map[string]any{"name": "pr-1", "type": "preview", "resources": need("b", "s3", nil)}, "bucket and twin are equally good"},
		"cycle":         {422, map[string]any{"name": "pr-1", "type": "preview", "resources": need("cache", "redis", map[string]any{"x": "${resources.cache.host}"})}, "circle: cache → cache"},
		"missing param": {422, map[string]any{"name": "pr-1", "type": "preview", "resources": map[string]any{"c": map[string]any{"type": "redis", "class": "sized"}}}, "gives no param size"},
	} {
		problem := p.refused(c.status, http.MethodPost, "/api/v1/projects/shop/environments", c.body)
		require.Contains(t, problem.Error(), c.want, name)
	}
	for _, project := range []string{"org", "two%20words"} {
		p.refused(http.StatusBadRequest, http.MethodPost, "/api/v1/projects/"+project+"/environments", map[string]any{"name": "pr-1", "type": "preview"})
	}
	require.Empty(t, p.environments())
	require.Empty(t, p.Driver.Calls())
}

func need(name, typ string, params map[string]any) map[string]any {
	return map[string]any{name: map[string]any{"type": typ, "params": params}}
}

func TestCreate_FromAnother_IsMadeWithAllThatWasAskedOfItUnderItsOwnNames(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	const environments = "/api/v1/projects/shop/environments"
	var op sagaapi.Operation
	p.ok(http.StatusAccepted, http.MethodPost, environments,
		map[string]any{"name": "dev", "type": "development", "resources": need("cache", "redis", nil)}, &op)
	require.Equal(t, saga.Done, p.end(op.ID).Status)
	p.ensure(cmd("v1", resources{"receipts": {Type: "s3"}, "gone": {Type: "redis"}}))
	p.await("resources.ready", 1)
	p.ensure(cmd("v2", resources{"receipts": {Type: "s3"}, "cache": {Type: "redis", Class: "sized", Params: map[string]any{"size": 7}}}))
	p.await("resources.ready", 2)

	problem := p.refused(http.StatusNotFound, http.MethodPost, environments, map[string]any{"name": "copy", "from": "dve"})
	require.Contains(t, problem.Detail, "Did you mean dev?")

	var copied sagaapi.Operation
	p.ok(http.StatusAccepted, http.MethodPost, environments, map[string]any{"name": "copy", "from": "dev"}, &copied)
	require.Equal(t, saga.Done, p.end(copied.ID).Status)
	var env struct {
		Type string
		Spec map[string]struct {
			Type, Class string
			Params      map[string]any
		}
	}
	p.ok(http.StatusOK, http.MethodGet, environments+"/copy", nil, &env)
	require.Equal(t, "development", env.Type)
	require.Len(t, env.Spec, 3, "what only the older set of the workload asked for is not in it")
	require.Equal(t, "redis", env.Spec["cache"].Type)
	require.Equal(t, "s3", env.Spec["receipts"].Type)
	require.Equal(t, "sized", env.Spec["orders-cache"].Class)
	require.Equal(t, map[string]any{"size": float64(7)}, env.Spec["orders-cache"].Params)
	require.Subset(t, p.Driver.Existing(), []string{"shop.copy.cache", "shop.copy.orders-cache", "shop.copy.receipts", "shop.dev.cache", "shop.dev.orders.receipts"})
}

func TestDelete_EverythingIsGoneInReverseOrder(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.end(p.preview("pr-42", "cache:redis", "bucket:s3", "queue").ID)
	release := p.Driver.Block("destroy", ".queue")
	var op sagaapi.Operation
	p.ok(http.StatusAccepted, http.MethodDelete, "/api/v1/projects/shop/environments/pr-42", nil, &op)
	status := func(step string) saga.StepStatus {
		p.ok(http.StatusOK, http.MethodGet, "/api/v1/operations/"+op.ID, nil, &op)
		for _, st := range op.Steps {
			if st.ID == step {
				return st.Status
			}
		}
		return ""
	}
	require.Eventually(t, func() bool { return status("bucket") == saga.StepDone }, 15*time.Second, 5*time.Millisecond)
	require.Equal(t, saga.StepPending, status("cache"), "the queue that uses it is still there")
	release()
	require.Equal(t, saga.Done, p.end(op.ID).Status)
	require.Empty(t, p.Driver.Existing())
	require.Empty(t, p.environments())
	require.Empty(t, p.secrets())
	p.await("environment.deleted", 1)
	p.refused(http.StatusNotFound, http.MethodDelete, "/api/v1/projects/shop/environments/pr-42", nil)
	require.Equal(t, saga.Done, p.end(p.preview("pr-42", "cache:redis").ID).Status, "the name is free again")
}

func TestDelete_KilledInTheMiddle_IsFinished(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.end(p.preview("pr-42", "cache:redis", "queue").ID)
	release := p.Driver.Block("destroy", ".cache")
	var op sagaapi.Operation
	p.ok(http.StatusAccepted, http.MethodDelete, "/api/v1/projects/shop/environments/pr-42", nil, &op)
	p.entered("destroy", ".cache")
	p.Stop()
	release()
	p.Start()
	require.Equal(t, saga.Done, p.end(op.ID).Status)
	require.Empty(t, p.Driver.Existing())
	p.await("environment.deleted", 1)
}

func TestExpiry_WarnedOnceThenDestroyed(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.end(p.preview("pr-42", "cache:redis").ID)
	p.forward(47*time.Hour + 30*time.Minute)
	d := data(t, p.await("environment.expiring", 1), pe.EnvironmentExpiring)
	require.Equal(t, "pr-42", d.Environment)
	require.Equal(t, "user:default/ada", d.Owner)
	p.restart()
	require.Equal(t, []string{"pr-42"}, p.environments())

	var env struct{ ExpiresAt time.Time }
	p.refused(http.StatusUnprocessableEntity, http.MethodPost, "/api/v1/projects/shop/environments/pr-42/extend", map[string]string{"ttl": "90d"})
	p.ok(http.StatusOK, http.MethodPost, "/api/v1/projects/shop/environments/pr-42/extend", map[string]string{"ttl": "24h"}, &env)
	require.WithinDuration(t, p.clock().Add(24*time.Hour), env.ExpiresAt, time.Minute)
	require.Len(t, p.all("environment.expiring"), 1, "it was said twice")
	p.forward(23*time.Hour + 30*time.Minute)
	p.await("environment.expiring", 2)
	p.forward(time.Hour)
	p.await("environment.deleted", 1)
	require.Empty(t, p.Driver.Existing())
	destroyed := data(t, p.await("resource.destroyed", 1), pe.ResourceDestroyed)
	require.Equal(t, "expired", destroyed.Reason)
	require.Eventually(t, func() bool { return len(p.environments()) == 0 }, 5*time.Second, 5*time.Millisecond)
}

func TestResourceDied_IsBroughtBack(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.end(p.preview("pr-42", "cache:redis").ID)
	p.Stop()
	p.Driver.Crash("shop.pr-42.cache")
	before := len(p.Driver.Calls())
	p.Start()
	require.Eventually(t, func() bool {
		calls := p.Driver.Calls()
		return len(calls) > before && calls[before] == "apply shop.pr-42.cache"
	}, 10*time.Second, 5*time.Millisecond)
	require.Empty(t, p.all("resource.changed"), "its outputs are as before")
}
