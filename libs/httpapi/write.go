package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/rs/zerolog"
)

// JSON writes v with a status.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client is gone: there is nobody to tell
}

// Write answers with the problem that err is or stands for. An error that is
// none of ours is logged with the request's id and answered without its text.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	p := *ProblemOf(err)
	if p.Status == http.StatusInternalServerError && p.RequestID == "" {
		p.RequestID = CorrelationFrom(r.Context())
		zerolog.Ctx(r.Context()).Error().Err(err).Str("request", p.RequestID).
			Str("method", r.Method).Str("path", r.URL.Path).Msg("request failed")
	}
	if p.Type == TypePrefix+"conflict" && r.Header.Get("If-Match") != "" {
		p.Type, p.Title, p.Status = TypePrefix+"version-mismatch", "It was changed meanwhile.", http.StatusPreconditionFailed
	}
	if p.Instance == "" {
		p.Instance = r.URL.Path
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", ProblemContentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p)
}

// ProblemOf finds the problem that an error is or stands for: a *Problem in
// its chain, a store's error, a body over its limit, a request that ended.
// What is unknown is Internal without a request id.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	if p := storeProblem(err); p != nil {
		return p
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return TooLarge(tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded):
		return New(http.StatusGatewayTimeout, "timeout", "It took too long.", "The answer did not come in time; try again.")
	case errors.Is(err, context.Canceled):
		return Unavailable(0, "The request was given up before it was answered.")
	}
	return Internal("")
}
