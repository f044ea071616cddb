package api

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed front.html
var frontText string

// front is a plain page for a browser that comes by: what this is, where the
// contracts are, what to type. The portal takes its place when there is one.
func (a *API) front(w http.ResponseWriter, r *http.Request) error {
	if a.Portal != nil {
		a.Portal.ServeHTTP(w, r)
		return nil
	}
	page, err := template.New("front").Parse(frontText)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	return page.Execute(w, map[string]string{"Version": a.Version, "Host": r.Host})
}
