package servicetest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Ada is who asks, where a test does not say.
var Ada = httpapi.Actor{Name: "user:default/ada"}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// As is the same platform with another actor asking.
func (p *Platform) As(a httpapi.Actor) *Platform {
	other := *p
	other.Sign = p.signAs(a)
	return &other
}

// signAs signs requests as the gateway does.
func (p *Platform) signAs(a httpapi.Actor) func(*http.Request) error {
	return func(r *http.Request) error { return p.Identity.SignRequest(r, a) }
}

// Open makes a request of the service and gives the answer as it arrives; the
// caller closes its body. body is sent as it is when it is a []byte, not at all
// when it is nil, and as JSON otherwise. header is pairs of name and value; an
// empty value takes a header away, the signature too.
func (p *Platform) Open(ctx context.Context, method, path string, body any, header ...string) *http.Response {
	p.T.Helper()
	raw, isRaw := body.([]byte)
	if body != nil && !isRaw {
		var err error
		raw, err = json.Marshal(body)
		require.NoError(p.T, err)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+p.name+path, bytes.NewReader(raw))
	require.NoError(p.T, err)
	if body != nil && !isRaw {
		r.Header.Set("Content-Type", "application/json")
	}
	require.NoError(p.T, p.Sign(r))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	res, err := p.Client().Do(r)
	require.NoError(p.T, err)
	return res
}

// Client reaches the service's listener, whatever the host, and signs nothing.
func (p *Platform) Client() *http.Client { return &http.Client{Transport: p.transport} }

// Do is Open with all of the answer.
func (p *Platform) Do(method, path string, body any, header ...string) Answer {
	p.T.Helper()
	res := p.Open(p.T.Context(), method, path, body, header...)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(p.T, err)
	return Answer{Status: res.StatusCode, Header: res.Header, Body: raw}
}

// Call is Do with the answer's JSON read into out, unless that is nil. It
// returns the status.
func (p *Platform) Call(method, path string, body, out any) int {
	p.T.Helper()
	a := p.Do(method, path, body)
	if out != nil {
		require.NoError(p.T, json.Unmarshal(a.Body, out), string(a.Body))
	}
	return a.Status
}
