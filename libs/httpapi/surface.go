package httpapi

import "net/http"

// Surface is the HTTP API of a service behind the gateway. Its description, at
// /openapi.yaml, and what is in Open are for everybody; what is in Inner only
// for those whom the middlewares around it let through.
type Surface struct {
	Open  *http.ServeMux
	Inner *http.ServeMux
}

// NewSurface makes one without routes. spec is the openapi.yaml; around goes
// around Inner, the first outermost, and has Identity.Middleware in it.
func NewSurface(spec []byte, around ...Middleware) Surface {
	s := Surface{Open: http.NewServeMux(), Inner: http.NewServeMux()}
	s.Open.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(spec)
	})
	s.Open.Handle("/", Chain(s.Inner, around...))
	return s
}

// Handle adds a route to Inner. An error is answered as a problem.
func (s Surface) Handle(pattern string, h func(http.ResponseWriter, *http.Request) error) {
	s.Inner.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Write(w, r, err)
		}
	})
}

// ServeHTTP implements http.Handler.
func (s Surface) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.Open.ServeHTTP(w, r) }
