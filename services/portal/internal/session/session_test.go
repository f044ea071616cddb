package session_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/portal/internal/session"
)

// world is sessions on a clock of the test's own.
type world struct {
	*session.Sessions
	t   *testing.T
	now time.Time
}

func newWorld(t *testing.T, secret string) *world {
	w := &world{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	var err error
	w.Sessions, err = session.New(bytes.Repeat([]byte(secret), 32), rand.Reader, func() time.Time { return w.now })
	require.NoError(t, err)
	return w
}

// enter gives the cookie that a browser keeps.
func (w *world) enter(token string, change ...func(*http.Request)) *http.Cookie {
	w.t.Helper()
	r := httptest.NewRequest("POST", "/signin", nil)
	for _, c := range change {
		c(r)
	}
	rec := httptest.NewRecorder()
	require.NoError(w.t, w.Enter(rec, r, token))
	for _, c := range rec.Result().Cookies() {
		if c.Name == session.Portal {
			return c
		}
	}
	w.t.Fatal("no cookie was set")
	return nil
}

func with(c *http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(c)
	return r
}

func TestOf_EnteredToken_IsGivenBackUntilItIsTooOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "k")
	c := w.enter("slp_x")
	require.True(t, c.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.NotContains(t, c.Value, "slp_x")
	require.Equal(t, "Bearer slp_x", w.Of(with(c)).Credentials.Get("Authorization"))
	w.now = w.now.Add(12*time.Hour + time.Second)
	require.Nil(t, w.Of(with(c)).Credentials, "a cookie that was copied is not good for ever")
}

func TestOf_ChangedOrForeignCookie_IsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "k")
	c := w.enter("slp_x")
	for i := range c.Value {
		flipped := *c
		other := "A"
		if c.Value[i] == 'A' {
			other = "z"
		}
		flipped.Value = c.Value[:i] + other + c.Value[i+1:]
		if v := w.Of(with(&flipped)); v.Credentials != nil {
			// The last letter may hold bits that stand for nothing.
			require.Equal(t, len(c.Value)-1, i)
		}
	}
	require.Nil(t, newWorld(t, "o").Of(with(c)).Credentials)
	require.Nil(t, w.Of(with(&http.Cookie{Name: session.Portal, Value: ""})).Credentials)
}

func TestEnter_OverTLS_TheCookieStaysOnIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "k")
	require.False(t, w.enter("slp_x").Secure)
	require.True(t, w.enter("slp_x", func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }).Secure)
}

func TestProven_OnlyByTheProofOfTheSameVisitor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "k")
	mine, other := w.enter("slp_x"), w.enter("slp_x")
	proof := func(c *http.Cookie) string {
		r := with(c)
		p, err := w.Proof(httptest.NewRecorder(), r, w.Of(r))
		require.NoError(t, err)
		return p
	}
	send := func(c *http.Cookie, p string) bool {
		r := httptest.NewRequest("POST", "/", strings.NewReader("csrf="+p))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(c)
		return w.Proven(r, w.Of(r))
	}
	require.True(t, send(mine, proof(mine)))
	require.False(t, send(mine, proof(other)))
	require.False(t, send(mine, ""))
	require.False(t, send(&http.Cookie{Name: session.Platform, Value: "s"}, proof(mine)))
}

func TestNew_ShortKey_IsRefused(t *testing.T) {
	t.Parallel()
	_, err := session.New([]byte("short"), rand.Reader, time.Now)
	require.ErrorContains(t, err, "at least 32")
}
