// Package session knows who looks at a page and proves that a form was sent
// from one of ours. It is the one place that knows how people sign in.
//
// Three ways in, looked at in this order:
//   - an Authorization header, passed on as it came (a program, or a proxy that
//     signs people in);
//   - the platform's own session cookie, passed on as it came;
//   - the portal's cookie, which holds an API token that somebody entered on the
//     sign-in page: sealed, so that the browser's disk shows nothing to use.
package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The cookies.
const (
	Platform = "slipway_session" // the platform's, made and read by the gateway
	Portal   = "slipway_portal"  // the portal's
	form     = "slipway_form"    // of somebody who is not signed in yet
)

// Field is the name of a form's field that holds its proof.
const Field = "csrf"

// life is for how long an entered token is kept.
const life = 12 * time.Hour

// Sessions seals and opens. It is safe for concurrent use and keeps nothing.
type Sessions struct {
	seal   cipher.AEAD
	prove  []byte
	random io.Reader
	clock  func() time.Time
}

// New makes them from a secret of at least 32 bytes, the same for all replicas.
func New(secret []byte, random io.Reader, clock func() time.Time) (*Sessions, error) {
	if len(secret) < 32 {
		return nil, fmt.Errorf("the portal's key has %d bytes, at least 32 are needed", len(secret))
	}
	sealKey, err := hkdf.Key(sha256.New, secret, nil, "slipway portal cookie v1", 32)
	if err != nil {
		return nil, err
	}
	prove, err := hkdf.Key(sha256.New, secret, nil, "slipway portal form v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealKey)
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCM(block)
	return &Sessions{seal: seal, prove: prove, random: random, clock: clock}, err
}

// Visitor is who looks.
type Visitor struct {
	// Credentials are the headers to ask the API with; nil is nobody.
	Credentials http.Header
	// Portal says that they came from the portal's own cookie.
	Portal bool
	// bound is what a form's proof is bound to; "" needs none, since a browser
	// does not send these credentials by itself.
	bound string
}

// Of says who sends a request.
func (s *Sessions) Of(r *http.Request) Visitor {
	if h := r.Header.Get("Authorization"); h != "" {
		return Visitor{Credentials: http.Header{"Authorization": {h}}}
	}
	if c, err := r.Cookie(Platform); err == nil && c.Value != "" {
		pass := (&http.Cookie{Name: c.Name, Value: c.Value}).String()
		return Visitor{Credentials: http.Header{"Cookie": {pass}}, bound: "platform " + c.Value}
	}
	if c, err := r.Cookie(Portal); err == nil {
		if token, err := s.open(c.Value); err == nil {
			return Visitor{Credentials: http.Header{"Authorization": {"Bearer " + token}}, Portal: true, bound: "portal " + c.Value}
		}
	}
	return Visitor{}
}

// Enter keeps a token in the visitor's browser.
func (s *Sessions) Enter(w http.ResponseWriter, r *http.Request, token string) error {
	sealed, err := s.close(token)
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie(r, Portal, sealed, life))
	http.SetCookie(w, cookie(r, form, "", -1))
	return nil
}

// Leave takes it away again.
func (s *Sessions) Leave(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, cookie(r, Portal, "", -1))
}

// cookie is never seen by a script and never sent from another site.
func cookie(r *http.Request, name, value string, age time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https", MaxAge: int(age / time.Second),
	}
	if age < 0 {
		c.MaxAge = -1
	}
	return c
}

func (s *Sessions) close(token string) (string, error) {
	nonce := make([]byte, s.seal.NonceSize())
	if _, err := io.ReadFull(s.random, nonce); err != nil {
		return "", err
	}
	plain := binary.BigEndian.AppendUint64(nil, uint64(s.clock().Add(life).Unix()))
	return base64.RawURLEncoding.EncodeToString(s.seal.Seal(nonce, nonce, append(plain, token...), []byte(Portal))), nil
}

var errSealed = errors.New("this cookie is not one of ours, or is too old")

func (s *Sessions) open(text string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < s.seal.NonceSize() {
		return "", errSealed
	}
	nonce, rest := raw[:s.seal.NonceSize()], raw[s.seal.NonceSize():]
	plain, err := s.seal.Open(nil, nonce, rest, []byte(Portal))
	if err != nil || len(plain) < 8 {
		return "", errSealed
	}
	if until := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0); !s.clock().Before(until) {
		return "", errSealed
	}
	return string(plain[8:]), nil
}

// Proof is what a form must hold to be taken from this visitor. For somebody
// who is not signed in it sets a cookie to bind it to.
func (s *Sessions) Proof(w http.ResponseWriter, r *http.Request, v Visitor) (string, error) {
	if v.Credentials != nil {
		return s.proof(v.bound), nil
	}
	if c, err := r.Cookie(form); err == nil && len(c.Value) >= 16 {
		return s.proof("form " + c.Value), nil
	}
	raw := make([]byte, 16)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return "", err
	}
	value := base64.RawURLEncoding.EncodeToString(raw)
	http.SetCookie(w, cookie(r, form, value, time.Hour))
	return s.proof("form " + value), nil
}

func (s *Sessions) proof(bound string) string {
	if bound == "" {
		return ""
	}
	mac := hmac.New(sha256.New, s.prove)
	mac.Write([]byte(bound))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Proven reports whether a sent form holds its visitor's proof. A request that
// brought its own Authorization header needs none.
func (s *Sessions) Proven(r *http.Request, v Visitor) bool {
	bound := v.bound
	switch {
	case v.Credentials == nil:
		c, err := r.Cookie(form)
		if err != nil || c.Value == "" {
			return false
		}
		bound = "form " + c.Value
	case bound == "":
		return true
	}
	return subtle.ConstantTimeCompare([]byte(strings.TrimSpace(r.PostFormValue(Field))), []byte(s.proof(bound))) == 1
}
