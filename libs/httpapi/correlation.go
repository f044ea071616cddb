package httpapi

import (
	"context"
	"net/http"
)

// CorrelationHeader carries the correlation id, on requests and on answers.
const CorrelationHeader = "Slipway-Correlation-Id"

// Correlation passes on a request's correlation id, or gives it one of newID
// if it has none that is well formed, and says it on the answer.
func Correlation(newID func() string) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(CorrelationHeader)
			if !ValidID(id) {
				id = newID()
			}
			w.Header().Set(CorrelationHeader, id)
			next.ServeHTTP(w, r.WithContext(WithCorrelation(r.Context(), id)))
		})
	}
}

type correlationKey struct{}

// WithCorrelation puts a correlation id into a context.
func WithCorrelation(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// CorrelationFrom returns the correlation id of the request, "" outside of one.
func CorrelationFrom(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}

// ValidID reports whether text can be an id in a header, a path and a log
// line: 1 to 128 letters, digits, "-", "_", "." or ":".
func ValidID(text string) bool {
	if text == "" || len(text) > 128 {
		return false
	}
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}
