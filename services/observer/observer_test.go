package observer_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"

	"github.com/slipway-idp/slipway/services/observer"
)

const patience = 20 * time.Second

// platform is what the observer finds around it: a bus, and a service that
// publishes.
type platform struct {
	t        *testing.T
	dir      string
	nats     *embedded.Server
	bus      *bus.Bus
	outbox   store.Store
	facts    *aggregate.Repository[int]
	identity httpapi.Identity
	client   *http.Client
	stop     func()
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, dir: t.TempDir()}
	var err error
	p.nats, err = embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(p.dir, "nats")})
	require.NoError(t, err)
	t.Cleanup(p.nats.Close)
	p.bus = p.connect("publisher")
	require.NoError(t, p.bus.EnsureStreams(t.Context(), bus.StreamOptions{}))
	p.outbox, err = sqlite.Open(t.Context(), filepath.Join(p.dir, "publisher.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.outbox.Close() })
	p.facts = aggregate.New[int](p.outbox, aggregate.Options[int]{Service: "publisher", Kind: "fact"})
	p.background(func(ctx context.Context) error { return p.bus.Relay(ctx, p.outbox.Outbox()) })
	p.identity, err = httpapi.NewIdentity(bytes.Repeat([]byte("k"), 32), time.Now)
	require.NoError(t, err)
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *platform) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	p.t.Cleanup(func() {
		cancel()
		require.NoError(p.t, <-done)
	})
}

func (p *platform) connect(name string) *bus.Bus {
	user, password := p.nats.Credentials()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{InProcess: p.nats, Name: name, User: user, Password: password, Log: zerolog.Nop()})
	require.NoError(p.t, err)
	p.t.Cleanup(b.Close)
	return b
}

// start runs the real service; stop ends it and waits.
func (p *platform) start() {
	s, err := sqlite.Open(p.t.Context(), filepath.Join(p.dir, "observer.db"), sqlite.Options{})
	require.NoError(p.t, err)
	listener := service.NewMemoryListener("observer")
	svc, err := observer.New(observer.Config{Deps: service.Deps{
		Name: observer.Name, Store: s, Bus: p.connect("observer"), Listener: listener,
		Log: zerolog.Nop(), Clock: time.Now, DataDir: p.dir, Identity: p.identity,
	}, Look: 50 * time.Millisecond})
	require.NoError(p.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	p.client = &http.Client{Transport: listener.Owner().Transport}
	p.stop = func() {
		cancel()
		require.NoError(p.t, <-done)
		require.NoError(p.t, s.Close())
	}
}

// publish commits events of one story, each one caused by the one before.
func (p *platform) publish(id, correlation string, drafts ...events.Draft) []events.Event {
	p.t.Helper()
	_, err := p.facts.Update(p.t.Context(), id, events.Cause{CorrelationID: correlation, Actor: "user:default/ada"}, func(n *int, _ bool) (aggregate.Decision, error) {
		*n++
		return aggregate.Decision{Events: drafts}, nil
	})
	require.NoError(p.t, err)
	return nil
}

func (p *platform) request(method, path string, actor httpapi.Actor, header ...string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, "http://observer"+path, nil)
	require.NoError(p.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	require.NoError(p.t, p.identity.SignRequest(r, actor))
	res, err := p.client.Do(r)
	require.NoError(p.t, err)
	return res
}

var ada = httpapi.Actor{Name: "user:default/ada"}

func (p *platform) call(method, path string, actor httpapi.Actor, out any) int {
	p.t.Helper()
	res := p.request(method, path, actor)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	if out != nil {
		require.NoError(p.t, json.Unmarshal(raw, out), string(raw))
	}
	return res.StatusCode
}

type told struct {
	CorrelationID, Title, Latest, Outcome string
	Projects                              []string
	Events                                []struct {
		ID, Type, Source, Origin, Subject, Project, Actor, Summary string
		Sequence, CauseSequence                                    uint64
		Epoch, CausationID                                         string
		Time                                                       time.Time
	}
}

// await reads a timeline once n events are in it, told by the stream that
// follows it.
func (p *platform) await(id string, n int) told {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	p.follow(ctx, id, "", n)
	var t told
	require.Equal(p.t, http.StatusOK, p.call("GET", "/api/v1/timelines/"+id, ada, &t))
	require.Len(p.t, t.Events, n)
	return t
}

// follow returns the ids and summaries of the first n events that are sent.
func (p *platform) follow(ctx context.Context, id, last string, n int) (eventIDs, summaries []string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://observer/api/v1/timelines/"+id, nil)
	require.NoError(p.t, err)
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	require.NoError(p.t, p.identity.SignRequest(r, ada))
	res, err := p.client.Do(r)
	require.NoError(p.t, err)
	defer res.Body.Close()
	require.Equal(p.t, http.StatusOK, res.StatusCode)
	lines := bufio.NewScanner(res.Body)
	for len(summaries) < n && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			eventIDs = append(eventIDs, id)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e struct{ Summary string }
			require.NoError(p.t, json.Unmarshal([]byte(data), &e))
			summaries = append(summaries, e.Summary)
		}
	}
	require.Len(p.t, summaries, n, "the stream ended: %v", lines.Err())
	return eventIDs, summaries
}

func requested(t *testing.T, workload string) events.Draft {
	t.Helper()
	d, err := deployer.DeploymentRequested.Draft("shop", "dev/"+workload, deployer.DeploymentRequestedData{
		Deployment: deployer.Deployment{Deployment: "dpl-1", Project: "shop", Environment: "dev", Workload: workload, Artifact: workload + "@sha256:abc"},
	})
	require.NoError(t, err)
	return d
}

func succeeded(t *testing.T, workload string) events.Draft {
	t.Helper()
	d, err := deployer.DeploymentSucceeded.Draft("shop", "dev/"+workload, deployer.DeploymentSucceededData{
		Deployment: deployer.Deployment{Deployment: "dpl-1", Project: "shop", Environment: "dev", Workload: workload, Artifact: workload + "@sha256:abc"},
	})
	require.NoError(t, err)
	return d
}

func published(t *testing.T, name string) events.Draft {
	t.Helper()
	d, err := cdevents.ArtifactPublished.Draft("shop", name, cdevents.Fact[cdevents.ArtifactPublishedContent]{SubjectID: "pkg:generic/" + name + "@1"})
	require.NoError(t, err)
	return d.External()
}

func TestTimeline_StoryFromOutsideToDeployment_IsToldInOrder(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.publish("delivery", "story", published(t, "orders"))
	p.publish("deployment", "story", requested(t, "orders"), succeeded(t, "orders"))
	p.publish("another", "other-story", published(t, "storefront"))

	story := p.await("story", 3)
	require.Equal(t, "artifact orders@1 was published", story.Title)
	require.Equal(t, "orders@abc runs in dev", story.Latest)
	require.Equal(t, "succeeded", story.Outcome)
	require.Equal(t, []string{"shop"}, story.Projects)
	require.Equal(t, "outside", story.Events[0].Origin)
	require.Equal(t, "slipway", story.Events[1].Origin)
	require.Equal(t, "/slipway/publisher", story.Events[1].Source)
	require.Equal(t, "user:default/ada", story.Events[1].Actor)
	require.Equal(t, "dev/orders", story.Events[2].Subject)
	require.NotZero(t, story.Events[0].Sequence)
	require.Less(t, story.Events[1].Sequence, story.Events[2].Sequence)
	p.await("other-story", 1)

	var page struct{ Items []told }
	require.Equal(t, http.StatusOK, p.call("GET", "/api/v1/timelines", ada, &page))
	require.Len(t, page.Items, 2)
	require.Empty(t, page.Items[0].Events)
	require.Equal(t, http.StatusOK, p.call("GET", "/api/v1/timelines?project=elsewhere", ada, &page))
	require.Empty(t, page.Items)
}

func TestTimeline_EveryReleasedExample_IsInIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	n := 0
	for _, d := range append(catalogue.All(), catalogue.CDEvents()...) {
		raws, err := events.ReleasedExamples(d.Type)
		if d.Route != events.Public || err != nil {
			continue
		}
		for _, raw := range raws {
			var e events.Event
			require.NoError(t, e.UnmarshalJSON(raw))
			p.publish(fmt.Sprint("example-", n), "all-of-them", events.Draft{
				Type: e.Type(), Project: events.Extension(e, events.ExtProject), Subject: e.Subject(), Data: e.Data(),
			})
			n++
		}
	}
	all := p.await("all-of-them", n)
	for _, e := range all.Events {
		require.NotEmpty(t, e.Summary)
	}
}

func TestTimeline_ObserverWasAway_CatchesUp(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.publish("delivery", "story", published(t, "orders"))
	p.await("story", 1)
	p.stop()
	p.publish("deployment", "story", requested(t, "orders"), succeeded(t, "orders"))
	p.start()
	require.Equal(t, "succeeded", p.await("story", 3).Outcome)
}

func TestFollow_AfterReconnect_GoesOnWithoutRepeating(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	waiting := make(chan []string, 1)
	go func() { // before the timeline is there
		_, summaries := p.follow(ctx, "story", "", 1)
		waiting <- summaries
	}()
	p.publish("delivery", "story", published(t, "orders"))
	require.Equal(t, []string{"artifact orders@1 was published"}, <-waiting)
	eventIDs, _ := p.follow(ctx, "story", "", 1)
	p.publish("deployment", "story", requested(t, "orders"))
	_, summaries := p.follow(ctx, "story", eventIDs[0], 1)
	require.Equal(t, []string{"deployment of orders@abc to dev was requested"}, summaries)
}

func TestRebuild_WhileEventsComeAndPeopleRead_NewProjectionEqualsTheLiveOne(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	const stories = 40
	for i := range stories {
		p.publish(fmt.Sprint("delivery-", i), fmt.Sprint("story-", i), published(t, "orders"), requested(t, "orders"), requested(t, "storefront"))
	}
	for i := range stories {
		p.await(fmt.Sprint("story-", i), 3)
	}
	before, listed := p.dump(stories), p.listed()

	var r struct {
		ID, Phase   string
		Read, Until uint64
		By          string
	}
	require.Equal(t, http.StatusAccepted, p.call("POST", "/api/v1/timelines:rebuild", ada, &r))
	require.Equal(t, "user:default/ada", r.By)
	p.publish("late", "story-0", succeeded(t, "orders"))
	reads := 0
	for phase := ""; phase != "idle"; reads++ {
		require.Equal(t, before[1], p.dump(2)[1], "reading goes on meanwhile")
		var s struct{ ID, Phase string }
		require.Equal(t, http.StatusOK, p.call("GET", "/api/v1/timelines:rebuild", ada, &s))
		require.Equal(t, r.ID, s.ID)
		phase = s.Phase
		require.Less(t, reads, 10_000)
	}
	require.Equal(t, "succeeded", p.await("story-0", 4).Outcome, "what came while it was built is in the new one")
	require.Equal(t, before[1:], p.dump(stories)[1:])
	require.Equal(t, listed, p.listed())

	// And back to the first shelf, which was cleared for it.
	require.Equal(t, http.StatusAccepted, p.call("POST", "/api/v1/timelines:rebuild", ada, &r))
	require.Eventually(t, func() bool {
		return p.call("GET", "/api/v1/timelines:rebuild", ada, &r) == http.StatusOK && r.Phase == "idle"
	}, patience, 5*time.Millisecond)
	require.Equal(t, before[1:], p.dump(stories)[1:])
	require.Equal(t, "succeeded", p.await("story-0", 4).Outcome)
}

func TestRebuild_StoppedHalfWay_GoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for i := range 30 {
		p.publish(fmt.Sprint("delivery-", i), fmt.Sprint("story-", i), published(t, "orders"))
	}
	for i := range 30 {
		p.await(fmt.Sprint("story-", i), 1)
	}
	before := p.dump(30)
	var r struct{ ID, Phase string }
	require.Equal(t, http.StatusAccepted, p.call("POST", "/api/v1/timelines:rebuild", ada, &r))
	p.stop()
	p.start()
	require.Eventually(t, func() bool {
		return p.call("GET", "/api/v1/timelines:rebuild", ada, &r) == http.StatusOK && r.Phase == "idle"
	}, patience, 10*time.Millisecond) // the step under way is taken over when its lease ends
	require.Equal(t, before, p.dump(30))
}

// listed reads the list of timelines, but for the one that goes on.
func (p *platform) listed() []told {
	p.t.Helper()
	var page struct{ Items []told }
	require.Equal(p.t, http.StatusOK, p.call("GET", "/api/v1/timelines", ada, &page))
	return slices.DeleteFunc(page.Items, func(t told) bool { return t.CorrelationID == "story-0" })
}

// dump reads stories as they are told.
func (p *platform) dump(stories int) []string {
	p.t.Helper()
	out := make([]string, stories)
	for i := range stories {
		res := p.request("GET", fmt.Sprint("/api/v1/timelines/story-", i), ada)
		raw, err := io.ReadAll(res.Body)
		require.NoError(p.t, err)
		require.NoError(p.t, res.Body.Close())
		require.Equal(p.t, http.StatusOK, res.StatusCode, string(raw))
		out[i] = string(raw)
	}
	return out
}

func TestAPI_BadRequests_AreProblems(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var problem httpapi.Problem
	require.Equal(t, http.StatusNotFound, p.call("GET", "/api/v1/timelines/nobody-knows", ada, &problem))
	require.Contains(t, problem.Detail, "/api/v1/timelines")
	require.Equal(t, http.StatusBadRequest, p.call("GET", "/api/v1/timelines?limit=0", ada, &problem))
	require.Equal(t, http.StatusBadRequest, p.call("GET", "/api/v1/timelines?cursor=nonsense", ada, &problem))
	res := p.request("GET", "/api/v1/timelines/story", ada, "Accept", "text/event-stream", "Last-Event-ID", "nonsense")
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://observer/api/v1/timelines", nil)
	require.NoError(t, err)
	res, err = p.client.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode, "only the gateway names who asks")
}

func TestAPI_ActorOfAnotherProject_SeesNothingOfIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.publish("delivery", "story", published(t, "orders"))
	p.await("story", 1)
	other := httpapi.Actor{Name: "user:default/bob", Projects: []string{"elsewhere"}}
	require.Equal(t, http.StatusNotFound, p.call("GET", "/api/v1/timelines/story", other, nil))
	var page struct{ Items []told }
	require.Equal(t, http.StatusOK, p.call("GET", "/api/v1/timelines", other, &page))
	require.Empty(t, page.Items)
}
