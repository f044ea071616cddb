// Package proxy passes requests on to the services that own things, as the
// actor that the gateway established, and puts what several of them answer
// together.
package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Owner is where a service is reached.
type Owner struct {
	Name      string
	BaseURL   string
	Transport http.RoundTripper // over TCP when nil
}

// Owners reaches every service, as the actor of a request's context.
type Owners struct {
	identity httpapi.Identity
	all      map[string]*owner
}

type owner struct {
	name   string
	base   *url.URL
	client *http.Client
	proxy  *httputil.ReverseProxy
}

// answerLimit bounds what is read of an owner's answer to a call of ours.
const answerLimit = 16 << 20

// NewOwners prepares the ways to them.
func NewOwners(identity httpapi.Identity, list ...Owner) (*Owners, error) {
	o := &Owners{identity: identity, all: map[string]*owner{}}
	for _, one := range list {
		base, err := url.Parse(one.BaseURL)
		if err != nil || base.Host == "" {
			return nil, fmt.Errorf("the address of %s, %q, is not a URL such as http://host:port", one.Name, one.BaseURL)
		}
		transport := one.Transport
		if transport == nil {
			transport = overTCP()
		}
		o.all[one.Name] = &owner{
			name: one.Name, base: base,
			client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
			proxy:  o.reverse(one.Name, base, transport),
		}
	}
	return o, nil
}

// overTCP asks for no compression: an answer is passed on as it comes.
func overTCP() http.RoundTripper {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
}

// Names lists the owners.
func (o *Owners) Names() []string {
	var names []string
	for name := range o.all {
		names = append(names, name)
	}
	return names
}

// away is the problem of an owner that cannot be reached.
func away(name string) *httpapi.Problem {
	p := httpapi.Unavailable(2*time.Second, fmt.Sprintf("The service %s, which answers this, is not reachable just now. Nothing is lost; try again in a moment.", name))
	p.Type, p.Title = httpapi.TypePrefix+"owner-away", "A service is away."
	return p
}

func (o *Owners) find(name string) (*owner, error) {
	if found, ok := o.all[name]; ok {
		return found, nil
	}
	return nil, away(name)
}

// Pass passes a request on and streams the answer back.
func (o *Owners) Pass(w http.ResponseWriter, r *http.Request, name string) {
	to, err := o.find(name)
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // uploads, logs and streams take as long as they take
	_ = rc.SetReadDeadline(time.Time{})
	to.proxy.ServeHTTP(w, r)
}

// inner are headers that only we may set on the way in, and credentials that
// are the gateway's business alone.
func inner() []string {
	return []string{httpapi.IdentityHeader, "Authorization", "Cookie", "X-Forwarded-User", "X-Forwarded-Email",
		"X-Remote-User", "Remote-User", "X-Auth-Request-User"}
}

func (o *Owners) reverse(name string, base *url.URL, transport http.RoundTripper) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // every write at once: server-sent events and followed logs
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(base)
			pr.Out.Host = base.Host
			pr.SetXForwarded()
			o.dress(pr.Out)
		},
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Del(httpapi.IdentityHeader)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				panic(http.ErrAbortHandler) // the client went, or we are stopping
			}
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				httpapi.Write(w, r, err)
				return
			}
			zerolog.Ctx(r.Context()).Warn().Err(err).Str("owner", name).Str("path", r.URL.Path).Msg("an owner is away")
			httpapi.Write(w, r, away(name))
		},
	}
}

// dress puts identity and correlation on a request that goes inwards, in place
// of whatever came from outside.
func (o *Owners) dress(r *http.Request) {
	for _, h := range inner() {
		r.Header.Del(h)
	}
	ctx := r.Context()
	if id := httpapi.CorrelationFrom(ctx); id != "" {
		r.Header.Set(httpapi.CorrelationHeader, id)
	}
	if actor := httpapi.ActorFrom(ctx); actor.Name != "" {
		_ = o.identity.SignRequest(r, actor) // without it the owner refuses, as it should
	}
}

// Call makes a call of the gateway's own to an owner: in and out are JSON, nil
// where there is none. An answer that is no success is its problem.
func (o *Owners) Call(ctx context.Context, name, method, path string, in, out any) error {
	to, err := o.find(name)
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(to.base.String(), "/")+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	o.dress(req)
	resp, err := to.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		zerolog.Ctx(ctx).Warn().Err(err).Str("owner", name).Str("path", path).Msg("an owner is away")
		return away(name)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return away(name)
	}
	if resp.StatusCode >= 300 {
		return refusal(name, resp.StatusCode, raw)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = raw
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("the answer of %s to %s %s cannot be read: %w", name, method, path, err)
	}
	return nil
}

func refusal(name string, status int, raw []byte) error {
	var p httpapi.Problem
	if err := json.Unmarshal(raw, &p); err != nil || p.Title == "" {
		return fmt.Errorf("%s answered %d without saying why", name, status)
	}
	p.Status = status
	return &p
}
