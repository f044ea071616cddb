// Package page renders pages: templates, the one stylesheet, the one script
// and the icon are in it, and everything that is said alike on every page.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets
var assets embed.FS

// View is what a handler gives to be shown.
type View struct {
	// Template names templates/<name>.html.
	Template string
	Title    string
	// Section is the entry of the navigation that the page belongs to.
	Section string
	Crumbs  []Crumb
	// Watch is where the page hears that it changed, as a path; "" is never.
	Watch string
	// Commands do the same in a terminal, or show the same.
	Commands []Command
	Content  any
	// Wide uses all of a wide screen.
	Wide bool
}

// Crumb leads to what a page is part of.
type Crumb struct{ Label, Href string }

// Command is one of the CLI and what it does.
type Command struct{ Line, Does string }

// Frame is what is around a view on every page.
type Frame struct {
	View
	Actor   string
	Signed  bool   // somebody is signed in
	CanExit bool   // by the portal's own cookie
	Proof   string // of a form
	Note    string // what the last action did
	Theme   string // "", light or dark
	Query   string // in the search box
	Path    string
	// Away are the services that did not answer, so that something is missing.
	Away    []string
	Version string
}

// Pages are all templates, parsed.
type Pages struct {
	byName map[string]*template.Template
	clock  func() time.Time
	static map[string]static
	digest string
}

type static struct {
	body, zipped []byte
	media        string
}

// New parses everything; an error is a fault of the program.
func New(clock func() time.Time) (*Pages, error) {
	p := &Pages{byName: map[string]*template.Template{}, clock: clock, static: map[string]static{}}
	if err := p.loadAssets(); err != nil {
		return nil, err
	}
	base, err := template.New("layout.html").Funcs(p.functions()).ParseFS(templates, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(templates, file)
		}
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		p.byName[name] = t
	}
	return p, nil
}

// Render makes a whole page.
func (p *Pages) Render(f Frame) ([]byte, error) {
	return p.execute(f.Template, "layout.html", f)
}

// Part makes one named part of a page, such as a row that is added to it.
func (p *Pages) Part(page, part string, data any) ([]byte, error) {
	return p.execute(page, part, data)
}

func (p *Pages) execute(page, part string, data any) ([]byte, error) {
	t, ok := p.byName[page]
	if !ok {
		return nil, fmt.Errorf("there is no page %q", page)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (p *Pages) loadAssets() error {
	sum := sha256.New()
	err := fs.WalkDir(assets, "assets", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := assets.ReadFile(file)
		if err != nil {
			return err
		}
		_, _ = sum.Write(body)
		zipped, err := Zip(body)
		p.static[path.Base(file)] = static{body: body, zipped: zipped, media: media(file)}
		return err
	})
	p.digest = hex.EncodeToString(sum.Sum(nil))[:10]
	return err
}

func media(file string) string {
	switch path.Ext(file) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	return "image/svg+xml"
}
