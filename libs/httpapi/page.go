package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
)

// The sizes of a page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Page is how every list is answered.
type Page[T any] struct {
	Items []T `json:"items"`
	// NextCursor asks for the next page; "" on the last.
	NextCursor string `json:"nextCursor,omitempty"`
}

// NewPage makes a page whose items are never null.
func NewPage[T any](items []T, next string) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, NextCursor: next}
}

// Paging reads ?limit= (1 to MaxLimit, DefaultLimit if absent) and ?cursor=.
func Paging(r *http.Request) (limit int, cursor string, err error) {
	q := r.URL.Query()
	limit = DefaultLimit
	if text := q.Get("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > MaxLimit {
			return 0, "", BadRequest(fmt.Sprintf("limit=%s is not a number from 1 to %d.", text, MaxLimit))
		}
	}
	return limit, q.Get("cursor"), nil
}
