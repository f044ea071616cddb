package observer_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/service/servicetest"

	"github.com/slipway-idp/slipway/services/observer"
)

const patience = 20 * time.Second

// platform is the observer under test, and a service that publishes.
type platform struct {
	*servicetest.Platform
	publisher *servicetest.Peer
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := servicetest.Start(t, observer.Name, func(d service.Deps) (service.Service, error) {
		return observer.New(observer.Config{Deps: d, Look: 50 * time.Millisecond})
	})
	return &platform{Platform: p, publisher: p.Peer("publisher")}
}

// publish commits events of one story, each one caused by the one before.
func (p *platform) publish(id, correlation string, drafts ...events.Draft) {
	p.T.Helper()
	p.publisher.Commit(id, events.Cause{CorrelationID: correlation, Actor: "user:default/ada"}, drafts...)
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
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.T.Context(), patience)
	defer cancel()
	p.follow(ctx, id, "", n)
	var t told
	require.Equal(p.T, http.StatusOK, p.Call("GET", "/api/v1/timelines/"+id, nil, &t))
	require.Len(p.T, t.Events, n)
	return t
}

// follow returns the ids and summaries of the first n events that are sent.
func (p *platform) follow(ctx context.Context, id, last string, n int) (eventIDs, summaries []string) {
	p.T.Helper()
	res := p.Open(ctx, "GET", "/api/v1/timelines/"+id, nil, "Accept", "text/event-stream", "Last-Event-ID", last)
	defer res.Body.Close()
	require.Equal(p.T, http.StatusOK, res.StatusCode)
	lines := bufio.NewScanner(res.Body)
	for len(summaries) < n && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			eventIDs = append(eventIDs, id)
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e struct{ Summary string }
			require.NoError(p.T, json.Unmarshal([]byte(data), &e))
			summaries = append(summaries, e.Summary)
		}
	}
	require.Len(p.T, summaries, n, "the stream ended: %v", lines.Err())
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
	// The list's entry is committed after the event that a follower is shown.
	require.Eventually(t, func() bool {
		return p.Call("GET", "/api/v1/timelines", nil, &page) == http.StatusOK && len(page.Items) == 2
	}, patience, time.Millisecond)
	require.Empty(t, page.Items[0].Events)
	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/timelines?project=elsewhere", nil, &page))
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
	p.Stop()
	p.publish("deployment", "story", requested(t, "orders"), succeeded(t, "orders"))
	p.Start()
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
	require.Equal(t, http.StatusAccepted, p.Call("POST", "/api/v1/timelines:rebuild", nil, &r))
	require.Equal(t, "user:default/ada", r.By)
	p.publish("late", "story-0", succeeded(t, "orders"))
	reads := 0
	for phase := ""; phase != "idle"; reads++ {
		require.Equal(t, before[1], p.dump(2)[1], "reading goes on meanwhile")
		var s struct{ ID, Phase string }
		require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/timelines:rebuild", nil, &s))
		require.Equal(t, r.ID, s.ID)
		phase = s.Phase
		require.Less(t, reads, 10_000)
	}
	require.Equal(t, "succeeded", p.await("story-0", 4).Outcome, "what came while it was built is in the new one")
	require.Equal(t, before[1:], p.dump(stories)[1:])
	require.Equal(t, listed, p.listed())

	// And back to the first shelf, which was cleared for it.
	require.Equal(t, http.StatusAccepted, p.Call("POST", "/api/v1/timelines:rebuild", nil, &r))
	require.Eventually(t, func() bool {
		return p.Call("GET", "/api/v1/timelines:rebuild", nil, &r) == http.StatusOK && r.Phase == "idle"
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
	require.Equal(t, http.StatusAccepted, p.Call("POST", "/api/v1/timelines:rebuild", nil, &r))
	p.Stop()
	p.Start()
	require.Eventually(t, func() bool {
		return p.Call("GET", "/api/v1/timelines:rebuild", nil, &r) == http.StatusOK && r.Phase == "idle"
	}, patience, 10*time.Millisecond) // the step under way is taken over when its lease ends
	require.Equal(t, before, p.dump(30))
}

// listed reads the list of timelines, but for the one that goes on.
func (p *platform) listed() []told {
	p.T.Helper()
	var page struct{ Items []told }
	require.Equal(p.T, http.StatusOK, p.Call("GET", "/api/v1/timelines", nil, &page))
	return slices.DeleteFunc(page.Items, func(t told) bool { return t.CorrelationID == "story-0" })
}

// dump reads stories as they are told.
func (p *platform) dump(stories int) []string {
	p.T.Helper()
	out := make([]string, stories)
	for i := range stories {
		a := p.Do("GET", fmt.Sprint("/api/v1/timelines/story-", i), nil)
		require.Equal(p.T, http.StatusOK, a.Status, string(a.Body))
		out[i] = string(a.Body)
	}
	return out
}

func TestAPI_BadRequests_AreProblems(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var problem httpapi.Problem
	require.Equal(t, http.StatusNotFound, p.Call("GET", "/api/v1/timelines/nobody-knows", nil, &problem))
	require.Contains(t, problem.Detail, "/api/v1/timelines")
	require.Equal(t, http.StatusBadRequest, p.Call("GET", "/api/v1/timelines?limit=0", nil, &problem))
	require.Equal(t, http.StatusBadRequest, p.Call("GET", "/api/v1/timelines?cursor=nonsense", nil, &problem))
	a := p.Do("GET", "/api/v1/timelines/story", nil, "Accept", "text/event-stream", "Last-Event-ID", "nonsense")
	require.Equal(t, http.StatusBadRequest, a.Status)
	a = p.Do("GET", "/api/v1/timelines", nil, httpapi.IdentityHeader, "")
	require.Equal(t, http.StatusUnauthorized, a.Status, "only the gateway names who asks")
}

func TestAPI_ActorOfAnotherProject_SeesNothingOfIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.publish("delivery", "story", published(t, "orders"))
	p.await("story", 1)
	other := p.As(httpapi.Actor{Name: "user:default/bob", Projects: []string{"elsewhere"}})
	require.Equal(t, http.StatusNotFound, other.Call("GET", "/api/v1/timelines/story", nil, nil))
	var page struct{ Items []told }
	require.Equal(t, http.StatusOK, other.Call("GET", "/api/v1/timelines", nil, &page))
	require.Empty(t, page.Items)
}
