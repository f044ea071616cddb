package proxy

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Portal passes page requests on as they came: credentials and cookies are for
// the portal, which asks the API with them in turn. No identity goes along.
func Portal(address string, transport http.RoundTripper) (http.Handler, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("the address of the portal, %q, is not a URL such as http://host:port", address)
	}
	if transport == nil {
		transport = overTCP()
	}
	pass := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // live pages
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(base)
			pr.Out.Host = pr.In.Host // what a form's origin is compared with
			scheme := pr.In.Header.Get("X-Forwarded-Proto")
			pr.SetXForwarded()
			if scheme == "https" { // said by who ends TLS before us; it only makes cookies stricter
				pr.Out.Header.Set("X-Forwarded-Proto", scheme)
			}
			pr.Out.Header.Del(httpapi.IdentityHeader)
			pr.Out.Header.Set(httpapi.CorrelationHeader, httpapi.CorrelationFrom(pr.In.Context()))
		},
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Del(httpapi.CorrelationHeader) // ours says it already
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				panic(http.ErrAbortHandler) // the client went, or we are stopping
			}
			zerolog.Ctx(r.Context()).Warn().Err(err).Str("path", r.URL.Path).Msg("the portal is away")
			httpapi.Write(w, r, away("portal"))
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Time{}) // live pages stay open
		pass.ServeHTTP(w, r)
	}), nil
}
