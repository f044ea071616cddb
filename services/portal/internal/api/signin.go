package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/session"
)

type doorView struct {
	Next  string
	Wrong string
	// Bounce is where somebody who came from another site goes on: the browser
	// keeps our cookie to itself on such a step, and sends it on the next.
	Bounce string
}

// askIn leads somebody who is not signed in to the sign-in page.
func (s *Site) askIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.fail(w, r, session.Visitor{}, httpapi.Unauthorized("You are no longer signed in, so nothing was done. Sign in and repeat it."))
		return
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		w.Header().Set("Refresh", "0")
		s.send(w, r, http.StatusOK, session.Visitor{}, page.Frame{View: page.View{Template: "bounce", Title: "One moment", Content: doorView{Bounce: r.URL.RequestURI()}}})
		return
	}
	next := ""
	if r.URL.Path != "/" {
		next = "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, "/signin"+next, http.StatusSeeOther)
}

// refused is a token that was good once.
func (s *Site) refused(w http.ResponseWriter, r *http.Request, who session.Visitor) {
	if who.Portal {
		s.Sessions.Leave(w, r)
	}
	s.knock(w, r, http.StatusUnauthorized, "You are no longer signed in: the token was taken back, or is not known here.", r.URL.RequestURI())
}

func (s *Site) door(w http.ResponseWriter, r *http.Request) {
	if s.Sessions.Of(r).Credentials != nil {
		http.Redirect(w, r, inside(r.URL.Query().Get("next")), http.StatusSeeOther)
		return
	}
	s.knock(w, r, http.StatusOK, "", r.URL.Query().Get("next"))
}

func (s *Site) knock(w http.ResponseWriter, r *http.Request, status int, wrong, next string) {
	s.send(w, r, status, session.Visitor{}, page.Frame{View: page.View{
		Template: "signin", Title: "Sign in", Content: doorView{Next: inside(next), Wrong: wrong},
	}})
}

// inside is where to go on: a path of ours, never another site.
func inside(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") || u.Path == "/signin" || u.Path == "/signout" || u.Path == "/live" {
		return "/"
	}
	return u.RequestURI()
}

func (s *Site) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	next := r.PostFormValue("next")
	if !s.Sessions.Proven(r, session.Visitor{}) {
		s.knock(w, r, http.StatusForbidden, "This page was open for too long. Please try once more.", next)
		return
	}
	token := strings.TrimSpace(r.PostFormValue("token"))
	if token == "" || len(token) > 1024 || strings.ContainsAny(token, " \r\n\t") {
		s.knock(w, r, http.StatusUnprocessableEntity, "That is not a token: one begins with slp_ and has no spaces.", next)
		return
	}
	read, err := s.Way.As(http.Header{"Authorization": {"Bearer " + token}})
	if err == nil {
		_, err = read.WhoAmI(r.Context())
	}
	switch {
	case gateway.Refused(err):
		s.knock(w, r, http.StatusUnauthorized, "This token is not known here, or was taken back.", next)
		return
	case err == nil:
		err = s.Sessions.Enter(w, r, token)
	}
	if err != nil {
		s.fail(w, r, session.Visitor{}, err)
		return
	}
	http.Redirect(w, r, inside(next), http.StatusSeeOther)
}

func (s *Site) leave(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	who := s.Sessions.Of(r)
	if who.Credentials != nil && !s.Sessions.Proven(r, who) {
		s.fail(w, r, who, httpapi.Forbidden("This form is too old. Open the page again and repeat it."))
		return
	}
	s.Sessions.Leave(w, r)
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}
