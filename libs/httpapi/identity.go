package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// IdentityHeader carries the signed identity from the gateway to an owner.
const IdentityHeader = "Slipway-Identity"

// identityLife is how long a signed identity is good for. It covers one
// request being passed inwards, and nothing later.
const identityLife = time.Minute

// Actor is who asks.
type Actor struct {
	// Name is "user:default/ada", "webhook:shop/github" or "service:deployer".
	Name string `json:"name"`
	// Roles as the gateway found them when it let the request in.
	Roles []string `json:"roles,omitempty"`
	// Projects that the roles hold for; empty means all.
	Projects []string `json:"projects,omitempty"`
}

// Has reports whether the actor has the role.
func (a Actor) Has(role string) bool { return slices.Contains(a.Roles, role) }

// Identity signs and verifies who asks, with a key that only the gateway and
// the owners share (HMAC SHA-256, JWT). The zero value verifies nothing.
type Identity struct {
	key   []byte
	clock func() time.Time
}

// NewIdentity makes a signer and verifier. key has at least 32 bytes.
func NewIdentity(key []byte, clock func() time.Time) (Identity, error) {
	if len(key) < 32 {
		return Identity{}, fmt.Errorf("identity key has %d bytes, at least 32 are needed", len(key))
	}
	return Identity{key: slices.Clone(key), clock: clock}, nil
}

type identityClaims struct {
	jwt.RegisteredClaims
	Roles    []string `json:"roles,omitempty"`
	Projects []string `json:"projects,omitempty"`
}

const (
	identityIssuer   = "slipway-gateway"
	identityAudience = "slipway-owners"
)

// Sign returns a token that says who asks, good for a minute.
func (i Identity) Sign(a Actor) (string, error) {
	if len(i.key) == 0 {
		return "", errors.New("this identity has no key")
	}
	now := i.clock()
	claims := identityClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: identityIssuer, Audience: jwt.ClaimStrings{identityAudience}, Subject: a.Name,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(identityLife)),
		},
		Roles: a.Roles, Projects: a.Projects,
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(i.key)
}

// Verify returns who a token says that asks. Its error never contains the token.
func (i Identity) Verify(token string) (Actor, error) {
	if len(i.key) == 0 {
		return Actor{}, errors.New("this identity has no key")
	}
	var claims identityClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return i.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(identityIssuer), jwt.WithAudience(identityAudience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(i.clock), jwt.WithLeeway(5*time.Second))
	if err != nil {
		return Actor{}, err
	}
	if claims.Subject == "" {
		return Actor{}, errors.New("the identity names nobody")
	}
	return Actor{Name: claims.Subject, Roles: claims.Roles, Projects: claims.Projects}, nil
}

// SignRequest puts the actor's signed identity on a request that goes inwards.
func (i Identity) SignRequest(r *http.Request, a Actor) error {
	token, err := i.Sign(a)
	if err != nil {
		return err
	}
	r.Header.Set(IdentityHeader, token)
	return nil
}

// Middleware lets only requests with a valid identity through, and puts the
// actor into their context. It belongs on an owner's API, not on health checks.
func (i Identity) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, err := i.Verify(r.Header.Get(IdentityHeader))
		if err != nil {
			Write(w, r, Unauthorized("This is an inner address: ask the gateway instead, which signs requests. The identity was refused: "+err.Error()+"."))
			return
		}
		next.ServeHTTP(w, r.WithContext(WithActor(r.Context(), actor)))
	})
}

type actorKey struct{}

// WithActor puts the actor into a context.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns who asks; the zero Actor if nobody was established.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}
