package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

// shown is how many events the explorer shows. It looks for them in the last
// few of the stream first and then this far back, unless somebody says further.
const (
	shown    = 100
	near     = 400
	far      = 1000
	farthest = 100000
)

type eventRow struct {
	client.Event
	Label   string // the type without what all of them share
	Pin     string
	Outside bool
	Path    string // of the event, "" where it belongs to no story
	Story   string
}

type explorerView struct {
	Say      string
	Text     string
	Type     string
	Project  string
	Filter   string
	Projects []gateway.Project
	Rows     []eventRow
	Wrong    string
	Further  string // where to look further back
}

func (s *Site) explorer(v *visit) (page.View, error) {
	view := explorerView{Text: v.query("q"), Type: v.query("type"), Project: v.query("project"), Filter: v.query("filter")}
	projects, err := v.read.Projects(v.ctx)
	if err := v.missing("projects", err); err != nil {
		return page.View{}, err
	}
	view.Projects = projects
	f := eventFilter(view.Text, view.Type, view.Project, view.Filter)
	back, _ := strconv.Atoi(v.query("back"))
	back = min(max(back, far), farthest)
	found, all, err := newest(v, f, back)
	if p := problemOf(err); err != nil && p.Status == 400 {
		view.Wrong = p.Error()
	} else if err != nil {
		return page.View{}, err
	}
	for _, e := range found {
		view.Rows = append(view.Rows, rowOf(e))
	}
	if !all && len(found) < shown && back < farthest {
		view.Further = address("/explorer", "q", view.Text, "type", view.Type, "project", view.Project, "filter", view.Filter, "back", strconv.Itoa(back*5))
	}
	view.Say = sayExplorer(view, back)
	return page.View{
		Template: "explorer", Title: "Events", Section: "explorer", Wide: true, Content: view,
		Watch: address("/live", "watch", "rows", "q", view.Text, "type", view.Type, "project", view.Project, "filter", view.Filter),
		Commands: []page.Command{
			{Line: "slipway events tail", Does: "the same, as it happens"},
			{Line: "slipway events tail --filter \"subject LIKE 'dev/%'\" --since 1h", Does: "only what an expression in CESQL says"},
		},
	}, nil
}

// newest are the last events that a filter lets through, the newest first.
// all says that there are no others, however far back one looks.
func newest(v *visit, f client.EventFilter, back int) (found []client.Event, all bool, err error) {
	everything := f.Filter == "" && f.Type == "" && f.Project == ""
	if everything {
		back = shown
	}
	for _, window := range []int{min(near, back), back} {
		found, f.Since, f.Limit, f.Cursor = nil, fmt.Sprintf("-%d", window), 1000, ""
		for more := true; more; more = f.Cursor != "" {
			got, err := v.read.Events(v.ctx, f)
			if err != nil {
				return nil, false, err
			}
			found, f.Cursor = append(found, got.Items...), got.NextCursor
		}
		if len(found) >= shown || everything {
			break
		}
	}
	slices.Reverse(found)
	return found[:min(shown, len(found))], everything, nil
}

// eventFilter says what is searched for as the API understands it.
func eventFilter(text, eventType, project, filter string) client.EventFilter {
	var all []string
	if filter != "" {
		all = append(all, "("+filter+")")
	}
	for _, word := range strings.Fields(text) {
		w := like(word)
		all = append(all, "(type LIKE "+w+" OR subject LIKE "+w+" OR source LIKE "+w+" OR (EXISTS actor AND actor LIKE "+w+") OR (EXISTS correlationid AND correlationid LIKE "+w+"))")
	}
	return client.EventFilter{Project: project, Type: eventType, Filter: strings.Join(all, " AND ")}
}

// like is a word as a pattern of CESQL that finds it anywhere.
func like(word string) string {
	word = strings.NewReplacer(`\`, ``, `'`, `\'`, `%`, `\%`, `_`, `\_`).Replace(word)
	return "'%" + word + "%'"
}

func rowOf(e client.Event) eventRow {
	row := eventRow{Event: e, Label: label(e.Type), Outside: !strings.HasPrefix(e.Source, "/slipway/")}
	row.Pin = pin(client.TimelineEntry{Type: e.Type})
	if e.CorrelationID != "" {
		row.Story = page.Path("timelines", e.CorrelationID)
		row.Path = page.Path("timelines", e.CorrelationID, "events", e.ID)
	}
	return row
}

// label is an event's type without what all of them share and without its
// version: "deployer.deployment.failed", "cdevents.service.deployed".
func label(eventType string) string {
	text := strings.TrimPrefix(strings.TrimPrefix(eventType, "dev.slipway."), "dev.")
	words := strings.Split(text, ".")
	for len(words) > 1 && strings.Trim(words[len(words)-1], "v0123456789") == "" {
		words = words[:len(words)-1]
	}
	return strings.Join(words, ".")
}

func sayExplorer(view explorerView, back int) string {
	switch {
	case view.Wrong != "":
		return tell.Sentence(view.Wrong)
	case len(view.Rows) == 0 && view.Text+view.Type+view.Project+view.Filter != "":
		return fmt.Sprintf("None of the last %d events is like this.", back)
	case len(view.Rows) == 0:
		return "No events yet."
	}
	return tell.Sentence(fmt.Sprintf("The last %s, newest first", tell.Count(len(view.Rows), "event", "events")))
}

type typesView struct {
	Say    string
	Owners []typeGroup
}

type typeGroup struct {
	Owner string
	Types []gateway.EventType
}

func (s *Site) eventTypes(v *visit) (page.View, error) {
	all, err := v.read.EventTypes(v.ctx)
	if err != nil {
		return page.View{}, err
	}
	view := typesView{}
	for _, t := range all {
		i := slices.IndexFunc(view.Owners, func(g typeGroup) bool { return g.Owner == t.Owner })
		if i < 0 {
			view.Owners, i = append(view.Owners, typeGroup{Owner: t.Owner}), len(view.Owners)
		}
		view.Owners[i].Types = append(view.Owners[i].Types, t)
	}
	view.Say = tell.Sentence(tell.Count(len(all), "public type", "public types") + " of event, each with a schema that only grows within its version")
	return page.View{
		Template: "types", Title: "Event types", Section: "explorer", Content: view,
		Crumbs:   []page.Crumb{{Label: "Events", Href: "/explorer"}},
		Commands: []page.Command{{Line: "slipway events types", Does: "the same"}, {Line: "slipway events schema TYPE", Does: "what its data may be"}},
	}, nil
}

type typeView struct {
	gateway.EventType
	Schema string
	Fields []field
}

// field is one property of a schema.
type field struct {
	Name, Type, Says string
	Required         bool
}

func (s *Site) eventType(v *visit) (page.View, error) {
	name := v.r.PathValue("type")
	var all []gateway.EventType
	view := typeView{}
	err := gateway.Together(
		func() (err error) { all, err = v.read.EventTypes(v.ctx); return err },
		func() (err error) { view.Schema, err = v.read.EventSchema(v.ctx, name); return err },
	)
	if err != nil {
		return page.View{}, err
	}
	view.EventType = gateway.EventType{Type: name}
	if i := slices.IndexFunc(all, func(t gateway.EventType) bool { return t.Type == name }); i >= 0 {
		view.EventType = all[i]
	}
	view.Fields = fieldsOf(view.Schema)
	return page.View{
		Template: "type", Title: name, Section: "explorer", Content: view,
		Crumbs:   []page.Crumb{{Label: "Events", Href: "/explorer"}, {Label: "Types", Href: "/event-types"}},
		Commands: []page.Command{{Line: "slipway events schema " + name, Does: "this schema"}, {Line: "slipway events tail --filter \"type = '" + name + "'\"", Does: "events of it as they come"}},
	}, nil
}

// fieldsOf reads the properties of a JSON Schema, as far as they are plain.
func fieldsOf(text string) []field {
	var schema struct {
		Required   []string `json:"required"`
		Properties map[string]struct {
			Type        any    `json:"type"`
			Description string `json:"description"`
			Format      string `json:"format"`
		} `json:"properties"`
	}
	if json.Unmarshal([]byte(text), &schema) != nil {
		return nil
	}
	var out []field
	for name, p := range schema.Properties {
		f := field{Name: name, Says: p.Description, Required: slices.Contains(schema.Required, name)}
		if p.Type != nil {
			f.Type = strings.Trim(fmt.Sprint(p.Type), "[]")
		}
		if p.Format != "" {
			f.Type += ", " + p.Format
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b field) int {
		if a.Required != b.Required {
			return map[bool]int{true: -1, false: 1}[a.Required]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}
