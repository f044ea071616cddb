package api

import (
	"net/http"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

// hit is one thing that was found.
type hit struct{ Label, What, Href string }

type searchView struct {
	Text string
	Say  string
	Hits []hit
}

// suggested is how many hits are shown while one types.
const suggested = 8

func (s *Site) search(v *visit) (page.View, error) {
	view := searchView{Text: v.query("q")}
	part := v.query("part") != ""
	if view.Text != "" {
		if to := straight(view.Text); to != "" && !part {
			return page.View{}, redirect{to}
		}
		hits, err := v.find(view.Text)
		if err != nil {
			return page.View{}, err
		}
		view.Hits = hits
	}
	if part {
		view.Hits = view.Hits[:min(suggested, len(view.Hits))]
		body, err := s.Pages.Part("search", "hits", view)
		if err != nil {
			return page.View{}, err
		}
		page.Send(v.w, v.r, http.StatusOK, body)
		return page.View{}, nil
	}
	view.Say = tell.Sentence(tell.Count(len(view.Hits), "thing", "things") + " found for “" + view.Text + "”")
	if view.Text == "" {
		view.Say = "Search finds entities, environments, workloads, pages, and the ids of deployments, sagas and stories."
	}
	return page.View{Template: "search", Title: "Search", Content: view}, nil
}

// straight is where an id leads without a search.
func straight(text string) string {
	switch {
	case !httpapi.ValidID(text):
		return ""
	case strings.HasPrefix(text, "dpl-"), strings.HasPrefix(text, "env-"), strings.HasPrefix(text, "res-"):
		if len(text) > 10 {
			return page.Path("sagas", text)
		}
	case len(text) == 32 && strings.Trim(text, "0123456789abcdef") == "":
		return page.Path("timelines", text)
	}
	return ""
}

func (v *visit) find(text string) ([]hit, error) {
	var entities []gateway.Entity
	var all whole
	err := gateway.Together(
		func() error {
			found, err := v.read.Entities(v.ctx, gateway.EntityFilter{Text: text, Limit: 50})
			entities = found.Items
			return v.missing("the catalog", err)
		},
		func() (err error) {
			all, err = v.readAll("", wanted{environments: true, workloads: true}, 0)
			return err
		},
	)
	if err != nil {
		return nil, err
	}
	var hits []hit
	if to := straight(text); to != "" {
		hits = append(hits, hit{text, "by its id", to})
	}
	word := strings.ToLower(text)
	has := func(name string) bool { return strings.Contains(strings.ToLower(name), word) }
	for _, e := range page.Navigation() {
		if strings.HasPrefix(strings.ToLower(e.Label), word) {
			hits = append(hits, hit{e.Label, "page", e.Href})
		}
	}
	for _, e := range entities {
		hits = append(hits, hit{e.Label(), strings.ToLower(e.Kind), page.EntityPath(e.Ref)})
	}
	for _, p := range all.projects {
		if has(p.Name) {
			hits = append(hits, hit{p.Name, "project", page.Path("projects", p.Name)})
		}
	}
	for _, e := range all.environments {
		if has(e.Name) {
			hits = append(hits, hit{e.Name, "environment of " + e.Project, environmentPath(e.Project, e.Name)})
		}
		for _, r := range e.Resources {
			if has(r.Name) {
				hits = append(hits, hit{r.Name, r.Type + " in " + e.Name, resourcePath(r)})
			}
		}
	}
	return hits, nil
}
