package ingress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Proxy passes requests on by their Host header.
type Proxy struct {
	table *table
	proxy *httputil.ReverseProxy
}

// NewProxy makes a proxy without routes.
func NewProxy() *Proxy {
	p := &Proxy{table: newTable()}
	p.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			// What the client or a proxy before us says is kept: workloads here
			// are on one machine with whoever sends.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.SetURL(&url.URL{Scheme: "http", Host: addrOf(r.In.Context())})
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 256,
			// Shorter than what servers commonly keep idle connections for: a
			// request never meets a connection that the other side is closing.
			IdleConnTimeout:       2 * time.Second,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true,
		},
		FlushInterval: -1, // events and progress are not held back
		BufferPool:    &buffers{pool: sync.Pool{New: func() any { return new([bufferSize]byte) }}},
		ErrorHandler:  failed,
		// Clients that go away are no news, and nobody bounds this log.
		ErrorLog: silent(),
	}
	return p
}

// ServeHTTP passes one request on, or says what to do instead.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := hostOf(r.Host)
	route, addr, known, release := p.table.acquire(host)
	defer release()
	switch {
	case !known:
		p.unknown(w, r, host)
	case addr == "":
		reason := route.Note
		if reason == "" {
			reason = "nothing runs there"
		}
		httpapi.Write(w, r, httpapi.Unavailable(time.Second, fmt.Sprintf(
			"%s in %s of %s has no traffic just now: %s. `slipway describe workload %s` shows more.",
			route.Workload, route.Environment, route.Project, reason, route.Workload)))
	default:
		// Without this, a response that begins before the request has ended
		// would wait for the request's end.
		_ = http.NewResponseController(w).EnableFullDuplex()
		ctx := context.WithValue(r.Context(), targetKey{}, target{route: route, addr: addr})
		p.proxy.ServeHTTP(w, r.WithContext(ctx))
	}
}

func (p *Proxy) unknown(w http.ResponseWriter, r *http.Request, host string) {
	ambiguous, hosts := p.table.others(host)
	detail := fmt.Sprintf("No workload has the host %q.", host)
	switch {
	case ambiguous:
		detail = fmt.Sprintf("The host %q could be several workloads; use one of %s.", host, strings.Join(hosts, ", "))
	case len(hosts) > 0:
		if len(hosts) > 10 {
			hosts = append(hosts[:10:10], "…")
		}
		detail += " There are: " + strings.Join(hosts, ", ") + "."
	default:
		detail += " Nothing is deployed yet: `slipway deploy WORKLOAD --env ENV --artifact REF` does that."
	}
	httpapi.Write(w, r, httpapi.New(http.StatusNotFound, "unknown-host", "No workload is there.", detail))
}

func failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // the client went away: there is nobody to tell
	}
	t, _ := r.Context().Value(targetKey{}).(target)
	httpapi.Write(w, r, httpapi.New(http.StatusBadGateway, "bad-gateway", "The workload did not answer.", fmt.Sprintf(
		"%s in %s of %s did not answer properly: %v. `slipway logs %s --env %s` shows its last lines.",
		t.route.Workload, t.route.Environment, t.route.Project, err, t.route.Workload, t.route.Environment)))
}

type targetKey struct{}

type target struct {
	route Route
	addr  string
}

func addrOf(ctx context.Context) string {
	t, _ := ctx.Value(targetKey{}).(target)
	return t.addr
}

const bufferSize = 32 << 10

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte { return b.pool.Get().(*[bufferSize]byte)[:] }

func (b *buffers) Put(p []byte) {
	if len(p) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(p))
	}
}
