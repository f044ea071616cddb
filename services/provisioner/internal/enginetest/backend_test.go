package enginetest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// server is a backend as small as the engines' protocol allows.
type server struct {
	URL string

	mu     sync.Mutex
	state  []byte
	lock   []byte
	broken bool // answers 500 to writes
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL + "/stacks/s/state"
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if user, password, ok := r.BasicAuth(); !ok || user != "run-1" || password != "token" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method {
	case http.MethodGet:
		if s.state == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = w.Write(s.state)
	case "LOCK":
		if s.lock != nil {
			w.WriteHeader(http.StatusLocked)
			_, _ = w.Write(s.lock)
			return
		}
		s.lock = body
	case "UNLOCK":
		s.lock = nil
	case http.MethodPost:
		if s.broken {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var lock struct{ ID string }
		if s.lock == nil || json.Unmarshal(s.lock, &lock) != nil || r.URL.Query().Get("ID") != lock.ID {
			w.WriteHeader(http.StatusConflict)
			return
		}
		s.state = body
	}
}

// content is the state as it is kept.
type content struct {
	Version int
	Serial  int
	Lineage string
	Outputs map[string]struct {
		Value, Type any
		Sensitive   bool
	}
	Resources []struct {
		Type, Name string
		Instances  []struct {
			Status     string
			Attributes map[string]any
		}
	}
}

func (s *server) content(t *testing.T) content {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var c content
	require.NoError(t, json.Unmarshal(s.state, &c), string(s.state))
	return c
}

func (s *server) held() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.lock)
}

func (s *server) kept() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.state)
}

// with does something to the server between two answers.
func (s *server) with(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}
