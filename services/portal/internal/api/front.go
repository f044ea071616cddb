package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/client"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

// The front page looks this far ahead and back.
const (
	soon     = 24 * time.Hour
	lately   = 24 * time.Hour
	mostOpen = 50
)

// item is one thing on the front page that says something.
type item struct {
	Mark   tell.Mark
	Href   string
	Text   string
	Detail string
	At     time.Time
	Until  bool // At is ahead
	Story  string
}

// serviceRow is one service of a team and how it is.
type serviceRow struct {
	Entity gateway.Entity
	Places []place
	Last   *gateway.Deployment
	Mark   tell.Mark
}

// place is where a release of a workload runs.
type place struct {
	Project, Environment, Release string
	Mark                          tell.Mark
	URL                           string
}

type frontView struct {
	Say      string
	State    tell.State
	Needs    []item
	Flight   []item
	Expiring []item
	Services []serviceRow
	Mine     bool   // the services are those of the viewer's teams
	Teams    string // whose they are
	Known    bool   // the viewer is in the catalog
	Fresh    bool   // there is nothing at all yet
}

// state of all projects at once, as the front page and lists need it.
type whole struct {
	projects     []gateway.Project
	environments []gateway.Environment
	deployments  []gateway.Deployment
	workloads    []gateway.Workload
}

type wanted struct{ environments, deployments, workloads bool }

// readAll asks for things of every project, or of one where that is named.
func (v *visit) readAll(only string, want wanted, deployments int) (whole, error) {
	var all whole
	projects, err := v.read.Projects(v.ctx)
	if err := v.missing("projects", err); err != nil {
		return all, err
	}
	all.projects = projects
	var mu sync.Mutex
	var asks []func() error
	for _, p := range projects {
		if only != "" && p.Name != only {
			continue
		}
		if want.environments {
			asks = append(asks, func() error {
				found, err := v.read.Environments(v.ctx, p.Name)
				mu.Lock()
				defer mu.Unlock()
				all.environments = append(all.environments, found...)
				return v.missing("environments of "+p.Name, err)
			})
		}
		if want.deployments {
			asks = append(asks, func() error {
				found, err := v.read.Deployments(v.ctx, p.Name, v.query("environment"), v.query("workload"), deployments)
				mu.Lock()
				defer mu.Unlock()
				all.deployments = append(all.deployments, found...)
				return v.missing("deployments of "+p.Name, err)
			})
		}
		if want.workloads {
			asks = append(asks, func() error {
				found, err := v.read.Workloads(v.ctx, p.Name)
				mu.Lock()
				defer mu.Unlock()
				all.workloads = append(all.workloads, found...)
				return v.missing("workloads of "+p.Name, err)
			})
		}
	}
	err = gateway.Together(asks...)
	slices.SortFunc(all.environments, func(a, b gateway.Environment) int {
		return cmp.Or(strings.Compare(a.Project, b.Project), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(all.deployments, func(a, b gateway.Deployment) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, err
}

func (s *Site) front(v *visit) (page.View, error) {
	var (
		all      whole
		open     client.Page[client.Operation]
		recent   client.Page[client.Operation]
		me       gateway.Entity
		services client.Page[gateway.Entity]
	)
	f := frontView{}
	actor, err := v.read.WhoAmI(v.ctx)
	if err != nil {
		return page.View{}, err
	}
	err = gateway.Together(
		func() (err error) {
			all, err = v.readAll("", wanted{true, true, true}, 100)
			return err
		},
		func() (err error) {
			open, err = v.read.Sagas(v.ctx, client.SagaFilter{Open: true, Limit: mostOpen})
			return v.missing("what is in flight", err)
		},
		func() (err error) {
			recent, err = v.read.Sagas(v.ctx, client.SagaFilter{Status: client.StatusUndone, Limit: 20})
			return v.missing("what failed", err)
		},
		func() (err error) {
			kind, rest, ok := strings.Cut(actor.Name, ":")
			namespace, name, inside := strings.Cut(rest, "/")
			if ok && inside {
				me, err = v.read.Entity(v.ctx, kind, namespace, name)
			}
			if f.Known = err == nil && me.Ref != ""; f.Known {
				services, err = v.read.Entities(v.ctx, gateway.EntityFilter{Kind: "component", Owner: actor.Name, Limit: 50})
				f.Mine = err == nil && len(services.Items) > 0
			} else if gateway.Missing(err) {
				err = nil
			}
			if !f.Mine && err == nil {
				services, err = v.read.Entities(v.ctx, gateway.EntityFilter{Kind: "component", Limit: 20})
			}
			return v.missing("the catalog", err)
		},
	)
	if err != nil {
		return page.View{}, err
	}
	waiting, err := v.runsOf(all.projects, "", "waiting", 20)
	if err != nil {
		return page.View{}, err
	}
	for _, r := range waiting {
		f.Needs = append(f.Needs, item{Mark: tell.OfRun(r), Href: runPath(r), Text: r.Operation + " of " + r.Resource + " in " + r.Environment + " waits for somebody's word",
			Detail: tell.FirstLine(r.Waiting), At: r.CreatedAt, Story: r.CorrelationID})
	}
	f.Teams = tell.And(teamsOf(me))
	for _, o := range open.Items {
		if o.Status == client.StatusParked {
			f.Needs = append(f.Needs, parked(o))
		} else {
			f.Flight = append(f.Flight, flying(o))
		}
	}
	f.Needs = append(f.Needs, ailing(all, recent.Items, v.now)...)
	f.Expiring = expiring(all.environments, v.now)
	f.Services = servicesOf(services.Items, all)
	f.Fresh = len(all.projects) == 0 && len(services.Items) == 0 && len(v.away) == 0
	f.Say, f.State = sayFront(f)
	return page.View{
		Template: "front", Title: "Overview", Section: "front", Watch: "/live?watch=all", Content: f,
		Commands: []page.Command{{Line: "slipway saga list", Does: "what is in flight or stuck"}, {Line: "slipway get environments", Does: "environments and when they expire"}},
	}, nil
}

func teamsOf(me gateway.Entity) []string {
	var teams []string
	for _, r := range me.Related("memberOf") {
		teams = append(teams, tell.Name(r.TargetRef))
	}
	return teams
}

// sagaTitle says what a saga does: "orders to dev".
func sagaTitle(o client.Operation) string {
	environment, workload, deploys := strings.Cut(o.Subject, "/")
	if workload, ok := o.Details["workload"]; ok && o.Kind == "deployment" {
		return workload + " " + tell.Release(o.Details["version"], o.Details["artifact"]) + " to " + o.Details["environment"]
	}
	switch {
	case o.Kind == "environment":
		return "environment " + o.Subject
	case o.Kind == "environment-delete":
		return "end of environment " + o.Subject
	case o.Kind == "resources" && deploys:
		return "resources of " + workload + " in " + environment
	case o.Kind == "resources-release" && deploys:
		return "release of resources of " + workload + " in " + environment
	}
	return strings.ReplaceAll(o.Kind, "-", " ") + " " + o.Subject
}

// sagaPath is where a saga is best looked at: a deployment has a page.
func sagaPath(o client.Operation) string {
	if o.Kind == "deployment" && o.Status != client.StatusParked {
		return page.Path("projects", o.Project, "deployments", o.ID)
	}
	return page.Path("sagas", o.ID)
}

func parked(o client.Operation) item {
	why := "It cannot go on without a person."
	for _, step := range o.Steps {
		if tell.Stuck(step) {
			why = step.ID + ": " + tell.FirstLine(step.Reason)
		}
	}
	return item{Mark: tell.OfSaga(o), Href: page.Path("sagas", o.ID), Text: sagaTitle(o) + " is parked", Detail: why, At: o.CreatedAt, Story: o.CorrelationID}
}

func flying(o client.Operation) item {
	done, at := 0, ""
	for _, step := range o.Steps {
		switch step.Status {
		case "done", "skipped", "adopted", "undone":
			done++
		case "doing", "waiting", "retrying", "undoing":
			at = step.ID
		}
	}
	detail := fmt.Sprintf("%d of %d steps", done, len(o.Steps))
	if at != "" {
		detail = at + " · " + detail
	}
	return item{Mark: tell.OfSaga(o), Href: sagaPath(o), Text: sagaTitle(o), Detail: detail, At: o.CreatedAt, Story: o.CorrelationID}
}

// ailing is what failed last or does not run well: of each workload in each
// environment the newest deployment only, so that what was mended is silent.
func ailing(all whole, undone []client.Operation, now time.Time) []item {
	var out []item
	seen := map[string]bool{}
	for _, d := range all.deployments {
		key := d.Project + "/" + d.Environment + "/" + d.Workload
		if seen[key] || d.Outcome == "running" && d.Status != client.StatusParked {
			seen[key] = true
			continue
		}
		seen[key] = true
		mark := tell.OfDeployment(d)
		if mark.State == tell.Succeeded || d.Outcome == "parked" {
			continue // the parked are there already, as sagas
		}
		out = append(out, item{
			Mark: mark, Href: page.Path("projects", d.Project, "deployments", d.ID), At: d.CreatedAt, Story: d.CorrelationID,
			Text:   d.Workload + " " + tell.Release(d.Version, d.Artifact) + " " + deploymentVerb(d) + " " + d.Environment,
			Detail: tell.FirstLine(d.Reason),
		})
	}
	for _, w := range all.workloads {
		for _, r := range w.Running {
			if m := tell.OfRunning(r); m.State == tell.Attention || m.State == tell.Failed {
				out = append(out, item{
					Mark: m, Href: page.Path("projects", w.Project, "environments", r.Environment), At: r.Since,
					Text:   r.Instance + " in " + r.Environment + " is " + m.Word,
					Detail: tell.FirstLine(r.Reason),
				})
			}
		}
	}
	for _, o := range undone {
		if o.Kind != "environment" || now.Sub(o.CreatedAt) > lately || slices.ContainsFunc(all.environments, func(e gateway.Environment) bool {
			return e.Project == o.Project && e.Name == o.Subject
		}) {
			continue
		}
		detail := ""
		if o.Failure != nil {
			detail = o.Failure.Step + ": " + tell.FirstLine(o.Failure.Reason)
		}
		out = append(out, item{Mark: tell.OfSaga(o), Href: page.Path("sagas", o.ID), At: o.CreatedAt, Story: o.CorrelationID,
			Text: "environment " + o.Subject + " could not be made", Detail: detail})
	}
	slices.SortStableFunc(out, func(a, b item) int { return b.At.Compare(a.At) })
	return out[:min(len(out), 20)]
}

func deploymentVerb(d gateway.Deployment) string {
	switch d.Outcome {
	case "denied":
		return "may not go to"
	case "needs-approval":
		return "waits for an approval for"
	}
	return "failed in"
}

func expiring(all []gateway.Environment, now time.Time) []item {
	var out []item
	for _, e := range all {
		if e.ExpiresAt == nil || e.ExpiresAt.Sub(now) > soon {
			continue
		}
		out = append(out, item{
			Mark: tell.Mark{State: tell.Attention, Word: "expires"}, Href: environmentPath(e.Project, e.Name), At: *e.ExpiresAt, Until: true,
			Text:   e.Name + ", " + e.Type + " of " + e.Project,
			Detail: tell.Count(len(e.Resources), "resource", "resources") + ", made by " + tell.Name(e.CreatedBy),
		})
	}
	slices.SortStableFunc(out, func(a, b item) int { return a.At.Compare(b.At) })
	return out
}

// servicesOf joins components with their workloads: they share a name.
func servicesOf(entities []gateway.Entity, all whole) []serviceRow {
	var out []serviceRow
	for _, e := range entities {
		row := serviceRow{Entity: e}
		for _, w := range all.workloads {
			if w.Name != e.Metadata.Name {
				continue
			}
			row.Places = append(row.Places, placesOf(w)...)
		}
		for _, d := range all.deployments {
			if d.Workload == e.Metadata.Name {
				row.Last = &d
				row.Mark = tell.OfDeployment(d)
				break
			}
		}
		out = append(out, row)
	}
	return out
}

func placesOf(w gateway.Workload) []place {
	var out []place
	for _, r := range w.Running {
		out = append(out, place{w.Project, r.Environment, tell.Release(r.Version, r.Artifact), tell.OfRunning(r), r.URL})
	}
	return out
}

func sayFront(f frontView) (string, tell.State) {
	if f.Fresh {
		return "There is nothing here yet.", tell.Quiet
	}
	var parts []string
	state := tell.Succeeded
	switch n := len(f.Needs); n {
	case 0:
		parts = append(parts, "nothing needs you")
	case 1:
		parts = append(parts, "1 thing needs somebody")
	default:
		parts = append(parts, fmt.Sprintf("%d things need somebody", n))
	}
	if len(f.Needs) > 0 {
		state = tell.Attention
	} else if len(f.Flight) > 0 {
		state = tell.Running
	}
	parts = append(parts, tell.Count(len(f.Flight), "thing is", "things are")+" in flight")
	if len(f.Flight) == 0 {
		parts[len(parts)-1] = "nothing is in flight"
	}
	if n := len(f.Expiring); n > 0 {
		parts = append(parts, tell.Count(n, "environment expires", "environments expire")+" within a day")
	}
	return tell.Sentence(tell.Capital(tell.And(parts))), state
}
