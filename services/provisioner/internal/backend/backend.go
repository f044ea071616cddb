// Package backend is the engines' HTTP backend: where a run's engine reads and
// writes the state of its stack, locks it, and where its runner says that it
// lives. It is the only door that a run's token opens.
//
// The protocol is that of the backend "http" of OpenTofu and Terraform: GET is
// the state (200, or 204 where there is none), POST writes it (?ID= the lock),
// LOCK and UNLOCK take the lock's description as their body, and a lock that
// somebody has is 423 with the holder's.
package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// Grant is what a run's token is good for.
type Grant struct {
	Run   string
	Stack string      // the one whose state it opens
	Write bool        // false in the plan phase: it may lock and read
	Until time.Time   // zero: for as long as the granter says so
	Kind  engine.Kind // that the run uses; "" leaves what the stack remembers
}

// Granter knows the tokens. It compares them in constant time.
type Granter interface {
	Grant(ctx context.Context, run, token string) (Grant, bool)
}

// Observer is handed every state that a run sends, before it is kept or
// refused: what is secret in it must be hidden from then on.
type Observer func(stack string, raw []byte)

// Config is what a Backend works with.
type Config struct {
	Stacks  *stack.Stacks
	Granter Granter
	Observe Observer         // nil: nobody
	Alive   func(run string) // told of each sign of life; nil: nobody
	Clock   func() time.Time
	Log     zerolog.Logger
}

// Backend is the handler. It is safe for concurrent use.
type Backend struct {
	c   Config
	mux *http.ServeMux

	mu      sync.Mutex
	writing map[string]bool // runs whose state is being read in
}

// New makes the handler; serve it with Serve.
func New(c Config) *Backend {
	b := &Backend{c: c, mux: http.NewServeMux(), writing: map[string]bool{}}
	const state = " /stacks/{stack}/state"
	b.mux.HandleFunc("GET"+state, b.on(b.read))
	b.mux.HandleFunc("POST"+state, b.on(b.write))
	b.mux.HandleFunc("DELETE"+state, b.on(b.clear))
	b.mux.HandleFunc("LOCK"+state, b.on(b.lock))
	b.mux.HandleFunc("UNLOCK"+state, b.on(b.unlock))
	b.mux.HandleFunc("POST /runs/{run}/alive", b.alive)
	return b
}

// ServeHTTP implements http.Handler.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }

// refusal is an answer that is not what was asked for. Its text is for the
// people who read the engine's output.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// on lets in whoever has a grant for the stack of the path.
func (b *Backend) on(do func(http.ResponseWriter, *http.Request, Grant) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("stack")
		g, err := b.grant(r)
		if err == nil && g.Stack != name {
			err = refuse(http.StatusForbidden, "run %s works on stack %s and has no access to stack %s", g.Run, g.Stack, name)
		}
		if err == nil {
			err = do(w, r, g)
		}
		if err != nil {
			b.fail(w, r, name, g.Run, err)
		}
	}
}

func (b *Backend) grant(r *http.Request) (Grant, error) {
	run, token, ok := r.BasicAuth()
	if !ok || run == "" || token == "" {
		return Grant{}, refuse(http.StatusUnauthorized, "this is for runs of Slipway, each with its own token")
	}
	g, ok := b.c.Granter.Grant(r.Context(), run, token)
	if !ok || g.Run != run || (!g.Until.IsZero() && b.c.Clock().After(g.Until)) {
		return Grant{}, refuse(http.StatusUnauthorized, "the run is over, or this is not its token")
	}
	return g, nil
}

// fail answers an error, and logs what somebody may look for. A stack that is
// not there is never 404: to an engine that is an empty state.
func (b *Backend) fail(w http.ResponseWriter, r *http.Request, name, run string, err error) {
	status, text := http.StatusServiceUnavailable, "the state cannot be had just now; Slipway's log says why"
	var no *refusal
	var locked *stack.LockedError
	var large *stack.TooLargeError
	var format *stack.FormatError
	var conflict conflicting
	switch {
	case errors.As(err, &no):
		status, text = no.status, no.text
	case errors.As(err, &locked):
		answerHolder(w, locked)
		return
	case errors.As(err, &large):
		status, text = http.StatusRequestEntityTooLarge, err.Error()
	case errors.As(err, &format):
		status, text = http.StatusBadRequest, err.Error()
	case errors.As(err, &conflict):
		status, text = http.StatusConflict, err.Error()
	case errors.Is(err, store.ErrNotFound):
		status, text = http.StatusConflict, "there is no stack "+name+"; it may have been destroyed meanwhile"
	}
	level := zerolog.WarnLevel
	if status == http.StatusServiceUnavailable {
		level = zerolog.ErrorLevel
	}
	b.c.Log.WithLevel(level).Err(err).Str("stack", name).Str("run", run).Str("method", r.Method).Int("status", status).
		Msg("a run's engine was refused")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="slipway"`)
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.Error(w, text, status)
}

// conflicting are the stack's own refusals of what was sent.
type conflicting interface {
	error
	Conflict()
}

// alive takes a runner's sign of life: 204, or 401 where the run is given up.
func (b *Backend) alive(w http.ResponseWriter, r *http.Request) {
	g, err := b.grant(r)
	if err == nil && g.Run != r.PathValue("run") {
		err = refuse(http.StatusForbidden, "run %s cannot speak for another", g.Run)
	}
	if err != nil {
		b.fail(w, r, g.Stack, g.Run, err)
		return
	}
	if b.c.Alive != nil {
		b.c.Alive(g.Run)
	}
	w.WriteHeader(http.StatusNoContent)
}
