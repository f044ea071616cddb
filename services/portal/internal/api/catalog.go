package api

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

// choice is one entry of a filter.
type choice struct {
	Label, Href, Count string
	On                 bool
}

// kinds of the catalog, in the order in which people look for them.
func kinds() []string {
	return []string{"Component", "API", "Resource", "System", "Domain", "Group", "User", "Template", "Location"}
}

type catalogView struct {
	Say      string
	Text     string
	Kind     string
	Kinds    []choice
	Entities []gateway.Entity
	Next     string
	Empty    bool // the catalog, not only what was searched for
}

// address is a path with parameters; empty ones are left out.
func address(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (s *Site) catalog(v *visit) (page.View, error) {
	c := catalogView{Text: v.query("q"), Kind: v.query("kind")}
	found, err := v.read.Entities(v.ctx, gateway.EntityFilter{Kind: c.Kind, Text: c.Text, Cursor: v.query("cursor"), Limit: 100})
	if err != nil {
		return page.View{}, err
	}
	c.Entities = found.Items
	if found.NextCursor != "" {
		c.Next = address("/catalog", "q", c.Text, "kind", c.Kind, "cursor", found.NextCursor)
	}
	c.Empty = len(c.Entities) == 0 && c.Text == "" && c.Kind == "" && v.query("cursor") == ""
	c.Kinds = append(c.Kinds, choice{Label: "All", Href: address("/catalog", "q", c.Text), On: c.Kind == ""})
	for _, k := range kinds() {
		c.Kinds = append(c.Kinds, choice{Label: k, Href: address("/catalog", "q", c.Text, "kind", strings.ToLower(k)), On: strings.EqualFold(k, c.Kind)})
	}
	c.Say = sayCatalog(c)
	return page.View{
		Template: "catalog", Title: "Catalog", Section: "catalog", Content: c,
		Commands: []page.Command{
			{Line: "slipway get components", Does: "list a kind"},
			{Line: "slipway apply -f catalog-info.yaml", Does: "hand in entities, as Backstage describes them"},
		},
	}, nil
}

func sayCatalog(c catalogView) string {
	what := tell.Count(len(c.Entities), "entity", "entities")
	if c.Next != "" {
		what = "the first 100 entities"
	}
	of := "in the catalog"
	if c.Kind != "" {
		of = "of kind " + c.Kind
	}
	if c.Text != "" {
		return tell.Sentence(tell.Capital(what) + " " + of + " with “" + c.Text + "”")
	}
	if c.Next != "" {
		return tell.Sentence(tell.Capital(what) + " " + of + " by name; search finds the others")
	}
	return tell.Sentence(tell.Capital(what) + " " + of)
}

// relationGroup is the targets of one type of relation.
type relationGroup struct {
	Label     string
	Relations []gateway.Relation
}

type entityView struct {
	Entity      gateway.Entity
	Owner       string
	Say         string
	State       tell.State
	Places      []place
	Deployments []gateway.Deployment
	Groups      []relationGroup
	Owned       []gateway.Entity
	Definition  string
	Runs        bool // it is of a kind that has workloads
	Projects    []string
}

func (s *Site) entity(v *visit) (page.View, error) {
	kind, namespace, name := v.r.PathValue("kind"), v.r.PathValue("namespace"), v.r.PathValue("name")
	var (
		e     gateway.Entity
		owned client.Page[gateway.Entity]
		all   whole
		runs  = strings.EqualFold(kind, "component")
	)
	asks := []func() error{func() (err error) {
		e, err = v.read.Entity(v.ctx, kind, namespace, name)
		return err
	}}
	if runs {
		asks = append(asks, func() (err error) {
			all, err = v.readAll("", wanted{workloads: true}, 0)
			return err
		})
	}
	if strings.EqualFold(kind, "group") || strings.EqualFold(kind, "user") {
		asks = append(asks, func() (err error) {
			owned, err = v.read.Entities(v.ctx, gateway.EntityFilter{Owner: kind + ":" + namespace + "/" + name, Limit: 100})
			return err
		})
	}
	if err := gateway.Together(asks...); err != nil {
		return page.View{}, err
	}
	view := entityView{Entity: e, Owner: e.Owner(), Runs: runs, Owned: owned.Items, Groups: groups(e), Definition: e.Text("definition")}
	for _, w := range all.workloads {
		if w.Name != e.Metadata.Name {
			continue
		}
		view.Projects = append(view.Projects, w.Project)
		view.Places = append(view.Places, placesOf(w)...)
		found, err := v.read.Deployments(v.ctx, w.Project, "", w.Name, 10)
		if err := v.missing("deployments", err); err != nil {
			return page.View{}, err
		}
		view.Deployments = append(view.Deployments, found...)
	}
	slices.SortFunc(view.Deployments, func(a, b gateway.Deployment) int { return b.CreatedAt.Compare(a.CreatedAt) })
	view.Say, view.State = sayEntity(view)
	out := page.View{
		Template: "entity", Title: e.Label(), Section: "catalog", Content: view,
		Crumbs:   []page.Crumb{{Label: "Catalog", Href: "/catalog"}, {Label: e.Kind, Href: address("/catalog", "kind", strings.ToLower(e.Kind))}},
		Commands: []page.Command{{Line: "slipway describe " + strings.ToLower(e.Kind) + " " + e.Metadata.Name, Does: "this entity"}},
	}
	if runs {
		out.Watch = "/live?watch=all"
		out.Commands = append(out.Commands, page.Command{Line: "slipway deploy " + e.Metadata.Name + " --env dev --wait", Does: "deploy its newest artifact"},
			page.Command{Line: "slipway logs " + e.Metadata.Name + " --env dev -f", Does: "what it writes"})
	}
	return out, nil
}

// groups are an entity's relations by type, in words.
func groups(e gateway.Entity) []relationGroup {
	labels := map[string]string{
		"ownedBy": "Owned by", "ownerOf": "Owns", "partOf": "Part of", "hasPart": "Has parts", "dependsOn": "Depends on",
		"dependencyOf": "Needed by", "providesApi": "Provides", "apiProvidedBy": "Provided by", "consumesApi": "Consumes",
		"apiConsumedBy": "Consumed by", "memberOf": "Member of", "hasMember": "Members", "parentOf": "Has teams", "childOf": "Belongs to",
	}
	byType := map[string][]gateway.Relation{}
	for _, r := range e.Relations {
		byType[r.Type] = append(byType[r.Type], r)
	}
	var out []relationGroup
	for t, relations := range byType {
		out = append(out, relationGroup{cmp.Or(labels[t], t), relations})
	}
	slices.SortFunc(out, func(a, b relationGroup) int { return strings.Compare(a.Label, b.Label) })
	return out
}

// sayEntity is the sentence of state: for what runs, where; else what it is.
func sayEntity(v entityView) (string, tell.State) {
	e := v.Entity
	if !v.Runs {
		text := strings.ToLower(e.Kind)
		if t := e.Text("type"); t != "" {
			text = t + " " + text
		}
		text = e.Label() + " is a " + text
		if v.Owner != "" {
			text += " of " + tell.Name(v.Owner)
		}
		if n := len(v.Owned); n > 0 {
			text += "; " + tell.Count(n, "entity is", "entities are") + " owned by it"
		}
		return tell.Sentence(text), tell.Quiet
	}
	if len(v.Places) == 0 {
		return tell.Sentence(e.Label() + " runs nowhere"), tell.Quiet
	}
	state := tell.Succeeded
	byRelease := map[string][]string{}
	var releases []string
	for _, p := range v.Places {
		if p.Mark.State == tell.Failed || p.Mark.State == tell.Attention {
			state = tell.Attention
		}
		if byRelease[p.Release] == nil {
			releases = append(releases, p.Release)
		}
		byRelease[p.Release] = append(byRelease[p.Release], p.Environment)
	}
	var parts []string
	for _, r := range releases {
		parts = append(parts, r+" in "+tell.And(byRelease[r]))
	}
	text := e.Label() + " runs " + tell.And(parts)
	if len(v.Deployments) > 0 {
		if last := v.Deployments[0]; last.Outcome != "done" {
			m := tell.OfDeployment(last)
			text += "; " + tell.Release(last.Version, last.Artifact) + " to " + last.Environment + ": " + m.Word
			state = m.State
		}
	}
	return tell.Sentence(text), state
}
