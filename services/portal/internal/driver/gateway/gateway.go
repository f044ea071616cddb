// Package gateway reads the public API as whoever looks at a page: the portal
// is an ordinary client, with no credentials and no data of its own.
package gateway

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/slipway-idp/slipway/libs/client"
)

// Way is how the gateway is reached.
type Way struct {
	URL string
	// HTTP makes the requests; it needs no timeout, since streams stay open.
	HTTP *http.Client
}

// Reader asks as one person. It is cheap: one per request.
type Reader struct{ c *client.Client }

// As gives a reader with somebody's credentials: the headers Authorization or
// Cookie, as they are to be sent.
func (w Way) As(credentials http.Header) (*Reader, error) {
	c, err := client.New(client.Config{
		URL: w.URL, UserAgent: "slipway-portal",
		HTTP: &http.Client{Transport: dressed{base: w.HTTP.Transport, header: credentials}, CheckRedirect: w.HTTP.CheckRedirect},
	})
	if err != nil {
		return nil, err
	}
	return &Reader{c: c}, nil
}

// dressed puts headers on every request.
type dressed struct {
	base   http.RoundTripper
	header http.Header
}

func (d dressed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range d.header {
		r.Header[name] = values
	}
	return d.base.RoundTrip(r)
}

// Refused reports whether an error says that nobody known asks.
func Refused(err error) bool { return status(err) == http.StatusUnauthorized }

// Away reports whether an error says that a service, or all of Slipway, does
// not answer just now: what it would have told is missing, and nothing else.
func Away(err error) bool {
	return client.IsUnreachable(err) || status(err) == http.StatusServiceUnavailable || status(err) == http.StatusGatewayTimeout
}

// Missing reports whether an error says that there is no such thing.
func Missing(err error) bool { return client.IsNotFound(err) }

func status(err error) int {
	var p *client.Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// Together asks several things at once and joins their errors.
func Together(ask ...func() error) error {
	errs := make([]error, len(ask))
	var wg sync.WaitGroup
	for i, f := range ask {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Actor is who the credentials say that asks.
type Actor struct {
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Projects []string `json:"projects"`
}

// WhoAmI asks who the credentials are of.
func (r *Reader) WhoAmI(ctx context.Context) (Actor, error) {
	var a Actor
	return a, r.get(ctx, &a, nil, "api", "v1", "whoami")
}
