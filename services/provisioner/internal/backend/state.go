package backend

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// read answers the newest state.
func (b *Backend) read(w http.ResponseWriter, r *http.Request, g Grant) error {
	raw, _, err := b.c.Stacks.State(r.Context(), g.Stack)
	if err != nil {
		return err
	}
	if raw == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-MD5", checksum(raw)) // the engines look at it
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	_, _ = w.Write(raw) // the engine is gone: there is nobody to tell
	return nil
}

// write keeps a state, whole or not at all.
func (b *Backend) write(w http.ResponseWriter, r *http.Request, g Grant) error {
	if !g.Write {
		return refuse(http.StatusForbidden, "run %s only plans: it may not write the state of stack %s", g.Run, g.Stack)
	}
	// One at a time: a module that has the token cannot fill the memory.
	if !b.begin(g.Run) {
		return refuse(http.StatusTooManyRequests, "run %s is writing a state already", g.Run)
	}
	defer b.end(g.Run)
	raw, err := b.body(w, r, g.Stack)
	if err != nil {
		return err
	}
	if b.c.Observe != nil {
		b.c.Observe(g.Stack, raw)
	}
	_, err = b.c.Stacks.Put(r.Context(), g.Stack, stack.Writer{Run: g.Run, LockID: r.URL.Query().Get("ID"), Engine: g.Kind}, raw)
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (b *Backend) body(w http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	if r.ContentLength > stack.MaxState {
		return nil, &stack.TooLargeError{Stack: name, Size: int(r.ContentLength)}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, stack.MaxState))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &stack.TooLargeError{Stack: name}
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "the state did not arrive whole")
	}
	if sum := r.Header.Get("Content-MD5"); sum != "" && sum != checksum(raw) {
		return nil, refuse(http.StatusBadRequest, "the state did not arrive as it was sent: its Content-MD5 is another")
	}
	return raw, nil
}

// clear gives up a state in which nothing is left.
func (b *Backend) clear(w http.ResponseWriter, r *http.Request, g Grant) error {
	if !g.Write {
		return refuse(http.StatusForbidden, "run %s only plans: it may not write the state of stack %s", g.Run, g.Stack)
	}
	if err := b.c.Stacks.Clear(r.Context(), g.Stack); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (b *Backend) begin(run string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing[run] {
		return false
	}
	b.writing[run] = true
	return true
}

func (b *Backend) end(run string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.writing, run)
}

// checksum is Content-MD5: against what goes wrong on the way, not against
// anybody.
func checksum(raw []byte) string {
	sum := md5.Sum(raw)
	return base64.StdEncoding.EncodeToString(sum[:])
}
