// Package token keeps the bearer tokens that programs and people sign in with.
// Only a digest of each is stored.
package token

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// RoleAdmin may do everything. It is the only role so far.
const RoleAdmin = "admin"

// Token is what is stored of one.
type Token struct {
	Name      string    `json:"name"`
	Actor     string    `json:"actor"` // "user:default/ada"
	Roles     []string  `json:"roles"`
	Hash      string    `json:"hash"`
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy,omitempty"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
}

// Tokens is the store of them.
type Tokens struct {
	repo   *aggregate.Repository[Token]
	clock  func() time.Time
	random io.Reader

	mu    sync.Mutex
	known map[string]remembered // by hash
}

// remembered keeps the store out of the way of every request. Another
// gateway's revocation counts after this long.
type remembered struct {
	id      string
	token   Token
	until   time.Time
	touched time.Time
}

const (
	rememberFor = 5 * time.Second
	touchEvery  = time.Minute // how exact lastUsed is
	maxKnown    = 10_000
)

// New keeps tokens in a store.
func New(s store.Store, clock func() time.Time, random io.Reader) *Tokens {
	return &Tokens{
		repo: aggregate.New(s, aggregate.Options[Token]{
			Service: "gateway", Kind: "token", Clock: clock,
			Indexes: func(t *Token) store.Indexes { return store.Indexes{"hash": {t.Hash}} },
		}),
		clock: clock, random: random, known: map[string]remembered{},
	}
}

// bootstrapID is the id of the first admin's token.
const bootstrapID = "admin"

// Bootstrap makes a token that was chosen outside the first admin's. A changed
// one replaces the old.
func (t *Tokens) Bootstrap(ctx context.Context, text string) error {
	if err := Check(text); err != nil {
		return fmt.Errorf("the admin token: %w", err)
	}
	_, err := t.repo.Update(ctx, bootstrapID, events.Cause{}, func(s *Token, exists bool) (aggregate.Decision, error) {
		if exists && s.Hash == hash(text) {
			return aggregate.Decision{Skip: true}, nil
		}
		*s = Token{Name: "first admin", Actor: "user:default/admin", Roles: []string{RoleAdmin}, Hash: hash(text), CreatedAt: t.clock().UTC()}
		return aggregate.Decision{}, nil
	})
	return err
}

var actorPattern = regexp.MustCompile(`^(user|service):[a-z0-9-]+(/[A-Za-z0-9._-]+)?$`)

// Create makes a token and returns it with its text, which is shown this once.
func (t *Tokens) Create(ctx context.Context, name, actor string, roles []string) (id, text string, made Token, err error) {
	var faults []httpapi.Fault
	if name = strings.TrimSpace(name); name == "" || len(name) > 100 {
		faults = append(faults, httpapi.Fault{Pointer: "/name", Message: "a token has a name of 1 to 100 characters", Hint: "say what it is for, such as \"ci\""})
	}
	if actor == "" {
		actor = httpapi.ActorFrom(ctx).Name
	}
	if !actorPattern.MatchString(actor) {
		faults = append(faults, httpapi.Fault{Pointer: "/actor", Message: fmt.Sprintf("%q is not an actor", actor), Hint: `write "user:default/ada" or "service:ci"`})
	}
	if len(roles) == 0 {
		roles = []string{RoleAdmin}
	}
	for i, r := range roles {
		if r != RoleAdmin {
			faults = append(faults, httpapi.Fault{Pointer: fmt.Sprintf("/roles/%d", i), Message: fmt.Sprintf("there is no role %q", r), Hint: "the only role so far is admin"})
		}
	}
	if len(faults) > 0 {
		return "", "", made, httpapi.Unprocessable(faults...)
	}
	if text, err = Generate(t.random); err != nil {
		return "", "", made, err
	}
	raw := make([]byte, 6)
	if _, err = io.ReadFull(t.random, raw); err != nil {
		return "", "", made, err
	}
	id = "tok-" + hex.EncodeToString(raw)
	made = Token{Name: name, Actor: actor, Roles: roles, Hash: hash(text), CreatedAt: t.clock().UTC(), CreatedBy: httpapi.ActorFrom(ctx).Name}
	_, err = t.repo.Update(ctx, id, events.Cause{Actor: made.CreatedBy}, func(s *Token, _ bool) (aggregate.Decision, error) {
		*s = made
		return aggregate.Decision{}, nil
	})
	return id, text, made, err
}

// List returns the tokens, without what they are.
func (t *Tokens) List(ctx context.Context, limit int, cursor string) ([]aggregate.Versioned[Token], string, error) {
	return t.repo.List(ctx, aggregate.Filter{Limit: limit, Cursor: cursor})
}

// Revoke deletes a token; it is refused from then on.
func (t *Tokens) Revoke(ctx context.Context, id string) error {
	gone := ""
	_, err := t.repo.Update(ctx, id, events.Cause{Actor: httpapi.ActorFrom(ctx).Name}, func(s *Token, exists bool) (aggregate.Decision, error) {
		gone = s.Hash
		if !exists {
			return aggregate.Decision{}, httpapi.NotFound("token", id, "slipway token list shows them.")
		}
		return aggregate.Decision{Delete: true}, nil
	})
	t.mu.Lock()
	delete(t.known, gone)
	t.mu.Unlock()
	return err
}

// Actor returns who signs in with a token: *RefusedError if nobody does, other
// errors if that could not be found out.
func (t *Tokens) Actor(ctx context.Context, text string) (httpapi.Actor, error) {
	if err := Check(text); err != nil {
		return httpapi.Actor{}, err
	}
	h, now := hash(text), t.clock()
	t.mu.Lock()
	r, ok := t.known[h]
	t.mu.Unlock()
	if !ok || now.After(r.until) {
		items, _, err := t.repo.List(ctx, aggregate.Filter{Where: []store.Term{{Index: "hash", Value: h}}, Limit: 1})
		if err != nil {
			return httpapi.Actor{}, err
		}
		if len(items) == 0 {
			return httpapi.Actor{}, &RefusedError{"it is not known, or was revoked"}
		}
		r = remembered{id: items[0].ID, token: items[0].State, touched: items[0].State.LastUsed}
	}
	touch := now.Sub(r.touched) >= touchEvery
	if touch {
		r.touched = now
	}
	r.until = now.Add(rememberFor)
	t.mu.Lock()
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	t.known[h] = r
	t.mu.Unlock()
	if touch {
		t.touch(ctx, r.id, now)
	}
	return httpapi.Actor{Name: r.token.Actor, Roles: slices.Clone(r.token.Roles)}, nil
}

// touch notes when a token was used. That it could not be noted keeps nobody out.
func (t *Tokens) touch(ctx context.Context, id string, now time.Time) {
	_, _ = t.repo.Update(context.WithoutCancel(ctx), id, events.Cause{}, func(s *Token, exists bool) (aggregate.Decision, error) {
		if !exists || !s.LastUsed.Before(now) {
			return aggregate.Decision{Skip: true}, nil
		}
		s.LastUsed = now.UTC()
		return aggregate.Decision{}, nil
	})
}
