package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
)

// storeProblem says what a store's error means to the one who asked, nil if
// err is none.
func storeProblem(err error) *Problem {
	var (
		conflict *store.ConflictError
		full     *store.FullError
		large    *store.TooLargeError
	)
	switch {
	case errors.As(err, &conflict):
		return Conflict("It was changed by somebody else while this request was being carried out; load it again and repeat.")
	case errors.As(err, &full):
		return Full("The data folder has no room left, so nothing was changed. Free some space; no restart is needed.")
	case errors.As(err, &large):
		return New(http.StatusRequestEntityTooLarge, "too-large", "It is too large to be kept.",
			"Nothing was changed. Keep the large part elsewhere, such as in an artifact, or in several pieces.")
	case errors.Is(err, store.ErrNotFound):
		return New(http.StatusNotFound, "not-found", "There is no such thing.", "What was asked for is not there, or was deleted.")
	case errors.Is(err, store.ErrCursor):
		return BadRequest("The cursor does not belong to this list; begin again without one.")
	case errors.Is(err, store.ErrReadOnly):
		return New(http.StatusServiceUnavailable, "read-only", "Nothing can be written.",
			"The data folder cannot be written, so nothing was changed. Make it writable for the user that Slipway runs as.")
	case errors.Is(err, store.ErrUnavailable):
		return Unavailable(5*time.Second, "What keeps the data does not answer. Repeat the request with the same Idempotency-Key once it does: what was being written may have been kept.")
	case errors.Is(err, store.ErrClosed):
		return Unavailable(time.Second, "The service is stopping; try again in a moment.")
	}
	return nil
}
