package api

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

func runPath(r client.Run) string { return page.Path("projects", r.Project, "runs", r.ID) }

type runRow struct {
	client.Run
	Mark tell.Mark
	Href string
	Took string
}

func runRowOf(r client.Run) runRow {
	row := runRow{Run: r, Mark: tell.OfRun(r), Href: runPath(r)}
	if !r.FinishedAt.IsZero() {
		row.Took = tell.Span(r.FinishedAt.Sub(r.CreatedAt))
	}
	return row
}

type runsView struct {
	Say      string
	State    tell.State
	Projects []choice
	Filters  []choice
	Rows     []runRow
}

// runsOf are the newest runs of every project, or of one. A platform without
// engines has none.
func (v *visit) runsOf(projects []gateway.Project, only, status string, limit int) ([]client.Run, error) {
	var mu sync.Mutex
	var all []client.Run
	var asks []func() error
	for _, p := range projects {
		if only != "" && p.Name != only {
			continue
		}
		asks = append(asks, func() error {
			found, err := v.read.Runs(v.ctx, p.Name, client.RunFilter{Status: status, Limit: limit})
			if gateway.Missing(err) {
				return nil
			}
			mu.Lock()
			all = append(all, found.Items...)
			mu.Unlock()
			return v.missing("runs of "+p.Name, err)
		})
	}
	err := gateway.Together(asks...)
	slices.SortFunc(all, func(a, b client.Run) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, err
}

func (s *Site) runs(v *visit) (page.View, error) {
	only, status := v.query("project"), v.query("status")
	projects, err := v.read.Projects(v.ctx)
	if err != nil {
		return page.View{}, err
	}
	found, err := v.runsOf(projects, only, status, 100)
	if err != nil {
		return page.View{}, err
	}
	view := runsView{Projects: projectChoices("/runs", only, projects), State: tell.Quiet}
	waiting, working := 0, 0
	for _, r := range found[:min(100, len(found))] {
		view.Rows = append(view.Rows, runRowOf(r))
		switch {
		case r.Status == "waiting":
			waiting++
		case !r.Over():
			working++
		}
	}
	for _, f := range []string{"", "waiting", "planning", "applying", "finished", "failed", "discarded"} {
		label := f
		if f == "" {
			label = "all"
		}
		view.Filters = append(view.Filters, choice{Label: tell.Capital(label), Href: address("/runs", "status", f, "project", only), On: f == status})
	}
	parts := []string{tell.Count(len(view.Rows), "run", "runs") + " of infrastructure as code"}
	if working > 0 {
		parts, view.State = append(parts, fmt.Sprintf("%d at work", working)), tell.Running
	}
	if waiting > 0 {
		parts, view.State = append(parts, tell.Count(waiting, "waits", "wait")+" for somebody's word"), tell.Attention
	}
	view.Say = tell.Sentence(tell.Capital(strings.Join(parts, ", ")))
	return page.View{
		Template: "runs", Title: "Runs", Section: "runs", Watch: address("/live", "watch", "all", "project", only), Content: view,
		Commands: []page.Command{{Line: "slipway run list", Does: "the same, of one project"}},
	}, nil
}

// maxLog is how much of a log a page shows: its end.
const maxLog = 48 << 10

type runView struct {
	client.Run
	Mark    tell.Mark
	Say     string
	Log     string
	Cut     bool
	Took    string
	Changes []client.RunChange // those that do something
	Same    int                // those that do not
	Waits   bool
	Works   bool
}

func (s *Site) run(v *visit) (page.View, error) {
	project, id := v.r.PathValue("project"), v.r.PathValue("run")
	var (
		r   client.Run
		log string
	)
	err := gateway.Together(
		func() (err error) { r, err = v.read.Run(v.ctx, project, id); return err },
		func() (err error) {
			log, err = v.read.RunLog(v.ctx, project, id, 0)
			if gateway.Missing(err) {
				return nil // of a run that never began, or is long past
			}
			return v.missing("its log", err)
		},
	)
	if err != nil {
		return page.View{}, err
	}
	view := runView{Run: r, Mark: tell.OfRun(r), Took: runRowOf(r).Took, Waits: r.Status == "waiting", Works: !r.Over() && r.Status != "waiting"}
	log = colours.ReplaceAllString(log, "")
	view.Log = log
	if len(log) > maxLog {
		cut := log[len(log)-maxLog:]
		_, view.Log, _ = strings.Cut(cut, "\n")
		view.Cut = true
	}
	for _, c := range r.Changes {
		if c.Action == "none" || c.Action == "read" {
			view.Same++
			continue
		}
		view.Changes = append(view.Changes, c)
	}
	view.Say = sayRun(r)
	commands := []page.Command{{Line: "slipway run show " + id + " --project " + project, Does: "this run with its plan"}, {Line: "slipway run logs " + id + " --project " + project, Does: "its log"}}
	if view.Waits {
		commands = append(commands, page.Command{Line: "slipway run approve " + id + " --project " + project, Does: "let exactly this plan be applied"}, page.Command{Line: "slipway run discard " + id + " --project " + project, Does: "end it, with nothing done"})
	}
	out := page.View{
		Template: "run", Title: r.Operation + " of " + r.Resource, Section: "runs", Content: view,
		Crumbs:   []page.Crumb{{Label: "Runs", Href: "/runs"}, {Label: r.Environment, Href: environmentPath(project, r.Environment)}, {Label: r.Resource, Href: page.Path("projects", project, "environments", r.Environment, "resources", r.Resource)}},
		Commands: commands,
	}
	if !r.Over() {
		out.Watch = address("/live", "watch", "run", "project", project, "id", id)
	}
	return out, nil
}

// colours are what an engine writes for a terminal.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

func sayRun(r client.Run) string {
	if r.Status == "waiting" {
		why := r.Waiting
		if r.Decision != nil && len(r.Decision.Reasons) > 0 {
			why = r.Decision.Reasons[0].Message
		}
		return tell.Sentence("The plan waits for somebody's word: " + tell.FirstLine(why))
	}
	text := tell.Capital(r.Summary)
	if text == "" {
		text = r.Operation + " of " + r.Stack + " is " + r.Status
	}
	if r.Waiting != "" && !strings.Contains(text, r.Waiting) {
		text += ": " + r.Waiting
	}
	if r.Reason != "" && !strings.Contains(text, tell.FirstLine(r.Reason)) {
		text += ": " + tell.FirstLine(r.Reason)
	}
	return tell.Sentence(text)
}

func (s *Site) tellRun(v *visit) error {
	project, id, request := v.r.PathValue("project"), v.r.PathValue("run"), v.r.PostFormValue("do")
	switch request {
	case gateway.Approve, gateway.Discard, gateway.Cancel:
	default:
		return httpapi.BadRequest("There is nothing called " + request + " to do with a run: approve, discard or cancel.")
	}
	err := v.read.TellRun(v.ctx, project, id, request, v.r.PostFormValue("digest"), strings.TrimSpace(v.r.PostFormValue("reason")))
	if err != nil {
		return err
	}
	return did(page.Path("projects", project, "runs", id), request)
}

// stack leads from a stack to the resource that it is of.
func (s *Site) stack(v *visit) (page.View, error) {
	project, name := v.r.PathValue("project"), v.r.PathValue("stack")
	words := strings.SplitN(name, ".", 3)
	if len(words) != 3 || words[0] != project {
		return page.View{}, &client.Problem{Status: http.StatusNotFound, Title: "There is no such thing.", Detail: "A stack is named project.environment.resource."}
	}
	return page.View{}, redirect{page.Path("projects", project, "environments", words[1], "resources", words[2])}
}
