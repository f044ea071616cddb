package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

// functions are what templates may call.
func (p *Pages) functions() template.FuncMap {
	return template.FuncMap{
		"asset":   p.AssetPath,
		"ago":     func(t any) template.HTML { return p.when(t, tell.Ago) },
		"in":      func(t any) template.HTML { return p.when(t, tell.In) },
		"span":    tell.Span,
		"ms":      func(n int64) string { return tell.Span(time.Duration(n) * time.Millisecond) },
		"short":   tell.Short,
		"release": tell.Release,
		"name":    tell.Name,
		"first":   tell.FirstLine,
		"rest":    rest,
		"person":  person,
		"path":    Path,
		"entity":  EntityPath,
		"markof":  markOf,
		"action":  tell.OfAction,
		"clock":   p.clockTime,
		"state": func(s, word any) tell.Mark {
			return tell.Mark{State: tell.State(fmt.Sprint(s)), Word: fmt.Sprint(word)}
		},
		"value":    value,
		"sorted":   sorted,
		"join":     func(words []string) string { return strings.Join(words, ", ") },
		"lower":    strings.ToLower,
		"domid":    domID,
		"sentence": tell.Sentence,
		"capital":  tell.Capital,
		"brief":    tell.Brief,
		"count":    tell.Count,
		"unix":     unix,
		"dict":     dict,
		"nav":      Navigation,
	}
}

// Entry is one of the navigation. Key is typed after g.
type Entry struct{ Section, Label, Href, Icon, Key string }

// Navigation is what leads through the portal, in its order.
func Navigation() []Entry {
	return []Entry{
		{"front", "Overview", "/", "home", "o"},
		{"catalog", "Catalog", "/catalog", "grid", "c"},
		{"environments", "Environments", "/environments", "layers", "e"},
		{"deployments", "Deployments", "/deployments", "ship", "d"},
		{"runs", "Runs", "/runs", "play", "r"},
		{"sagas", "Sagas", "/sagas", "steps", "s"},
		{"timelines", "Timelines", "/timelines", "line", "t"},
		{"explorer", "Events", "/explorer", "pulse", "v"},
		{"projects", "Projects", "/projects", "box", "p"},
	}
}

// when is a time as people say it, exact on hover. t is a time.Time or a
// *time.Time.
func (p *Pages) when(t any, say func(t, now time.Time) string) template.HTML {
	at, ok := timeOf(t)
	if !ok {
		return `<span class="none">never</span>`
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // times only
		at.UTC().Format(time.RFC3339), tell.Exact(at), template.HTMLEscapeString(say(at, p.clock()))))
}

func timeOf(t any) (time.Time, bool) {
	switch t := t.(type) {
	case time.Time:
		return t, !t.IsZero()
	case *time.Time:
		if t != nil {
			return *t, true
		}
	}
	return time.Time{}, false
}

// markOf marks what is shown in lists all over.
func markOf(d gateway.Deployment) tell.Mark { return tell.OfDeployment(d) }

// clockTime is the time of day to the millisecond, for lines that follow each
// other fast, and the day where that is not today.
func (p *Pages) clockTime(t any) template.HTML {
	at, ok := timeOf(t)
	if !ok {
		return ""
	}
	form := "15:04:05.000"
	if p.clock().Sub(at) > 20*time.Hour {
		form = "2 Jan 15:04:05"
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // times only
		at.UTC().Format(time.RFC3339Nano), tell.Exact(at), at.UTC().Format(form)))
}

// unix is what a column of times is sorted by.
func unix(t any) int64 {
	at, ok := timeOf(t)
	if !ok {
		return 0
	}
	return at.UnixMilli()
}

// Path joins segments, each escaped.
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// EntityPath is the page of an entity, by its reference kind:namespace/name.
// Kind and namespace may be left out as in the catalog; "" where it names none.
func EntityPath(ref string) string {
	kind, rest, ok := strings.Cut(ref, ":")
	if !ok || kind == "" || rest == "" {
		return ""
	}
	namespace, name, ok := strings.Cut(rest, "/")
	if !ok {
		namespace, name = "default", rest
	}
	return Path("catalog", strings.ToLower(kind), namespace, name)
}

// person is who did something: a link where the catalog may know them.
func person(actor string) template.HTML {
	name := template.HTMLEscapeString(tell.Name(actor))
	switch {
	case actor == "":
		return `<span class="none">nobody</span>`
	case strings.HasPrefix(actor, "user:") || strings.HasPrefix(actor, "group:"):
		return template.HTML(fmt.Sprintf(`<a href="%s">%s</a>`, template.HTMLEscapeString(EntityPath(actor)), name)) //nolint:gosec // both escaped
	}
	return template.HTML(fmt.Sprintf(`<span title="%s">%s</span>`, template.HTMLEscapeString(actor), name)) //nolint:gosec // both escaped
}

// rest is a text without its first line.
func rest(text string) string {
	_, after, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(after)
}

// Value is one output or input as it is shown.
type Value struct {
	Text   string
	Secret string // the name of the secret that it is
	URL    string
	Long   bool // of several lines
}

func value(v any) Value {
	switch v := v.(type) {
	case string:
		out := Value{Text: v, Long: strings.Contains(v, "\n")}
		if strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://") {
			out.URL = v
		}
		return out
	case map[string]any:
		if name, ok := v["secretRef"].(string); ok && len(v) == 1 {
			return Value{Secret: name}
		}
	case nil:
		return Value{Text: "null"}
	}
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return Value{Text: fmt.Sprint(v)}
	}
	return Value{Text: string(raw), Long: strings.Contains(string(raw), "\n")}
}

// Pair is a key with its value.
type Pair struct {
	Key   string
	Value any
}

func sorted(m map[string]any) []Pair {
	out := make([]Pair, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, Pair{k, m[k]})
	}
	return out
}

// domID is an id for an element: letters, digits and dashes.
func domID(parts ...string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.Join(parts, "-"))
}

func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}
