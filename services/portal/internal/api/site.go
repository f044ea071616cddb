// Package api is the portal over HTTP: a page in each file. A handler reads
// what it needs as whoever looks, and says what is to be shown.
package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/session"
	"github.com/slipway-idp/slipway/services/portal/internal/tell"
)

// Site is what the pages work with.
type Site struct {
	Way      gateway.Way
	Sessions *session.Sessions
	Pages    *page.Pages
	Clock    func() time.Time
	Log      zerolog.Logger
	Version  string
	// Heartbeat is how often a live connection on which nothing happens says
	// that it lives.
	Heartbeat time.Duration
}

// visit is one look at one page.
type visit struct {
	w    http.ResponseWriter
	r    *http.Request
	ctx  context.Context
	who  session.Visitor
	read *gateway.Reader
	now  time.Time

	mu   sync.Mutex
	away []string
}

// query is a parameter of the address, trimmed.
func (v *visit) query(name string) string { return strings.TrimSpace(v.r.URL.Query().Get(name)) }

// missing notes what could not be asked because a service is away; the page is
// shown without it. Any other error is the page's.
func (v *visit) missing(what string, err error) error {
	if err == nil || !gateway.Away(err) || client.IsUnreachable(err) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.away = append(v.away, tell.Sentence(what+" cannot be shown just now: "+err.Error()))
	return nil
}

// redirect is a handler's answer that leads elsewhere.
type redirect struct{ to string }

func (r redirect) Error() string { return "see " + r.to }

// Handler is the whole portal. /healthz, /readyz and /metrics are beside it.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	show := func(pattern string, h func(*visit) (page.View, error)) {
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) { s.show(w, r, h) })
	}
	act := func(pattern string, h func(*visit) error) {
		mux.HandleFunc("POST "+pattern, func(w http.ResponseWriter, r *http.Request) { s.act(w, r, h) })
	}
	show("/{$}", s.front)
	show("/search", s.search)
	show("/catalog", s.catalog)
	show("/catalog/{kind}/{namespace}/{name}", s.entity)
	show("/environments", s.environments)
	show("/projects", s.projects)
	show("/projects/{project}", s.project)
	show("/projects/{project}/environments/{environment}", s.environment)
	show("/projects/{project}/environments/{environment}/resources/{resource}", s.resource)
	show("/projects/{project}/deployments/{deployment}", s.deployment)
	show("/projects/{project}/sets/{set}", s.set)
	show("/deployments", s.deployments)
	show("/runs", s.runs)
	show("/projects/{project}/runs/{run}", s.run)
	show("/projects/{project}/stacks/{stack}", s.stack)
	show("/sagas", s.sagas)
	show("/sagas/{id}", s.saga)
	show("/timelines", s.timelines)
	show("/timelines/{id}", s.timeline)
	show("/timelines/{id}/events/{event}", s.event)
	show("/explorer", s.explorer)
	show("/event-types", s.eventTypes)
	show("/event-types/{type}", s.eventType)

	act("/sagas/{id}", s.settle)
	act("/projects/{project}/runs/{run}", s.tellRun)
	act("/projects/{project}/environments/{environment}/extend", s.extend)
	act("/projects/{project}/environments/{environment}/delete", s.deleteEnvironment)
	act("/projects/{project}/deployments/{deployment}/rollback", s.rollback)

	mux.HandleFunc("GET /signin", s.door)
	mux.HandleFunc("POST /signin", s.enter)
	mux.HandleFunc("POST /signout", s.leave)
	mux.HandleFunc("GET /live", s.live)
	mux.HandleFunc("GET /assets/{digest}/{file}", s.Pages.ServeAsset)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.show(w, r, func(*visit) (page.View, error) {
			return page.View{}, httpapi.NotFound("page", r.URL.Path, "The navigation leads to what there is.")
		})
	})
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, session.Visitor{}, httpapi.Forbidden("This form was sent from another site. Open the page here and send it again."))
	}))
	return httpapi.Chain(foreign.Handler(mux), harden, httpapi.Correlation(rand.Text), httpapi.AccessLog(s.Log, s.Clock), httpapi.Recover)
}

// harden says to a browser what a page of ours may do: load its own
// stylesheet, script and pictures, ask its own server, and nothing else.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
		next.ServeHTTP(w, r)
	})
}

func (s *Site) visit(w http.ResponseWriter, r *http.Request, who session.Visitor) (*visit, error) {
	read, err := s.Way.As(who.Credentials)
	return &visit{w: w, r: r, ctx: r.Context(), who: who, read: read, now: s.Clock()}, err
}

func (s *Site) show(w http.ResponseWriter, r *http.Request, h func(*visit) (page.View, error)) {
	who := s.Sessions.Of(r)
	if who.Credentials == nil {
		s.askIn(w, r)
		return
	}
	v, err := s.visit(w, r, who)
	if err != nil {
		s.fail(w, r, who, err)
		return
	}
	var actor gateway.Actor
	var view page.View
	err = gateway.Together(
		func() (err error) { actor, err = v.read.WhoAmI(v.ctx); return err },
		func() (err error) { view, err = h(v); return err },
	)
	var elsewhere redirect
	switch {
	case gateway.Refused(err):
		s.refused(w, r, who)
		return
	case errors.As(err, &elsewhere):
		http.Redirect(w, r, elsewhere.to, http.StatusSeeOther)
		return
	case err != nil:
		s.fail(w, r, who, err)
		return
	}
	if view.Template == "" { // it has answered by itself
		return
	}
	s.send(w, r, http.StatusOK, who, page.Frame{View: view, Actor: actor.Name, Away: v.away, Note: noteOf(r)})
}

// send fills in what is on every page.
func (s *Site) send(w http.ResponseWriter, r *http.Request, status int, who session.Visitor, f page.Frame) {
	proof, err := s.Sessions.Proof(w, r, who)
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	f.Proof, f.Signed, f.CanExit, f.Version, f.Path = proof, who.Credentials != nil, who.Portal, s.Version, r.URL.Path
	if c, err := r.Cookie("slipway_theme"); err == nil && (c.Value == "light" || c.Value == "dark") {
		f.Theme = c.Value
	}
	if r.URL.Path == "/search" {
		f.Query = r.URL.Query().Get("q")
	}
	body, err := s.Pages.Render(f)
	if err != nil {
		zerolog.Ctx(r.Context()).Error().Err(err).Str("page", f.Template).Msg("a page cannot be rendered")
		http.Error(w, "This page failed. The portal's log has the cause under "+httpapi.CorrelationFrom(r.Context())+".", http.StatusInternalServerError)
		return
	}
	page.Send(w, r, status, body)
}

// act is a form that was sent: afterwards the browser is led to a page, so
// that loading it again does nothing twice.
func (s *Site) act(w http.ResponseWriter, r *http.Request, h func(*visit) error) {
	who := s.Sessions.Of(r)
	if who.Credentials == nil {
		s.askIn(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if !s.Sessions.Proven(r, who) {
		s.fail(w, r, who, httpapi.Forbidden("This form is too old, or was not sent from a page of this portal. Open the page again and repeat it."))
		return
	}
	v, err := s.visit(w, r, who)
	if err == nil {
		err = h(v)
	}
	var elsewhere redirect
	switch {
	case errors.As(err, &elsewhere):
		http.Redirect(w, r, elsewhere.to, http.StatusSeeOther)
	case gateway.Refused(err):
		s.refused(w, r, who)
	default:
		s.fail(w, r, who, err)
	}
}

// fail shows what went wrong, and what to do.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, who session.Visitor, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		zerolog.Ctx(r.Context()).Warn().Err(err).Str("path", r.URL.Path).Msg("a page failed")
	}
	s.send(w, r, p.Status, who, page.Frame{View: page.View{Template: "problem", Title: p.Title, Content: p}})
}

// problemOf is an error as a page shows it.
func problemOf(err error) *client.Problem {
	var p *client.Problem
	var ours *httpapi.Problem
	switch {
	case errors.As(err, &p):
		return p
	case client.IsUnreachable(err):
		return &client.Problem{Status: http.StatusBadGateway, Title: "Slipway does not answer.", Detail: "The gateway cannot be reached from the portal just now; slipway doctor looks why. This page works again as soon as it answers."}
	case errors.As(err, &ours):
	default:
		ours = httpapi.ProblemOf(err)
	}
	return &client.Problem{Type: ours.Type, Status: ours.Status, Title: ours.Title, Detail: ours.Detail}
}

// notes are what an action may say on the page that it leads to. The address
// names one; it never brings the text.
func noteOf(r *http.Request) string {
	switch r.URL.Query().Get("did") {
	case gateway.Retry:
		return "It is being tried again."
	case gateway.Skip:
		return "The step is taken as settled."
	case gateway.Adopt:
		return "What is there was kept as the step's outcome."
	case gateway.Abort:
		return "It is being turned back."
	case gateway.Approve:
		return "The plan is approved and is being applied."
	case gateway.Discard:
		return "The run was ended; nothing was changed."
	case gateway.Cancel:
		return "The run is being stopped."
	case "extend":
		return "It lives longer now."
	case "delete":
		return "It is being destroyed, with everything in it."
	case "rollback":
		return "The older set is being deployed again."
	}
	return ""
}

func did(path, what string) redirect { return redirect{path + "?did=" + url.QueryEscape(what)} }
