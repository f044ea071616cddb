package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

type deploymentsView struct {
	Say      string
	State    tell.State
	Projects []choice
	Rows     []gateway.Deployment
	Filter   string
}

func (s *Site) deployments(v *visit) (page.View, error) {
	only := v.query("project")
	all, err := v.readAll(only, wanted{deployments: true}, 100)
	if err != nil {
		return page.View{}, err
	}
	view := deploymentsView{Rows: all.deployments[:min(100, len(all.deployments))], Projects: projectChoices("/deployments", only, all.projects)}
	for _, name := range []string{"workload", "environment"} {
		if value := v.query(name); value != "" {
			view.Filter += " of " + name + " " + value
		}
	}
	counts := map[tell.State]int{}
	for _, d := range view.Rows {
		counts[tell.OfDeployment(d).State]++
	}
	view.Say, view.State = sayDeployments(view, counts)
	return page.View{
		Template: "deployments", Title: "Deployments", Section: "deployments", Watch: address("/live", "watch", "all", "project", only), Content: view,
		Commands: []page.Command{
			{Line: "slipway get deployments", Does: "the newest of a project"},
			{Line: "slipway deploy WORKLOAD --env ENVIRONMENT --wait", Does: "deploy its newest artifact and follow it"},
		},
	}, nil
}

func sayDeployments(view deploymentsView, counts map[tell.State]int) (string, tell.State) {
	if len(view.Rows) == 0 {
		return "Nothing was deployed yet" + view.Filter + ".", tell.Quiet
	}
	state := tell.Succeeded
	parts := []string{fmt.Sprintf("%d of the last %d%s succeeded", counts[tell.Succeeded], len(view.Rows), view.Filter)}
	if n := counts[tell.Failed]; n > 0 {
		state = tell.Quiet
		parts = append(parts, fmt.Sprintf("%d failed or %s denied", n, map[bool]string{true: "was", false: "were"}[n == 1]))
	}
	if n := counts[tell.Attention]; n > 0 {
		parts, state = append(parts, tell.Count(n, "needs somebody", "need somebody")), tell.Attention
	}
	if n := counts[tell.Running]; n > 0 {
		parts, state = append(parts, tell.Count(n, "is running", "are running")), tell.Running
	}
	return tell.Sentence(strings.Join(parts, ", ")), state
}

// stepRow is one step as it is shown.
type stepRow struct {
	client.Step
	Mark  tell.Mark
	Took  string
	Why   string   // the first line of what went wrong
	Lines []string // the evidence
	Stuck bool
	Says  []string // policies that decided
}

type deploymentView struct {
	gateway.Deployment
	Mark     tell.Mark
	Say      string
	Steps    []stepRow
	Undone   []string
	Changes  []gateway.Change
	Saga     client.Operation
	Over     bool
	Older    bool // there is a set to go back to
	Current  *gateway.Running
	Decision *gateway.Decision
}

func (s *Site) deployment(v *visit) (page.View, error) {
	project, id := v.r.PathValue("project"), v.r.PathValue("deployment")
	d, err := v.read.Deployment(v.ctx, project, id)
	if err != nil {
		return page.View{}, err
	}
	view := deploymentView{Deployment: d, Mark: tell.OfDeployment(d)}
	var decisions []gateway.Decision
	err = gateway.Together(
		func() (err error) {
			view.Saga, err = v.read.Saga(v.ctx, id)
			return v.missing("its steps", err)
		},
		func() error {
			if d.Set == "" || d.PreviousSet == "" {
				return nil
			}
			set, err := v.read.Set(v.ctx, project, d.Set, d.PreviousSet)
			view.Changes = set.Changes
			if gateway.Missing(err) {
				return nil
			}
			return v.missing("what changed", err)
		},
		func() (err error) {
			decisions, err = v.read.Decisions(v.ctx, project, d.Environment+"/"+d.Workload, 50)
			return v.missing("what policy said", err)
		},
		func() error {
			workloads, err := v.read.Workloads(v.ctx, project)
			for _, w := range workloads {
				for _, r := range w.Running {
					if w.Name == d.Workload && r.Environment == d.Environment {
						view.Current = &r
					}
				}
			}
			return v.missing("what runs now", err)
		},
	)
	if err != nil {
		return page.View{}, err
	}
	for _, one := range decisions {
		if strings.HasPrefix(one.Request, id+"/") {
			view.Decision = &one
			break
		}
	}
	view.Over = view.Saga.Over()
	view.Steps = stepsOf(view.Saga, v.now)
	for i := range view.Steps {
		step := &view.Steps[i]
		if step.ID == "decide" && view.Decision != nil {
			for _, r := range view.Decision.Reasons {
				step.Says = append(step.Says, r.Policy+": "+r.Message)
			}
			if len(step.Says) == 0 && len(view.Decision.Policies) > 0 {
				step.Says = append(step.Says, "by "+tell.And(view.Decision.Policies))
			}
		}
		if step.Why != "" && len(d.LogTail) > 0 {
			step.Lines = tell.Folded(d.LogTail)
		}
		if step.UndoNote != "" {
			view.Undone = append([]string{step.UndoNote}, view.Undone...)
		}
	}
	view.Older = view.Over && d.Outcome == "done" && d.PreviousSet != "" && view.Current != nil && view.Current.Deployment == d.ID
	view.Say = sayDeployment(view, v.now)
	name := d.Workload + " " + tell.Release(d.Version, d.Artifact) + " to " + d.Environment
	out := page.View{
		Template: "deployment", Title: name, Section: "deployments", Content: view,
		Crumbs: []page.Crumb{{Label: "Deployments", Href: "/deployments"}, {Label: d.Workload, Href: page.EntityPath("component:" + d.Workload)}, {Label: d.Environment, Href: environmentPath(project, d.Environment)}},
		Commands: []page.Command{
			{Line: "slipway saga show " + id, Does: "each step, its undo and the journal"},
			{Line: "slipway timeline " + d.CorrelationID, Does: "the whole story"},
			{Line: "slipway logs " + d.Workload + " --env " + d.Environment + " --project " + project, Does: "what it writes"},
		},
	}
	if !view.Over {
		out.Watch = address("/live", "watch", "operation", "id", id)
	}
	if view.Older {
		out.Commands = append(out.Commands, page.Command{Line: "slipway rollback " + d.Workload + " --env " + d.Environment + " --project " + project, Does: "deploy the set before it again"})
	}
	return out, nil
}

// stepsOf are a saga's steps as they are shown.
func stepsOf(o client.Operation, now time.Time) []stepRow {
	var out []stepRow
	for _, st := range o.Steps {
		row := stepRow{Step: st, Mark: tell.OfStep(st), Stuck: tell.Stuck(st)}
		row.Took = took(o, st, now)
		failed := o.Failure != nil && o.Failure.Step == st.ID
		if failed && row.Mark.State == tell.Quiet {
			row.Mark = tell.Mark{State: tell.Failed, Word: "failed"}
		}
		if st.Reason != "" && (failed || row.Mark.State == tell.Failed || row.Mark.State == tell.Attention) {
			row.Why = tell.FirstLine(st.Reason)
			if rest := strings.TrimSpace(strings.TrimPrefix(st.Reason, row.Why)); rest != "" {
				row.Lines = tell.Folded(strings.Split(rest, "\n"))
			}
		}
		out = append(out, row)
	}
	return out
}

// took is how long a step's Do took, by the journal: what its undo took later
// is no part of it.
func took(o client.Operation, st client.Step, now time.Time) string {
	if st.StartedAt == nil {
		return ""
	}
	end := now
	if st.FinishedAt != nil {
		end = *st.FinishedAt
	}
	for _, j := range o.Journal {
		if j.Step == st.ID && j.Direction == "do" && (j.What == "done" || j.What == "failed") {
			end = j.At
		}
	}
	return tell.Span(end.Sub(*st.StartedAt))
}

// sayDeployment is the sentence that has to be understood in five seconds.
func sayDeployment(view deploymentView, now time.Time) string {
	d := view.Deployment
	name := d.Workload + " " + tell.Release(d.Version, d.Artifact)
	took := tell.Span(time.Duration(d.DurationMS) * time.Millisecond)
	switch d.Outcome {
	case "done":
		text := name + " was deployed to " + d.Environment + " in " + took
		switch {
		case view.Current != nil && view.Current.Deployment == d.ID:
			text += " and runs there now"
		case view.Current != nil:
			text += "; " + tell.Release(view.Current.Version, view.Current.Artifact) + " runs there now"
		default:
			text += "; it no longer runs there"
		}
		return tell.Sentence(text)
	case "failed":
		step := "a step"
		if view.Saga.Failure != nil && view.Saga.Failure.Step != "" {
			step = view.Saga.Failure.Step
		}
		text := name + " failed at " + step + " after " + took + " and was undone"
		if view.Current != nil {
			text += "; " + tell.Release(view.Current.Version, view.Current.Artifact) + " runs in " + d.Environment
		}
		return tell.Sentence(text)
	case "denied":
		return tell.Sentence(name + " may not go to " + d.Environment + ": " + tell.FirstLine(d.Reason))
	case "needs-approval":
		return tell.Sentence(name + " waits for an approval before it goes to " + d.Environment)
	case "parked":
		return tell.Sentence(name + " to " + d.Environment + " is parked: somebody has to look at the step that is stuck")
	}
	at := ""
	for _, st := range view.Steps {
		if st.Mark.State == tell.Running || st.Mark.State == tell.Attention {
			at = st.ID
		}
	}
	text := name + " is being deployed to " + d.Environment
	if d.Status == client.StatusUndoing {
		text = name + " failed and is being undone in " + d.Environment
	}
	if at != "" {
		text += ": " + at
	}
	return tell.Sentence(text + ", for " + tell.Span(now.Sub(d.CreatedAt)) + " now")
}

func (s *Site) rollback(v *visit) error {
	project, id := v.r.PathValue("project"), v.r.PathValue("deployment")
	d, err := v.read.Deployment(v.ctx, project, id)
	if err != nil {
		return err
	}
	saga, err := v.read.Rollback(v.ctx, project, d.Environment, d.Workload, d.PreviousSet)
	if err != nil {
		return err
	}
	return did(page.Path("projects", project, "deployments", saga), "rollback")
}

type setView struct {
	gateway.Set
	Project string
	Say     string
	State   tell.State
	From    string
}

func (s *Site) set(v *visit) (page.View, error) {
	project, digest, from := v.r.PathValue("project"), v.r.PathValue("set"), v.query("from")
	set, err := v.read.Set(v.ctx, project, digest, from)
	if err != nil {
		return page.View{}, err
	}
	view := setView{Set: set, Project: project, State: tell.Quiet, From: from}
	view.Say = "Set " + tell.Short(set.Digest) + " holds " + tell.Count(len(set.Workloads), "workload", "workloads") + " of " + set.Environment
	if set.Current {
		view.Say, view.State = view.Say+" and is what runs there", tell.Succeeded
	}
	view.Say = tell.Sentence(view.Say)
	return page.View{
		Template: "set", Title: "Set " + tell.Short(set.Digest), Section: "deployments", Content: view,
		Crumbs:   []page.Crumb{{Label: "Environments", Href: "/environments"}, {Label: set.Environment, Href: environmentPath(project, set.Environment)}},
		Commands: []page.Command{{Line: "slipway get deployment-sets " + tell.Short(set.Digest) + " --project " + project, Does: "this set"}},
	}, nil
}
