package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

type timelineRow struct {
	client.Timeline
	Mark tell.Mark
}

type timelinesView struct {
	Say  string
	Rows []timelineRow
	Next string
}

func (s *Site) timelines(v *visit) (page.View, error) {
	project := v.query("project")
	found, err := v.read.Timelines(v.ctx, project, 100, v.query("cursor"))
	if err != nil {
		return page.View{}, err
	}
	view := timelinesView{}
	for _, t := range found.Items {
		view.Rows = append(view.Rows, timelineRow{t, tell.OfTimeline(t.Outcome)})
	}
	if found.NextCursor != "" {
		view.Next = address("/timelines", "project", project, "cursor", found.NextCursor)
	}
	view.Say = tell.Sentence(tell.Count(len(view.Rows), "story", "stories") + ", those that began last first; one correlation id runs through all of a story")
	return page.View{
		Template: "timelines", Title: "Timelines", Section: "timelines", Watch: address("/live", "watch", "all", "project", project), Content: view,
		Commands: []page.Command{{Line: "slipway timeline CORRELATION-ID", Does: "one of them"}},
	}, nil
}

// entryRow is one event of a story.
type entryRow struct {
	client.TimelineEntry
	Pin   string
	Gap   string // how long after the one before
	Cause string // the summary of what caused it
	Path  string // of what it is about
}

type timelineView struct {
	client.Timeline
	Mark  tell.Mark
	Say   string
	Rows  []entryRow
	Sagas []client.Operation
	Took  string
	Types bool
}

func (s *Site) timeline(v *visit) (page.View, error) {
	id := v.r.PathValue("id")
	t, err := v.read.Timeline(v.ctx, id)
	if err != nil {
		return page.View{}, err
	}
	view := timelineView{Timeline: t, Mark: tell.OfTimeline(t.Outcome), Took: tell.Span(t.UpdatedAt.Sub(t.StartedAt))}
	known := map[string]string{}
	var before time.Time
	for _, e := range t.Events {
		known[e.ID] = e.Summary
		row := entryRow{TimelineEntry: e, Pin: pin(e), Cause: known[e.CausationID], Path: subjectPath(e)}
		if !before.IsZero() {
			row.Gap = "+" + tell.Span(e.Time.Sub(before))
			if e.Time.Before(before) {
				row.Gap = ""
			}
		}
		before = e.Time
		view.Rows = append(view.Rows, row)
	}
	view.Say = fmt.Sprintf("%s in %s", tell.Count(len(t.Events), "event", "events"), view.Took)
	switch t.Outcome {
	case "succeeded":
		view.Say += ": it succeeded"
	case "failed":
		view.Say += ": it failed"
	case "held":
		view.Say += ": it is held and waits for somebody"
	case "parked":
		view.Say += ": it is parked and waits for somebody"
	}
	view.Say = tell.Sentence(view.Say)
	return page.View{
		Template: "timeline", Title: t.Title, Section: "timelines", Watch: address("/live", "watch", "story", "id", id), Content: view,
		Crumbs: []page.Crumb{{Label: "Timelines", Href: "/timelines"}},
		Commands: []page.Command{
			{Line: "slipway timeline " + id, Does: "this story"},
			{Line: "slipway events tail --since 0 --filter \"correlationid = '" + id + "'\" -o json", Does: "its events as they are"},
		},
	}, nil
}

// pin is how an event's dot looks.
func pin(e client.TimelineEntry) string {
	switch {
	case strings.Contains(e.Type, ".failed.") || strings.Contains(e.Type, "rolledback") || strings.Contains(e.Type, ".denied."):
		return string(tell.Failed)
	case strings.Contains(e.Type, ".succeeded.") || strings.Contains(e.Type, "service.deployed") || strings.Contains(e.Type, "service.upgraded"):
		return string(tell.Succeeded)
	case strings.Contains(e.Type, "parked") || strings.Contains(e.Type, ".held.") || strings.Contains(e.Type, "expiring"):
		return string(tell.Attention)
	case e.Origin == "outside":
		return "outside"
	}
	return ""
}

// subjectPath leads from an event to what it is about, "" where there is no
// page of it.
func subjectPath(e client.TimelineEntry) string {
	environment, rest, deep := strings.Cut(e.Subject, "/")
	switch {
	case strings.Contains(e.Type, "slipway.deployer.deployment") && deep:
		return address("/deployments", "project", e.Project, "environment", environment, "workload", rest)
	case strings.Contains(e.Type, "provisioner.resource.") && deep && !strings.Contains(e.Type, ".destroyed."):
		return page.Path("projects", e.Project, "environments", environment, "resources", rest)
	case strings.Contains(e.Type, "cdevents.environment.") && !strings.Contains(e.Type, "deleted"):
		return environmentPath(e.Project, tell.Name(e.Subject))
	case strings.Contains(e.Type, "catalog.entity."):
		return page.EntityPath(e.Subject)
	}
	return ""
}

type eventView struct {
	Event   client.Event
	Entry   client.TimelineEntry
	JSON    string
	Story   string
	Causes  []client.TimelineEntry
	CauseOf *client.TimelineEntry
}

// event shows one event as it is, found by its place in its story.
func (s *Site) event(v *visit) (page.View, error) {
	story, id := v.r.PathValue("id"), v.r.PathValue("event")
	t, err := v.read.Timeline(v.ctx, story)
	if err != nil {
		return page.View{}, err
	}
	view := eventView{Story: story}
	for _, e := range t.Events {
		if e.ID == id {
			view.Entry = e
		}
	}
	if view.Entry.ID == "" {
		return page.View{}, httpapi.NotFound("event", id, "Its story tells those that belong to it.")
	}
	for _, e := range t.Events {
		if e.CausationID == id {
			view.Causes = append(view.Causes, e)
		}
		if e.ID == view.Entry.CausationID {
			view.CauseOf = &e
		}
	}
	found, err := v.read.Events(v.ctx, client.EventFilter{Since: strconv.FormatInt(view.Entry.Sequence-1, 10), Limit: 1})
	if err := v.missing("the event", err); err != nil {
		return page.View{}, err
	}
	if len(found.Items) == 1 && found.Items[0].ID == id {
		view.Event = found.Items[0]
		var out bytes.Buffer
		if json.Indent(&out, view.Event.Raw, "", "  ") == nil {
			view.JSON = out.String()
		}
	}
	return page.View{
		Template: "event", Title: view.Entry.Type, Section: "explorer", Content: view,
		Crumbs:   []page.Crumb{{Label: "Timelines", Href: "/timelines"}, {Label: t.Title, Href: page.Path("timelines", story)}},
		Commands: []page.Command{{Line: "slipway events schema " + view.Entry.Type, Does: "what its data may be"}},
	}, nil
}
