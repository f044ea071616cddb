package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/leftovers"
	"github.com/slipway-idp/slipway/tests/openloop"
	"github.com/slipway-idp/slipway/tests/platform"
)

var orders = platform.Host("orders", "dev", "shop")

// chat is somebody's webhook, which hears what the notifier tells.
type chat struct {
	*httptest.Server
	messages chan string
}

func newChat(t *testing.T) *chat {
	t.Helper()
	c := &chat{messages: make(chan string, 1000)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.messages <- string(body)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *chat) await(t *testing.T, parts ...string) {
	t.Helper()
	var heard []string
	deadline := time.After(platform.Patience)
	for {
		select {
		case m := <-c.messages:
			heard = append(heard, m)
			all := true
			for _, part := range parts {
				all = all && strings.Contains(m, part)
			}
			if all {
				return
			}
		case <-deadline:
			require.FailNow(t, "chat was not told", "wanted %q, heard:\n%s", parts, strings.Join(heard, "\n"))
		}
	}
}

// deliver tells of a good build, expects it to be taken and returns its
// correlation id.
func deliver(t *testing.T, p *platform.Platform, commit string) string {
	t.Helper()
	status, body := p.Deliver("github", platform.Workflow(platform.Build{Repository: "orders", Commit: commit}, "delivery-"+commit))
	require.Equal(t, http.StatusAccepted, status, string(body))
	var taken struct{ CorrelationID string }
	require.NoError(t, json.Unmarshal(body, &taken))
	require.NotEmpty(t, taken.CorrelationID)
	return taken.CorrelationID
}

// deployed brings a release of orders to dev by a delivery, as CI does.
func deployed(t *testing.T, p *platform.Platform, commit, release string) {
	t.Helper()
	p.PushOrders(binaries, "shop", commit, release)
	deliver(t, p, commit)
	p.AwaitVersion(orders, release)
}

// event waits for a public event of a type about a subject that contains part.
func event(t *testing.T, p *platform.Platform, typePrefix, part string) map[string]any {
	t.Helper()
	var found map[string]any
	p.Await("an event "+typePrefix+" with "+part, func() bool {
		var page struct{ Items []json.RawMessage }
		err := p.Client().Do(p.Context(), client.Request{Path: "/events", Query: map[string][]string{"project": {"shop"}, "type": {typePrefix}}}, &page)
		if err != nil {
			return false
		}
		for _, raw := range page.Items {
			if strings.Contains(string(raw), part) {
				require.NoError(t, json.Unmarshal(raw, &found))
				return true
			}
		}
		return false
	})
	return found
}

const (
	commit1 = "1111111111111111111111111111111111111111"
	commit2 = "2222222222222222222222222222222222222222"
	commit3 = "3333333333333333333333333333333333333333"
)

// TestStory is not parallel: what it watches is time, too.
func TestStory_ActsOneToFourAndDown_AsTheProductPromises(t *testing.T) {
	chat := newChat(t)
	p := platform.New(t, binaries)
	nothing := leftovers.Take(t, t.TempDir(), 0)
	p.Start()
	p.ApplyShop(chat.URL)

	// Act 1: a signed webhook becomes a running workload on new resources.
	deployed(t, p, commit1, "v1")
	chat.await(t, "deployment.succeeded", "orders")

	// Act 2: v2 replaces v1, and up is restarted meanwhile; nobody notices.
	p.PushOrders(binaries, "shop", commit2, "v2")
	watch := openloop.Start(t, openloop.Config{Address: p.Ingress, Host: orders})
	require.NoError(t, watch.AwaitVersion("v1", platform.Patience))
	upgrade := deliver(t, p, commit2)
	p.Restart()
	require.NoError(t, watch.AwaitVersion("v2", platform.Patience))
	event(t, p, "dev.cdevents.service.upgraded.", "orders")
	p.Await("v1 to be drained and stopped", func() bool { return running(p) == 0 })
	report := watch.Stop()
	require.Empty(t, report.Failures)
	require.Positive(t, report.Answered["v1"])
	require.Positive(t, report.Answered["v2"])
	require.Greater(t, report.Streams, 2, "uploads and event streams that began on v1 and ended well")
	t.Logf("%d requests, by version %v, and %d streams", report.Sent, report.Answered, report.Streams)
	require.Equal(t, "v2", p.Version(orders))

	// Act 3: v3 never becomes ready; all that it brought goes again.
	p.PushOrders(binaries, "shop", commit3, "v3")
	settled := settle(t, p)
	require.GreaterOrEqual(t, len(settled.Processes), 5, "ingress, orders and what watches it, Redis, S3: %v", settled.Processes)
	require.GreaterOrEqual(t, len(settled.Ports), 4)
	require.NotEmpty(t, settled.Contents)
	deliver(t, p, commit3)
	failed := event(t, p, "dev.slipway.deployer.deployment.failed.", "orders")
	require.Contains(t, text(t, failed), "QUEUE_ADDR is no host:port", "the log line that says why")
	chat.await(t, "deployment.failed", "QUEUE_ADDR is no host:port")
	require.Equal(t, "v2", p.Version(orders))
	nothingLeft(t, p, settled)

	// Act 4: a preview whose third resource fails is undone.
	op := preview(t, p, "pr-42")
	require.Equal(t, client.StatusUndone, op.Status)
	nothingLeft(t, p, settled)
	rolledBack := event(t, p, "dev.slipway.provisioner.environment.rolledback.", "pr-42")
	require.NotEmpty(t, rolledBack)
	_, err := p.Client().Get(p.Context(), client.ProjectPath("shop", "environments", "pr-42"))
	require.True(t, client.IsNotFound(err), "%v", err)

	// A delivery that comes again is the same one, and has no second effect.
	published := eventCount(t, p)
	require.Equal(t, upgrade, deliver(t, p, commit2))
	require.Equal(t, published, eventCount(t, p))
	require.Equal(t, "v2", p.Version(orders))

	// Act 6: one timeline tells all of it, from the push to the traffic.
	timeline, err := p.Client().Get(p.Context(), client.PathOf("api", "v1", "timelines", upgrade))
	require.NoError(t, err)
	for _, part := range []string{
		"dev.cdevents.pipelinerun.finished.", "dev.cdevents.artifact.published.", "dev.slipway.deployer.deployment.requested.",
		"dev.slipway.policy.decision.made.", "dev.slipway.deployer.traffic.shifted.", "dev.cdevents.service.upgraded.",
	} {
		require.Contains(t, text(t, timeline), part)
	}

	// The end: down leaves no process and no port.
	p.Down()
	after := leftovers.Take(t, p.Dir, 0)
	require.Equal(t, nothing.Processes, after.Processes)
	require.Equal(t, nothing.Ports, after.Ports)
}

// settle looks at what there is once nothing moves any more: the release that
// was replaced has drained.
func settle(t *testing.T, p *platform.Platform) leftovers.Look {
	t.Helper()
	var last leftovers.Look
	p.Await("the replaced release to be gone", func() bool {
		now := leftovers.Take(t, p.Dir, p.PID())
		same := last.Processes != nil && len(leftovers.Difference(last, now)) == 0
		last = now
		if !same {
			<-time.After(time.Second)
		}
		return same && running(p) == 0
	})
	return last
}

// running counts the sagas that are not over.
func running(p *platform.Platform) int {
	page, err := p.Client().Sagas(context.Background(), client.SagaFilter{Project: "shop", Open: true})
	if err != nil {
		return -1
	}
	return len(page.Items)
}

// written is what orders itself writes while it is asked.
var written = []string{
	"+ content object of s3 ",
	"+ file provisioner/local/resources/shop.dev.orders.receipts.disk/data/",
	"+ file provisioner/local/resources/shop.dev.orders.cache/data/",
}

func nothingLeft(t *testing.T, p *platform.Platform, before leftovers.Look) {
	t.Helper()
	leftovers.RequireSame(t, before, func() leftovers.Look { return leftovers.Take(t, p.Dir, p.PID()) }, 15*time.Second, written...)
}

// preview asks for an environment whose third resource cannot be made, and
// waits for the end of it.
func preview(t *testing.T, p *platform.Platform, name string) client.Operation {
	t.Helper()
	op, err := p.Client().CreateEnvironment(p.Context(), "shop", previewRequest(name))
	require.NoError(t, err)
	op, err = p.Client().Wait(p.Context(), op.ID)
	require.NoError(t, err)
	return op
}

func previewRequest(name string) client.EnvironmentRequest {
	return client.EnvironmentRequest{Name: name, Type: "preview", TTL: "1h", Resources: map[string]client.Resource{
		"cache":    {Type: "redis"},
		"receipts": {Type: "s3"},
		"audit":    {Type: "queue", Class: "audit", Params: map[string]any{"bucket": "${resources.receipts.bucket}"}},
	}}
}

func text(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// problem is the problem document in an error of the client.
func problem(t *testing.T, err error) *client.Problem {
	t.Helper()
	var p *client.Problem
	require.True(t, errors.As(err, &p), "not a problem document: %v", err)
	require.NotEmpty(t, p.Type)
	require.NotEmpty(t, p.Title)
	return p
}
