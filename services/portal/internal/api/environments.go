package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/graph"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

func environmentPath(project, name string) string {
	return page.Path("projects", project, "environments", name)
}

func resourcePath(r gateway.Resource) string {
	return page.Path("projects", r.Project, "environments", r.Environment, "resources", r.Name)
}

// projectChoices are the filter of a list by project: none where there is one
// project only.
func projectChoices(path, only string, projects []gateway.Project) []choice {
	if len(projects) < 2 {
		return nil
	}
	out := []choice{{Label: "All projects", Href: path, On: only == ""}}
	for _, p := range projects {
		out = append(out, choice{Label: p.Name, Href: address(path, "project", p.Name), On: p.Name == only})
	}
	return out
}

type environmentRow struct {
	gateway.Environment
	Mark      tell.Mark
	Workloads []string
}

type environmentsView struct {
	Say      string
	State    tell.State
	Projects []choice
	Rows     []environmentRow
}

func (s *Site) environments(v *visit) (page.View, error) {
	only := v.query("project")
	all, err := v.readAll(only, wanted{environments: true}, 0)
	if err != nil {
		return page.View{}, err
	}
	view := environmentsView{Projects: projectChoices("/environments", only, all.projects), State: tell.Quiet}
	var expire, busy int
	for _, e := range all.environments {
		row := environmentRow{Environment: e, Mark: markEnvironment(e, v), Workloads: workloadsOf(e)}
		switch row.Mark.State {
		case tell.Attention:
			expire++
		case tell.Running:
			busy++
		}
		view.Rows = append(view.Rows, row)
	}
	parts := []string{tell.Count(len(view.Rows), "environment", "environments")}
	if busy > 0 {
		parts, view.State = append(parts, fmt.Sprintf("%d being made or destroyed", busy)), tell.Running
	}
	if expire > 0 {
		parts, view.State = append(parts, tell.Count(expire, "expires", "expire")+" within a day"), tell.Attention
	}
	view.Say = tell.Sentence(strings.Join(parts, ", "))
	return page.View{
		Template: "environments", Title: "Environments", Section: "environments", Watch: address("/live", "watch", "all", "project", only), Content: view,
		Commands: []page.Command{
			{Line: "slipway env list", Does: "the environments of a project"},
			{Line: "slipway env create NAME --type preview --ttl 48h", Does: "make one, with nothing in it"},
		},
	}, nil
}

// markEnvironment is the state of an environment, in which one that is about
// to expire needs attention.
func markEnvironment(e gateway.Environment, v *visit) tell.Mark {
	m := tell.OfEnvironment(e)
	if m.State == tell.Succeeded && e.ExpiresAt != nil && e.ExpiresAt.Sub(v.now) < soon {
		return tell.Mark{State: tell.Attention, Word: "expires soon"}
	}
	return m
}

func workloadsOf(e gateway.Environment) []string {
	var out []string
	for _, c := range e.Claims {
		if c.Workload != "" && !slices.Contains(out, c.Workload) {
			out = append(out, c.Workload)
		}
	}
	slices.Sort(out)
	return out
}

type runningRow struct {
	Workload string
	gateway.Running
	Mark tell.Mark
}

type environmentView struct {
	gateway.Environment
	Mark      tell.Mark
	Say       string
	Running   []runningRow
	Resources []resourceRow
	Graph     *graph.Drawing
	Deploys   []gateway.Deployment
	Own       bool // it may be destroyed from here: nothing runs in it
}

type resourceRow struct {
	gateway.Resource
	Mark tell.Mark
	Href string
}

func (s *Site) environment(v *visit) (page.View, error) {
	project, name := v.r.PathValue("project"), v.r.PathValue("environment")
	var (
		e         gateway.Environment
		workloads []gateway.Workload
		view      environmentView
	)
	err := gateway.Together(
		func() (err error) { e, err = v.read.Environment(v.ctx, project, name); return err },
		func() (err error) {
			workloads, err = v.read.Workloads(v.ctx, project)
			return v.missing("workloads", err)
		},
		func() (err error) {
			view.Deploys, err = v.read.Deployments(v.ctx, project, name, "", 10)
			return v.missing("deployments", err)
		},
	)
	if err != nil {
		return page.View{}, err
	}
	view.Environment, view.Mark = e, markEnvironment(e, v)
	for _, w := range workloads {
		for _, r := range w.Running {
			if r.Environment == name {
				view.Running = append(view.Running, runningRow{w.Name, r, tell.OfRunning(r)})
			}
		}
	}
	for _, r := range e.Resources {
		view.Resources = append(view.Resources, resourceRow{r, tell.OfResource(r), resourcePath(r)})
	}
	view.Own = len(view.Running) == 0 && e.Status == "ready"
	view.Say = sayEnvironment(view, v)
	view.Graph = graph.Draw(environmentGraph(view))
	commands := []page.Command{{Line: "slipway describe environment " + name + " --project " + project, Does: "this environment"}}
	if e.ExpiresAt != nil {
		commands = append(commands, page.Command{Line: "slipway env extend " + name + " --ttl 48h --project " + project, Does: "let it live longer"})
	}
	commands = append(commands,
		page.Command{Line: "slipway env clone " + name + " NEW --project " + project, Does: "another one like it"},
		page.Command{Line: "slipway env delete " + name + " --project " + project, Does: "destroy it with everything in it"})
	return page.View{
		Template: "environment", Title: name, Section: "environments", Watch: address("/live", "watch", "all", "project", project), Content: view,
		Crumbs:   []page.Crumb{{Label: "Environments", Href: "/environments"}, {Label: project, Href: page.Path("projects", project)}},
		Commands: commands,
	}, nil
}

func sayEnvironment(view environmentView, v *visit) string {
	e := view.Environment
	switch e.Status {
	case "creating":
		return tell.Sentence(e.Name + " is being made")
	case "deleting":
		return tell.Sentence(e.Name + " is being destroyed")
	}
	var releases []string
	bad := 0
	for _, r := range view.Running {
		releases = append(releases, r.Workload+" "+tell.Release(r.Version, r.Artifact))
		if r.Mark.State == tell.Failed || r.Mark.State == tell.Attention {
			bad++
		}
	}
	text := e.Name + " runs " + tell.And(releases)
	if len(releases) == 0 {
		text = "Nothing runs in " + e.Name
	}
	text += " on " + tell.Count(len(e.Resources), "resource", "resources")
	if bad > 0 {
		text += "; " + tell.Count(bad, "does", "do") + " not run well"
	}
	if e.ExpiresAt != nil {
		text += "; it expires " + tell.In(*e.ExpiresAt, v.now)
	}
	return tell.Sentence(text)
}

// environmentGraph has an arrow from each workload to what it asked for, and
// from each resource to what that needs.
func environmentGraph(view environmentView) graph.Graph {
	g := graph.Graph{}
	needed := map[string]bool{}
	for _, r := range view.Environment.Resources {
		for _, d := range r.DependsOn {
			needed[d] = true
		}
	}
	for _, w := range workloadsOf(view.Environment) {
		node := graph.Node{ID: "w:" + w, Label: w, Under: "workload", Kind: "workload", State: string(tell.Quiet), Href: page.EntityPath("component:" + w)}
		for _, r := range view.Running {
			if r.Workload == w {
				node.State, node.Under = string(r.Mark.State), "workload · "+tell.Release(r.Version, r.Artifact)
			}
		}
		g.Nodes = append(g.Nodes, node)
	}
	for _, r := range view.Resources {
		label := r.Name
		for _, w := range r.Workloads {
			label = strings.TrimPrefix(label, w+".")
		}
		g.Nodes = append(g.Nodes, graph.Node{ID: r.Name, Label: label, Under: r.Type + " · " + r.Definition, Kind: "resource", State: string(r.Mark.State), Href: r.Href})
		for _, w := range r.Workloads {
			if !needed[r.Name] {
				g.Edges = append(g.Edges, graph.Edge{From: "w:" + w, To: r.Name})
			}
		}
		for _, d := range r.DependsOn {
			g.Edges = append(g.Edges, graph.Edge{From: r.Name, To: d})
		}
	}
	return g
}

type resourceView struct {
	gateway.Resource
	Mark       tell.Mark
	Say        string
	Definition *gateway.Definition
	Needs      []resourceRow
	NeededBy   []resourceRow
	Secrets    int
	Stack      *client.Stack
	Runs       []runRow
}

func (s *Site) resource(v *visit) (page.View, error) {
	project, environment, name := v.r.PathValue("project"), v.r.PathValue("environment"), v.r.PathValue("resource")
	e, err := v.read.Environment(v.ctx, project, environment)
	if err != nil {
		return page.View{}, err
	}
	view := resourceView{}
	for _, r := range e.Resources {
		row := resourceRow{r, tell.OfResource(r), resourcePath(r)}
		switch {
		case r.Name == name:
			view.Resource, view.Mark = r, row.Mark
		case slices.Contains(r.DependsOn, name):
			view.NeededBy = append(view.NeededBy, row)
		}
	}
	if view.Resource.Name == "" {
		return page.View{}, httpapi.NotFound("resource", name, "The environment "+environment+" lists those it has.")
	}
	for _, r := range e.Resources {
		if slices.Contains(view.DependsOn, r.Name) {
			view.Needs = append(view.Needs, resourceRow{r, tell.OfResource(r), resourcePath(r)})
		}
	}
	if d, err := v.read.Definition(v.ctx, project, view.Resource.Definition); err == nil {
		view.Definition = &d
	} else if !gateway.Missing(err) {
		if err := v.missing("its definition", err); err != nil {
			return page.View{}, err
		}
	}
	for _, out := range view.Outputs {
		if ref, ok := out.(map[string]any); ok && ref["secretRef"] != nil {
			view.Secrets++
		}
	}
	if err := v.stackOf(&view); err != nil {
		return page.View{}, err
	}
	view.Say = sayResource(view)
	crumbs := []page.Crumb{{Label: "Environments", Href: "/environments"}, {Label: environment, Href: environmentPath(project, environment)}}
	commands := []page.Command{{Line: "slipway describe resource " + environment + "/" + name + " --project " + project, Does: "this resource"}}
	for _, w := range view.Workloads {
		commands = append(commands, page.Command{Line: "slipway resources explain " + w + " --env " + environment + " --project " + project, Does: "which definition matches, and why"})
	}
	return page.View{
		Template: "resource", Title: name, Section: "environments", Watch: address("/live", "watch", "all", "project", project), Content: view, Crumbs: crumbs, Commands: commands,
	}, nil
}

// stackOf adds what an engine keeps of a resource, and its last runs.
func (v *visit) stackOf(view *resourceView) error {
	stacks, err := v.read.Stacks(v.ctx, view.Project, view.Environment)
	if gateway.Missing(err) {
		return nil
	}
	for _, st := range stacks {
		if st.Resource != view.Name {
			continue
		}
		view.Stack = &st
		found, err := v.read.Runs(v.ctx, view.Project, client.RunFilter{Stack: st.Name, Limit: 10})
		for _, r := range found.Items {
			view.Runs = append(view.Runs, runRowOf(r))
		}
		return v.missing("its runs", err)
	}
	return v.missing("its stack", err)
}

func sayResource(view resourceView) string {
	if view.Detail != "" {
		return tell.Sentence(view.Name + " fails: " + tell.FirstLine(view.Detail))
	}
	text := fmt.Sprintf("%s is a %s, %s, made by %s with %s", view.Name, view.Type, view.Mark.Word, view.Resource.Definition, view.Driver)
	if len(view.Workloads) > 0 {
		text += ", for " + tell.And(view.Workloads)
	}
	if view.Protect {
		text += "; it is protected"
	}
	return tell.Sentence(text)
}

func (s *Site) extend(v *visit) error {
	project, name := v.r.PathValue("project"), v.r.PathValue("environment")
	if err := v.read.Extend(v.ctx, project, name, strings.TrimSpace(v.r.PostFormValue("ttl"))); err != nil {
		return err
	}
	return did(environmentPath(project, name), "extend")
}

func (s *Site) deleteEnvironment(v *visit) error {
	project, name := v.r.PathValue("project"), v.r.PathValue("environment")
	if v.r.PostFormValue("name") != name {
		return httpapi.Unprocessable(httpapi.Fault{Pointer: "name", Message: "to destroy " + name + ", its name must be typed"})
	}
	saga, err := v.read.DeleteEnvironment(v.ctx, project, name)
	if err != nil {
		return err
	}
	if saga == "" {
		return did("/environments", "delete")
	}
	return did(page.Path("sagas", saga), "delete")
}
