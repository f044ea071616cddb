package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
)

// Middleware wraps a handler.
type Middleware func(http.Handler) http.Handler

// Chain puts middlewares around a handler, the first outermost.
func Chain(h http.Handler, around ...Middleware) http.Handler {
	for i := len(around) - 1; i >= 0; i-- {
		h = around[i](h)
	}
	return h
}

// AccessLog logs each request when it has been answered, at debug level if it
// went well, at info from 400 on and at warn from 500 on, and puts the logger
// with the correlation id into the request's context. It needs Correlation
// outside of it.
func AccessLog(log zerolog.Logger, clock func() time.Time) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := clock()
			l := log.With().Str("correlation", CorrelationFrom(r.Context())).Logger()
			rec := &recorder{ResponseWriter: w}
			next.ServeHTTP(rec, r.WithContext(l.WithContext(r.Context())))
			l.WithLevel(levelOf(rec.code())).Str("method", r.Method).Str("path", r.URL.Path).Int("status", rec.code()).
				Int64("bytes", rec.bytes).Dur("took", clock().Sub(began)).Msg("request")
		})
	}
}

func levelOf(status int) zerolog.Level {
	switch {
	case status >= 500:
		return zerolog.WarnLevel
	case status >= 400:
		return zerolog.InfoLevel
	}
	return zerolog.DebugLevel
}

// Recover turns a panic of a handler into a 500 and a log entry with the
// stack. It belongs inside AccessLog.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause) // net/http's own way to cut a connection
			}
			zerolog.Ctx(r.Context()).Error().Bytes("stack", debug.Stack()).Str("panic", fmt.Sprint(cause)).Msg("a handler panicked")
			if rec.status == 0 {
				Write(w, r, fmt.Errorf("panic: %v", cause))
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// LimitBody refuses bodies over limit bytes: at once where the length is
// stated, and when the limit is reached otherwise.
func LimitBody(limit int64) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > limit {
				Write(w, r, TooLarge(limit))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			next.ServeHTTP(w, r)
		})
	}
}

// recorder remembers what was answered. Unwrap keeps flushing and deadlines
// working through http.ResponseController.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush is for handlers that ask for an http.Flusher, such as httputil.ReverseProxy's copies.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
