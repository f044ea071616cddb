package api

import (
	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

type projectsView struct {
	Say  string
	Rows []gateway.Project
}

func (s *Site) projects(v *visit) (page.View, error) {
	all, err := v.read.Projects(v.ctx)
	if err != nil {
		return page.View{}, err
	}
	return page.View{
		Template: "projects", Title: "Projects", Section: "projects", Content: projectsView{
			Say:  tell.Sentence(tell.Count(len(all), "project", "projects") + ": environments, workloads, resources and their events live in one"),
			Rows: all,
		},
		Commands: []page.Command{{Line: "slipway get projects", Does: "the same"}},
	}, nil
}

type projectView struct {
	gateway.Project
	Say          string
	State        tell.State
	Environments []environmentRow
	Workloads    []gateway.Workload
	Deployments  []gateway.Deployment
	Definitions  []gateway.Definition
}

func (s *Site) project(v *visit) (page.View, error) {
	name := v.r.PathValue("project")
	view := projectView{State: tell.Quiet}
	err := gateway.Together(
		func() (err error) { view.Project, err = v.read.Project(v.ctx, name); return err },
		func() error {
			found, err := v.read.Environments(v.ctx, name)
			for _, e := range found {
				view.Environments = append(view.Environments, environmentRow{e, markEnvironment(e, v), workloadsOf(e)})
			}
			return v.missing("environments", err)
		},
		func() (err error) {
			view.Workloads, err = v.read.Workloads(v.ctx, name)
			return v.missing("workloads", err)
		},
		func() (err error) {
			view.Deployments, err = v.read.Deployments(v.ctx, name, "", "", 10)
			return v.missing("deployments", err)
		},
		func() (err error) {
			view.Definitions, err = v.read.Definitions(v.ctx, name)
			return v.missing("resource definitions", err)
		},
	)
	if err != nil {
		return page.View{}, err
	}
	view.Say = tell.Sentence(name + " has " + tell.And([]string{
		tell.Count(len(view.Workloads), "workload", "workloads"), tell.Count(len(view.Environments), "environment", "environments"),
	}))
	return page.View{
		Template: "project", Title: name, Section: "projects", Watch: address("/live", "watch", "all", "project", name), Content: view,
		Crumbs: []page.Crumb{{Label: "Projects", Href: "/projects"}},
		Commands: []page.Command{
			{Line: "slipway get workloads --project " + name, Does: "workloads and where they run"},
			{Line: "slipway get resource-definitions --project " + name, Does: "how resources are made"},
		},
	}, nil
}
