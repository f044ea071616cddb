package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// IdempotencyHeader makes a write that creates something safe to repeat.
const IdempotencyHeader = "Idempotency-Key"

// RequestID returns the id for what a request creates. With an
// Idempotency-Key it is derived from actor, method, path and key, so that the
// same request again finds what the first one made; without one it is newID's.
func RequestID(r *http.Request, newID func() string) (string, error) {
	key := r.Header.Get(IdempotencyHeader)
	if key == "" {
		return newID(), nil
	}
	if !ValidID(key) {
		return "", BadRequest("Idempotency-Key has 1 to 128 letters, digits or -_.: and this one has not.")
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{ActorFrom(r.Context()).Name, r.Method, r.URL.Path, key}, "\n")))
	return hex.EncodeToString(sum[:13]), nil
}

// IfMatch returns the version that a write is meant for. ok is false without
// the header or with "*".
func IfMatch(r *http.Request) (version int64, ok bool, err error) {
	text := r.Header.Get("If-Match")
	if text == "" || text == "*" {
		return 0, false, nil
	}
	version, err = strconv.ParseInt(strings.Trim(strings.TrimPrefix(text, "W/"), `"`), 10, 64)
	if err != nil || version < 0 {
		return 0, false, BadRequest(fmt.Sprintf("If-Match: %s is not a version; take it from an answer's ETag.", text))
	}
	return version, true, nil
}

// SetVersion says on an answer which version it shows.
func SetVersion(w http.ResponseWriter, version int64) {
	w.Header().Set("ETag", `"`+strconv.FormatInt(version, 10)+`"`)
}
