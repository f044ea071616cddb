// Package client is the Go client of Slipway's public API. It needs the
// standard library only and requires no other module of Slipway, so that other
// teams' programs can take it alone.
//
//	c, err := client.New(client.Config{URL: "http://127.0.0.1:8080", Token: token})
//	op, err := c.Deploy(ctx, "shop", client.DeployRequest{Workload: "orders", Environment: "dev"})
//	for update, err := range c.Follow(ctx, op.ID) { … }
//
// Errors are *Problem where Slipway answered (RFC 9457) and *UnreachableError
// where it did not.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says where Slipway is and who asks.
type Config struct {
	// URL of the gateway, such as http://127.0.0.1:8080.
	URL string
	// Token for `Authorization: Bearer`; "" asks as nobody.
	Token string
	// HTTP is used for every request; nil is a client of its own. It has no
	// overall timeout, because streams stay open: give requests a context.
	HTTP *http.Client
	// UserAgent is sent along; "" is "slipway-client".
	UserAgent string
}

// Client asks one Slipway. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	cfg   Config
	retry time.Duration // pause before a stream is opened again
}

// New checks the configuration. Nothing is asked yet.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("%q is not the address of a Slipway, such as http://127.0.0.1:8080", cfg.URL)
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: time.Minute,
			IdleConnTimeout:       time.Minute,
		}}
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "slipway-client"
	}
	return &Client{base: base, cfg: cfg, retry: 500 * time.Millisecond}, nil
}

// URL is the gateway's address.
func (c *Client) URL() string { return c.base.String() }

// Request is one request of the API, for what has no method of its own.
type Request struct {
	Method string
	// Path is absolute, such as /api/v1/projects; its parts are escaped
	// already (PathOf does that).
	Path   string
	Query  url.Values
	Header http.Header
	// Anonymous sends no token along.
	Anonymous bool
	// Body is sent as it is if it is an io.Reader (set Content-Type in
	// Header), and as JSON otherwise; nil sends none.
	Body any
}

// PathOf joins path segments, each escaped.
func PathOf(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// Do sends a request and reads a JSON answer into out; nil drops it. An answer
// of 400 and above is a *Problem.
func (c *Client) Do(ctx context.Context, r Request, out any) error {
	res, err := c.Open(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil || res.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection can be used again
		return nil
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw, err = io.ReadAll(res.Body)
		return c.broken(err)
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return c.broken(err)
	}
	return nil
}

// Open sends a request and returns the answer with its body open, unless it is
// of 400 and above: that is a *Problem.
func (c *Client) Open(ctx context.Context, r Request) (*http.Response, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.broken(err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		defer res.Body.Close()
		return nil, problemOf(res)
	}
	return res, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	address := c.base.String() + r.Path
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	var body io.Reader
	isJSON := false
	switch b := r.Body.(type) {
	case nil:
	case io.Reader:
		body = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body, isJSON = bytes.NewReader(text), true
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if isJSON {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if c.cfg.Token != "" && !r.Anonymous {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	return req, nil
}

// UnreachableError says that there was no answer, or none that was whole.
type UnreachableError struct {
	URL string
	Err error
}

func (e *UnreachableError) Error() string {
	cause := e.Err
	var u *url.Error
	if errors.As(cause, &u) {
		cause = u.Err // without the address, which is said already
	}
	return fmt.Sprintf("Slipway at %s cannot be reached: %v", e.URL, cause)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

func (c *Client) broken(err error) error {
	if err == nil {
		return nil
	}
	return &UnreachableError{URL: c.base.String(), Err: err}
}
