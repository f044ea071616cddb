package store

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound: nothing is stored under the key, or it was deleted.
	ErrNotFound = errors.New("not found")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrReadOnly: what holds the data cannot be written. Nothing was changed.
	ErrReadOnly = errors.New("the store cannot be written")
	// ErrUnavailable: what holds the data does not answer. What was to be written
	// may have been kept all the same; the message says so where that is not known.
	ErrUnavailable = errors.New("the store cannot be reached")
	// ErrCursor: the cursor was not made by this query.
	ErrCursor = errors.New("the cursor does not belong to this query: begin again without one")
	// ErrInvalid: the commit or query itself is wrong, a fault of the program.
	ErrInvalid = errors.New("invalid")
)

// ConflictError says that the aggregate is not at the expected version. Load
// again and decide again.
type ConflictError struct {
	Key
	Expected int64
	// Actual is the version that was found, a tombstone's too; 0: nothing.
	Actual int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s is at version %d, not %d: it was changed meanwhile", e.Key, e.Actual, e.Expected)
}

// MarkedError says that a mark of the commit is on the aggregate already: its
// message was handled before, and there is nothing left to do.
type MarkedError struct {
	Key
	Mark string
}

func (e *MarkedError) Error() string {
	return fmt.Sprintf("%s has handled %s before", e.Key, e.Mark)
}

// FullError says that there is no space left for the data. Nothing of the
// commit was kept. The store goes on by itself once there is space again.
type FullError struct {
	// Path is what has no space left: a file, or an adapter's own address.
	Path string
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("no space left for %s: nothing was written; free some space there, what is tried again then succeeds", e.Path)
}

func (e *FullError) Unwrap() error { return e.Err }

// TooLargeError says that the aggregate is larger than the adapter can keep in
// one commit. Nothing of it was kept.
type TooLargeError struct {
	Key
	// Size is what it would take, Limit the most there can be, in bytes.
	Size, Limit int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s would take %d bytes with its waiting messages, and at most %d can be kept together: nothing was written; keep the large part elsewhere, or in several aggregates", e.Key, e.Size, e.Limit)
}

// SchemaError says that the data is not of a form this program knows.
type SchemaError struct {
	Path string
	// Found is the schema version of the data, 0 where it says none; Known is
	// the newest this program can read.
	Found, Known int
	Reason       string
}

func (e *SchemaError) Error() string {
	if e.Found > e.Known {
		return fmt.Sprintf("%s has schema version %d, this program knows up to %d: it was written by a newer Slipway; run that one, or restore a backup made before the upgrade", e.Path, e.Found, e.Known)
	}
	return fmt.Sprintf("%s is not a Slipway store: %s; nothing was changed in it, name another one", e.Path, e.Reason)
}
