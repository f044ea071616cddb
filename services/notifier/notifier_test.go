package notifier_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/deployer"
	notifierevents "github.com/slipway-idp/slipway/events/notifier"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/service/servicetest"

	"github.com/slipway-idp/slipway/services/notifier"
)

const patience = 20 * time.Second

// platform is the notifier under test, and the deployer that it tells about.
type platform struct {
	*servicetest.Platform
	deployer *servicetest.Peer
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	return newImpatientPlatform(t, 10*time.Second)
}

// newImpatientPlatform has a notifier that waits no longer for an answer.
func newImpatientPlatform(t *testing.T, timeout time.Duration) *platform {
	t.Helper()
	p := servicetest.Start(t, notifier.Name, func(d service.Deps) (service.Service, error) {
		return notifier.New(notifier.Config{
			Deps: d, MaxAttempts: 3, Backoff: func(int) time.Duration { return 10 * time.Millisecond }, Timeout: timeout,
		})
	})
	return &platform{Platform: p, deployer: p.Peer("deployer")}
}

func (p *platform) publish(id string, drafts ...events.Draft) {
	p.T.Helper()
	p.deployer.Commit(id, events.Cause{CorrelationID: "story", Actor: "user:default/ada"}, drafts...)
}

func (p *platform) apply(out any, docs ...string) int {
	p.T.Helper()
	req := docapi.Request{Project: "shop"}
	for i, d := range docs {
		req.Documents = append(req.Documents, docapi.Raw{Source: "chat.yaml", Line: 1 + 20*i, Raw: d})
	}
	return p.Call("POST", "/documents/apply", req, out)
}

// tell sets up a channel and a route to it.
func (p *platform) tell(name, url, more string, prefixes ...string) {
	p.T.Helper()
	require.Equal(p.T, http.StatusOK, p.apply(nil, "apiVersion: slipway.dev/v1alpha1\nkind: Channel\nmetadata: {name: "+name+"}\nspec: {kind: webhook, url: '"+url+"'"+more+"}\n"))
	require.Equal(p.T, http.StatusOK, p.apply(nil, "apiVersion: slipway.dev/v1alpha1\nkind: NotificationRoute\nmetadata: {name: "+name+"}\nspec: {channel: "+name+", events: ["+strings.Join(prefixes, ", ")+"]}\n"))
}

type posted struct {
	Header http.Header
	Title  string
	Text   string
	Event  struct{ ID, Type, Subject, CorrelationID string }
}

// chat is a chat system: it keeps what it accepts, and answers as it is told.
type chat struct {
	*httptest.Server
	got chan posted

	mu      sync.Mutex
	refuses func(p posted) int // status; 0: accept
}

func newChat(t *testing.T) *chat {
	t.Helper()
	c := &chat{got: make(chan posted, 1000)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p posted
		_ = json.NewDecoder(r.Body).Decode(&p)
		p.Header = r.Header
		c.mu.Lock()
		refuses := c.refuses
		c.mu.Unlock()
		if refuses != nil {
			if status := refuses(p); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		c.got <- p
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *chat) refuse(f func(posted) int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuses = f
}

func (c *chat) await(t *testing.T) posted {
	t.Helper()
	select {
	case p := <-c.got:
		return p
	case <-time.After(patience):
		require.FailNow(t, "waited too long for a message")
		return posted{}
	}
}

func deployment(id, workload string) deployer.Deployment {
	return deployer.Deployment{Deployment: id, Project: "shop", Environment: "dev", Workload: workload, Version: workload + ":2", Artifact: workload + "@sha256:abc"}
}

func requested(t *testing.T, id, workload string) events.Draft {
	t.Helper()
	d, err := deployer.DeploymentRequested.Draft("shop", "dev/"+workload, deployer.DeploymentRequestedData{Deployment: deployment(id, workload)})
	require.NoError(t, err)
	return d
}

func succeeded(t *testing.T, id, workload string) events.Draft {
	t.Helper()
	d, err := deployer.DeploymentSucceeded.Draft("shop", "dev/"+workload, deployer.DeploymentSucceededData{Deployment: deployment(id, workload)})
	require.NoError(t, err)
	return d
}

func failed(t *testing.T, id, workload string) events.Draft {
	t.Helper()
	d, err := deployer.DeploymentFailed.Draft("shop", "dev/"+workload, deployer.DeploymentFailedData{
		Deployment: deployment(id, workload), Step: "verify", Reason: "it is not ready", LogTail: []string{"line one", "panic: no such host"},
	})
	require.NoError(t, err)
	return d
}

func upgraded(t *testing.T, id, workload string) events.Draft {
	t.Helper()
	d, err := cdevents.ServiceUpgraded.Draft("shop", "dev/"+workload, cdevents.Fact[cdevents.ServiceUpgradedContent]{
		Content: cdevents.ServiceUpgradedContent{ArtifactId: "pkg:generic/" + workload + "@2", Environment: &cdevents.Reference{Id: "dev"}},
		Custom:  cdevents.Custom{Slipway: &cdevents.Slipway{Workload: workload, Deployment: id}},
	})
	require.NoError(t, err)
	return d
}

type delivery struct {
	ID, Status, Route, EventType, Waiting string
	Attempts                              []struct {
		Status int
		Reason string
	}
}

func (p *platform) deliveries(query string) []delivery {
	p.T.Helper()
	var page struct{ Items []delivery }
	require.Equal(p.T, http.StatusOK, p.Call("GET", "/api/v1/projects/shop/deliveries"+query, nil, &page))
	return page.Items
}

// settled awaits that nothing is pending any more.
func (p *platform) settled(n int) []delivery {
	p.T.Helper()
	var all []delivery
	require.Eventually(p.T, func() bool {
		all = p.deliveries("")
		return len(all) == n && !slices.ContainsFunc(all, func(d delivery) bool { return d.Status == "pending" })
	}, patience, 5*time.Millisecond)
	return all
}

func TestNotify_DeploymentFails_ChatHearsReasonAndLog(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL+"/hook", "", "dev.slipway.deployer.deployment.")
	p.publish("a", failed(t, "dpl-1", "orders"))
	m := c.await(t)
	require.Equal(t, "Deployment failed: shop/dev/orders", m.Title)
	require.Equal(t, "Deployment of orders:2 to dev failed at verify: it is not ready.\nLast lines of its log:\n  line one\n  panic: no such host", m.Text)
	require.Equal(t, "story", m.Event.CorrelationID)
	require.Equal(t, "dev/orders", m.Event.Subject)
	require.Empty(t, m.Header.Get("Webhook-Signature"))
	all := p.settled(1)
	require.Equal(t, m.Header.Get("Webhook-Id"), all[0].ID)
	require.Equal(t, "delivered", all[0].Status)
	require.Equal(t, 200, all[0].Attempts[0].Status)
}

func TestNotify_SeveralEventsTellOneOutcome_OneMessage(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL, "", "dev.cdevents.service.", "dev.slipway.deployer.deployment.")
	p.publish("a", requested(t, "dpl-1", "orders"), succeeded(t, "dpl-1", "orders"), upgraded(t, "dpl-1", "orders"))
	p.publish("b", upgraded(t, "dpl-2", "orders"), succeeded(t, "dpl-2", "orders"), requested(t, "dpl-3", "orders"))
	require.Equal(t, "Deployment requested: shop/dev/orders", c.await(t).Title)
	require.Equal(t, "Deployed: shop/dev/orders", c.await(t).Title)
	require.Equal(t, "Deployed: shop/dev/orders", c.await(t).Title)
	require.Equal(t, "Deployment requested: shop/dev/orders", c.await(t).Title)
	p.settled(4)
	require.Empty(t, c.got)
}

func TestNotify_OutsiderStatesAnOutcome_SaysSoAndTakesNoFactsPlace(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL, "", "dev.cdevents.service.")
	p.publish("a", upgraded(t, "dpl-1", "orders").External(), upgraded(t, "dpl-1", "orders"))
	titles := []string{c.await(t).Title, c.await(t).Title}
	require.ElementsMatch(t, []string{"Deployed: shop/dev/orders (stated by /slipway/deployer)", "Deployed: shop/dev/orders"}, titles)
}

func TestNotify_EnvironmentOfTheRoute_OthersAreNotTold(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL, "", "dev.slipway.deployer.")
	require.Equal(t, http.StatusOK, p.apply(nil, "apiVersion: slipway.dev/v1alpha1\nkind: NotificationRoute\nmetadata: {name: production}\nspec: {channel: chat, events: [dev.slipway.], environments: [production]}\n"))
	p.publish("a", requested(t, "dpl-1", "orders"))
	c.await(t)
	require.Equal(t, "chat", p.settled(1)[0].Route)
}

func TestNotify_ChatIsDownForAWhile_ToldInOrderLater(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL, "", "dev.slipway.deployer.deployment.requested")
	var tries atomic.Int64
	c.refuse(func(posted) int {
		if tries.Add(1) <= 2 { // the first one, twice
			return http.StatusBadGateway
		}
		return 0
	})
	const n = 5
	for i := range n {
		p.publish("a", requested(t, "dpl-"+string(rune('0'+i)), "orders"))
	}
	for i := range n {
		var data struct {
			Event struct{ Data struct{ Deployment string } }
		}
		m := c.await(t)
		var one struct{ Body json.RawMessage }
		require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/projects/shop/deliveries/"+m.Header.Get("Webhook-Id"), nil, &one))
		require.NoError(t, json.Unmarshal(one.Body, &data))
		require.Equal(t, "dpl-"+string(rune('0'+i)), data.Event.Data.Deployment)
	}
	all := p.settled(n)
	require.Len(t, all[n-1].Attempts, 3)
	require.Equal(t, "answered 502 Bad Gateway", all[n-1].Attempts[0].Reason)
	require.Len(t, all[0].Attempts, 1)
}

func TestNotify_ChannelDoesNotAnswer_OthersAreNotHeldUp(t *testing.T) {
	t.Parallel()
	p, good, bad := newPlatform(t), newChat(t), newChat(t)
	stuck := make(chan struct{})
	release := sync.OnceFunc(func() { close(stuck) })
	t.Cleanup(release)
	entered := make(chan struct{}, 10)
	bad.refuse(func(posted) int { entered <- struct{}{}; <-stuck; return 0 })
	p.tell("bad", bad.URL, "", "dev.slipway.")
	p.tell("good", good.URL, "", "dev.slipway.")
	p.publish("a", requested(t, "dpl-1", "orders"))
	<-entered // the bad one holds its connection
	require.Equal(t, "Deployment requested: shop/dev/orders", good.await(t).Title)
	p.publish("b", requested(t, "dpl-2", "storefront"))
	require.Equal(t, "Deployment requested: shop/dev/storefront", good.await(t).Title)
	for _, d := range p.deliveries("?channel=bad") {
		require.Empty(t, d.Attempts, "the bad one has not answered yet")
	}
	release()
	p.settled(4)
}

func TestNotify_ChannelNeverAccepts_GivenUpWithAnEventThatOnlyOthersAreTold(t *testing.T) {
	t.Parallel()
	p, good, bad := newPlatform(t), newChat(t), newChat(t)
	bad.refuse(func(posted) int { return http.StatusServiceUnavailable })
	p.tell("bad", bad.URL, "", "dev.slipway.")
	p.tell("good", good.URL, "", "dev.slipway.notifier.")
	p.publish("a", requested(t, "dpl-1", "orders"))
	p.publish("b", requested(t, "dpl-2", "storefront"))
	for range 2 {
		m := good.await(t)
		require.True(t, strings.HasPrefix(m.Title, "Notifier delivery failed: shop/bad/dlv-"), m.Title)
		require.Contains(t, m.Text, "after 3 attempts: answered 503 Service Unavailable")
		require.Equal(t, "story", m.Event.CorrelationID)
	}
	p.settled(4)
	require.Len(t, p.deliveries("?channel=bad&status=failed"), 2)
}

func TestNotify_NoAnswerInTime_IsAFailedAttempt(t *testing.T) {
	t.Parallel()
	p, c := newImpatientPlatform(t, 100*time.Millisecond), newChat(t)
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	c.refuse(func(posted) int { <-stuck; return 0 })
	p.tell("chat", c.URL, "", "dev.slipway.deployer.")
	p.publish("a", requested(t, "dpl-1", "orders"))
	d := p.settled(1)[0]
	require.Equal(t, "failed", d.Status)
	require.Equal(t, "no answer in time", d.Attempts[0].Reason)
}

func TestNotify_GivenUpThenRetriedByAPerson_IsDelivered(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	c.refuse(func(posted) int { return http.StatusGone })
	p.tell("chat", c.URL, "", "dev.slipway.deployer.")
	p.publish("a", requested(t, "dpl-1", "orders"))
	d := p.settled(1)[0]
	require.Equal(t, "failed", d.Status)
	require.Len(t, d.Attempts, 1, "410 means: do not come again")
	c.refuse(nil)
	require.Equal(t, http.StatusAccepted, p.Call("POST", "/api/v1/projects/shop/deliveries/"+d.ID+"/retry", nil, nil))
	c.await(t)
	require.Equal(t, "delivered", p.settled(1)[0].Status)
	require.Equal(t, http.StatusConflict, p.Call("POST", "/api/v1/projects/shop/deliveries/"+d.ID+"/retry", nil, nil))
	require.Equal(t, http.StatusNotFound, p.Call("POST", "/api/v1/projects/other/deliveries/"+d.ID+"/retry", nil, nil))

	var seen notifierevents.DeliveryFailedData
	for stored, err := range p.Bus.Tail(t.Context(), bus.TailOptions{Subjects: []string{"evt.shop.dev.slipway.notifier.>"}}) {
		require.NoError(t, err)
		seen, err = notifierevents.DeliveryFailed.Decode(stored.Event)
		require.NoError(t, err)
		require.NotEmpty(t, events.Extension(stored.Event, events.ExtCausation))
		break
	}
	require.Equal(t, d.ID, seen.Delivery)
	require.Equal(t, "answered 410 Gone", seen.Reason)
}

func TestNotify_SignedChannel_WaitsForTheSecretAndSigns(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL, ", secretRef: chat-key", "dev.slipway.deployer.")
	p.publish("a", requested(t, "dpl-1", "orders"))
	require.Eventually(t, func() bool {
		all := p.deliveries("")
		return len(all) == 1 && all[0].Waiting != "" && len(all[0].Attempts) == 0
	}, patience, 5*time.Millisecond, "while nobody keeps secrets it waits, and that is no attempt")
	p.Background(func(ctx context.Context) error {
		return p.Bus.Serve(ctx, "rpc.secret.resolve", "provisioner", func(_ context.Context, raw []byte) ([]byte, error) {
			var q struct {
				Project, Service string
				Names            []string
			}
			if err := json.Unmarshal(raw, &q); err != nil || q.Project != "shop" || q.Service != "notifier" || q.Names[0] != "chat-key" {
				return []byte(`{"values":{},"missing":["?"]}`), nil
			}
			return []byte(`{"values":{"chat-key":"hush-hush"},"missing":[]}`), nil
		})
	})
	m := c.await(t)
	require.True(t, strings.HasPrefix(m.Header.Get("Webhook-Signature"), "v1,"))
	p.settled(1)
	var whole json.RawMessage
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/projects/shop/deliveries/"+m.Header.Get("Webhook-Id"), nil, &whole))
	require.NotContains(t, string(whole), "hush-hush")
}

func TestNotify_ServiceWasAway_TellsWhatHappenedMeanwhileOnce(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL, "", "dev.slipway.deployer.")
	p.publish("a", requested(t, "dpl-1", "orders"))
	c.await(t)
	p.settled(1)
	p.Stop()
	p.publish("a", succeeded(t, "dpl-1", "orders"))
	p.Start()
	require.Equal(t, "Deployed: shop/dev/orders", c.await(t).Title)
	p.settled(2)
	require.Empty(t, c.got)
}

func TestNotify_ChannelDeletedMeanwhile_DeliveryIsGivenUp(t *testing.T) {
	t.Parallel()
	p, c := newPlatform(t), newChat(t)
	p.tell("chat", c.URL, "", "dev.slipway.deployer.")
	require.Equal(t, http.StatusNoContent, p.Call("DELETE", "/api/v1/projects/shop/channels/chat", nil, nil))
	p.publish("a", requested(t, "dpl-1", "orders"))
	d := p.settled(1)[0]
	require.Equal(t, "failed", d.Status)
	require.Equal(t, "there is no channel chat any more", d.Attempts[0].Reason)
}

func TestDocuments_GoodOnes_AreCreatedUpdatedUnchanged(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	doc := "apiVersion: slipway.dev/v1alpha1\nkind: Channel\nmetadata: {name: chat}\nspec: {kind: webhook, url: 'https://chat.example.com/services/T0/geheim'}\n"
	result := func(d string) string {
		var a docapi.Applied
		require.Equal(t, http.StatusOK, p.apply(&a, d))
		return a.Results[0].Result
	}
	require.Equal(t, docapi.Created, result(doc))
	require.Equal(t, docapi.Unchanged, result(doc))
	require.Equal(t, docapi.Updated, result(strings.Replace(doc, "chat.example", "talk.example", 1)))
	var shown struct{ URL string }
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/projects/shop/channels/chat", nil, &shown))
	require.Equal(t, "https://talk.example.com/…", shown.URL, "a chat's address is a secret")
	var page struct{ Items []struct{ Name string } }
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/projects/shop/channels", nil, &page))
	require.Len(t, page.Items, 1)
	require.Equal(t, http.StatusNotFound, p.Call("GET", "/api/v1/projects/other/channels/chat", nil, nil))
}

func TestDocuments_Mistakes_AreAllToldWithTheirPlaces(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var problem httpapi.Problem
	require.Equal(t, http.StatusUnprocessableEntity, p.apply(&problem,
		"apiVersion: slipway.dev/v1alpha1\nkind: Channel\nmetadata: {name: chat}\nspec: {kind: webhook, url: 'https://x/y', secretref: a}\n",
		"apiVersion: slipway.dev/v1alpha1\nkind: Channel\nmetadata: {name: chat}\nspec: {kind: webhok, url: 'ftp://x/y'}\n",
		"apiVersion: slipway.dev/v1alpha1\nkind: Channel\nmetadata: {name: 'a b'}\nspec: {kind: webhook, url: 'https://u:p@x/y'}\n",
		"apiVersion: slipway.dev/v1alpha1\nkind: NotificationRoute\nmetadata: {name: r}\nspec: {channel: chat, events: ['dev.slipway.deployer.deploymnt.', deployer.deployment., 'dev.>', com.acme.built]}\n",
		"apiVersion: slipway.dev/v1alpha1\nkind: NotificationRoute\nmetadata: {name: r2}\nspec: {}\n"))
	var texts []string
	for _, f := range problem.Errors {
		texts = append(texts, f.String())
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{
		`chat.yaml:4:43: unknown field "secretref" (did you mean "secretRef"?)`,
		`unknown kind of channel "webhok"`,
		`messages cannot be posted to ftp addresses (use https or http)`,
		`the url has a user or password in it`,
		`"a b" is not a name`,
		`no event type begins with "dev.slipway.deployer.deploymnt."`,
		`did you mean "dev.slipway.deployer.deployment."?`,
		`"dev.>" is not the beginning of an event type`,
		`there is no channel "chat" in project shop`,
		`the route has no channel`, `the route names no events`,
	} {
		require.Contains(t, all, want)
	}
	require.NotContains(t, all, "com.acme.built", "outsiders have types of their own")
	var page struct{ Items []any }
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/projects/shop/channels", nil, &page))
	require.Empty(t, page.Items)
}

func TestAPI_BadRequests_AreProblems(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.Equal(t, http.StatusBadRequest, p.Call("GET", "/api/v1/projects/shop/deliveries?status=lost", nil, nil))
	require.Equal(t, http.StatusBadRequest, p.Call("GET", "/api/v1/projects/shop/deliveries?cursor=nonsense", nil, nil))
	require.Equal(t, http.StatusBadRequest, p.Call("GET", "/api/v1/projects/shop/routes?limit=x", nil, nil))
	require.Equal(t, http.StatusNotFound, p.Call("GET", "/api/v1/projects/shop/routes/none", nil, nil))
	require.Equal(t, http.StatusNotFound, p.Call("DELETE", "/api/v1/projects/shop/routes/none", nil, nil))
	require.Equal(t, http.StatusNotFound, p.Call("GET", "/api/v1/projects/shop/deliveries/none", nil, nil))
	require.Equal(t, http.StatusUnauthorized, p.Do("GET", "/api/v1/projects/shop/channels", nil, httpapi.IdentityHeader, "").Status)
}
