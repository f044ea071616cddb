package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// outside lets package platform, which is made for tests, run in a program: what
// would fail a test ends the part with an error.
type outside struct {
	testing.TB // never called: what platform uses is below

	ctx      context.Context
	dir      string
	http     *http.Client
	mu       sync.Mutex
	cleanups []func()
	problems []error
}

func newOutside(ctx context.Context, dir string) *outside {
	return &outside{ctx: ctx, dir: dir, http: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
}

// errStopped ends a part; the reason is among the problems.
var errStopped = errors.New("stopped")

// protect runs fn and returns what it failed with.
func (t *outside) protect(fn func()) (err error) {
	defer func() {
		if cause := recover(); cause == errStopped { //nolint:errorlint // the very value
			t.mu.Lock()
			defer t.mu.Unlock()
			err = errors.Join(t.problems...)
		} else if cause != nil {
			panic(cause)
		}
	}()
	fn()
	return nil
}

// check ends the part if there is an error.
func (t *outside) check(err error) {
	if err == nil {
		return
	}
	t.Errorf("%v", err)
	t.FailNow()
}

// close takes down what the part left.
func (t *outside) close() error {
	t.http.CloseIdleConnections()
	return t.protect(func() {
		for i := len(t.cleanups) - 1; i >= 0; i-- {
			t.cleanups[i]()
		}
	})
}

func (t *outside) Helper()                  {}
func (t *outside) Context() context.Context { return t.ctx }

func (t *outside) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problems = append(t.problems, fmt.Errorf(format, args...))
}

func (t *outside) FailNow() { panic(errStopped) }

func (t *outside) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.problems) > 0
}

func (t *outside) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (t *outside) Cleanup(fn func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, fn)
}

func (t *outside) TempDir() string {
	dir, err := os.MkdirTemp(t.dir, "t-*")
	t.check(err)
	return dir
}
