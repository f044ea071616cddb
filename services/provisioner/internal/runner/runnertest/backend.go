// Package runnertest is a backend for tests of what runs engines: one state and
// its lock, kept in memory, over the engines' HTTP protocol, and the heartbeat.
package runnertest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Token is good for every run.
const Token = "token-that-is-secret"

// Backend answers as the platform does to the runs of one stack.
type Backend struct {
	URL string // what a job calls its backend

	mu     sync.Mutex
	state  []byte
	lock   []byte
	beats  int
	answer int // to everything; 0: as it should
}

// Serve starts one that ends with the test.
func Serve(t testing.TB) *Backend {
	t.Helper()
	b := &Backend{}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	b.URL = s.URL
	return b
}

// ServeHTTP implements http.Handler.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	_, password, _ := r.BasicAuth()
	switch {
	case b.answer != 0:
		w.WriteHeader(b.answer)
	case password != Token:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost && r.URL.Query().Get("ID") == "" && r.URL.Path[:6] == "/runs/":
		b.beats++
	case r.Method == http.MethodGet && b.state == nil:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet:
		_, _ = w.Write(b.state)
	case r.Method == "LOCK" && b.lock != nil:
		w.WriteHeader(http.StatusLocked)
		_, _ = w.Write(b.lock)
	case r.Method == "LOCK":
		b.lock = body
	case r.Method == "UNLOCK":
		b.lock = nil
	case r.Method == http.MethodPost:
		b.state = body
	}
}

// Answer has it answer everything with a status; 0 is as it should.
func (b *Backend) Answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = status
}

// Beats is how many heartbeats came.
func (b *Backend) Beats() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.beats
}

// Held is the lock, as the engine wrote it; "" when there is none.
func (b *Backend) Held() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.lock)
}

// Outputs are those of the state.
func (b *Backend) Outputs(t testing.TB) map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var state struct {
		Outputs map[string]struct {
			Value any `json:"value"`
		} `json:"outputs"`
	}
	if b.state != nil {
		require.NoError(t, json.Unmarshal(b.state, &state))
	}
	out := map[string]any{}
	for name, o := range state.Outputs {
		out[name] = o.Value
	}
	return out
}

// Resources counts the resource instances of the state.
func (b *Backend) Resources(t testing.TB) int {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var state struct {
		Resources []struct {
			Instances []json.RawMessage `json:"instances"`
		} `json:"resources"`
	}
	if b.state != nil {
		require.NoError(t, json.Unmarshal(b.state, &state))
	}
	n := 0
	for _, r := range state.Resources {
		n += len(r.Instances)
	}
	return n
}
