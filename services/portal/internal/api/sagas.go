package api

import (
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

type sagaRow struct {
	client.Operation
	Mark  tell.Mark
	Title string
	Why   string
	Took  string
}

type sagasView struct {
	Say     string
	State   tell.State
	Filters []choice
	Rows    []sagaRow
	Next    string
}

func (s *Site) sagas(v *visit) (page.View, error) {
	status, project := v.query("status"), v.query("project")
	filter := client.SagaFilter{Project: project, Limit: 100, Cursor: v.query("cursor")}
	if status == "open" {
		filter.Open = true
	} else {
		filter.Status = status
	}
	found, err := v.read.Sagas(v.ctx, filter)
	if err != nil {
		return page.View{}, err
	}
	view := sagasView{}
	stuck, flight := 0, 0
	for _, o := range found.Items {
		row := sagaRow{Operation: o, Mark: tell.OfSaga(o), Title: sagaTitle(o)}
		if o.Failure != nil {
			row.Why = tell.FirstLine(o.Failure.Reason)
			if o.Failure.Step != "" {
				row.Why = o.Failure.Step + ": " + row.Why
			}
		}
		if o.FinishedAt != nil {
			row.Took = tell.Span(o.FinishedAt.Sub(o.CreatedAt))
		}
		switch {
		case o.Status == client.StatusParked:
			stuck++
		case !o.Over():
			flight++
		}
		view.Rows = append(view.Rows, row)
	}
	if found.NextCursor != "" {
		view.Next = address("/sagas", "status", status, "project", project, "cursor", found.NextCursor)
	}
	for _, c := range []struct{ label, status string }{{"All", ""}, {"Open", "open"}, {"Parked", client.StatusParked}, {"Done", client.StatusDone}, {"Failed, undone", client.StatusUndone}} {
		view.Filters = append(view.Filters, choice{Label: c.label, Href: address("/sagas", "status", c.status, "project", project), On: c.status == status})
	}
	switch {
	case stuck > 0:
		view.Say, view.State = tell.Count(stuck, "saga is", "sagas are")+" parked and waits for somebody", tell.Attention
		if stuck > 1 {
			view.Say = fmt.Sprintf("%d sagas are parked and wait for somebody", stuck)
		}
	case flight > 0:
		view.Say, view.State = tell.Count(flight, "saga is", "sagas are")+" at work, none is stuck", tell.Running
	default:
		view.Say, view.State = "Nothing is at work and nothing is stuck", tell.Succeeded
	}
	view.Say = tell.Sentence(tell.Capital(view.Say))
	return page.View{
		Template: "sagas", Title: "Sagas", Section: "sagas", Watch: address("/live", "watch", "all", "project", project), Content: view,
		Commands: []page.Command{{Line: "slipway saga list", Does: "the same"}},
	}, nil
}

type sagaView struct {
	client.Operation
	Mark    tell.Mark
	Title   string
	Say     string
	Steps   []stepRow
	Journal []journalRow
	Page    string // of the deployment that it is, "" otherwise
	Open    bool
	Stuck   bool
}

type journalRow struct {
	client.JournalEntry
	Mark tell.Mark
}

func (s *Site) saga(v *visit) (page.View, error) {
	o, err := v.read.Saga(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return page.View{}, err
	}
	view := sagaView{Operation: o, Mark: tell.OfSaga(o), Title: sagaTitle(o), Steps: stepsOf(o, v.now), Open: !o.Over() || o.Status == client.StatusParked}
	for _, j := range o.Journal {
		view.Journal = append(view.Journal, journalRow{j, tell.OfJournal(j)})
	}
	for _, step := range view.Steps {
		view.Stuck = view.Stuck || step.Stuck && o.Status == client.StatusParked
	}
	if o.Kind == "deployment" {
		view.Page = page.Path("projects", o.Project, "deployments", o.ID)
	}
	view.Say = saySaga(view)
	out := page.View{
		Template: "saga", Title: view.Title, Section: "sagas", Content: view,
		Crumbs: []page.Crumb{{Label: "Sagas", Href: "/sagas"}},
		Commands: []page.Command{
			{Line: "slipway saga show " + o.ID, Does: "this journal"},
		},
	}
	if view.Open {
		out.Watch = address("/live", "watch", "operation", "id", o.ID)
	}
	if view.Stuck {
		out.Commands = append(out.Commands,
			page.Command{Line: "slipway saga retry " + o.ID, Does: "try what is stuck once more"},
			page.Command{Line: "slipway saga skip " + o.ID + " STEP", Does: "take a stuck step as settled"},
			page.Command{Line: "slipway saga adopt " + o.ID + " STEP", Does: "keep what is there as its outcome"})
	}
	if o.Status == client.StatusRunning || o.Status == client.StatusParked {
		out.Commands = append(out.Commands, page.Command{Line: "slipway saga abort " + o.ID, Does: "turn it back"})
	}
	return out, nil
}

func saySaga(view sagaView) string {
	o := view.Operation
	took := ""
	if o.FinishedAt != nil {
		took = tell.Span(o.FinishedAt.Sub(o.CreatedAt))
	}
	switch o.Status {
	case client.StatusDone:
		return tell.Sentence(tell.Count(len(o.Steps), "step", "steps") + " done in " + took)
	case client.StatusUndone:
		at := "aborted"
		if o.Failure != nil && o.Failure.Step != "" {
			at = "failed at " + o.Failure.Step
		}
		return tell.Sentence(tell.Capital(at) + " and undone in " + took + "; nothing was left behind")
	case client.StatusParked:
		var stuck []string
		for _, st := range view.Steps {
			if st.Stuck {
				stuck = append(stuck, st.ID)
			}
		}
		return tell.Sentence("Parked: " + tell.And(stuck) + " cannot go on without a person. Look what is there, then retry, skip or adopt")
	case client.StatusUndoing:
		return "It failed and is being undone, in reverse order of dependence."
	}
	f := flying(o)
	return tell.Sentence("At work: " + f.Detail)
}

func (s *Site) settle(v *visit) error {
	id, request := v.r.PathValue("id"), v.r.PostFormValue("do")
	switch request {
	case gateway.Retry, gateway.Skip, gateway.Adopt, gateway.Abort:
	default:
		return httpapi.BadRequest("There is nothing called " + request + " to do with a saga: retry, skip, adopt or abort.")
	}
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	if err := v.read.Settle(v.ctx, id, request, v.r.PostFormValue("step"), reason); err != nil {
		return err
	}
	return did(page.Path("sagas", id), request)
}
