package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slipway-idp/slipway/libs/store"
)

// ownFault tells errors that one statement brought on itself, such as a state
// that is too large, from those of the disk, which fail the whole group.
func ownFault(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return true // not from the database: our own encoding
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_ERROR:
		return true
	}
	return false
}

// fault turns an error of the database or the disk into one of the contract,
// where there is one. SQLite says "I/O error" or "cannot open" of much that the
// operating system knows better, so in these cases the folder is asked.
func (s *Store) fault(err error) error {
	var schema *store.SchemaError
	if err == nil || errors.As(err, &schema) {
		return err
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return s.named(err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return &store.FullError{Path: s.path, Err: err}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return s.readOnly(err)
	case sqlite3.SQLITE_NOTADB:
		return &store.SchemaError{Path: s.path, Known: schemaVersion, Reason: "it is no SQLite file"}
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		if cause := probe(filepath.Dir(s.path)); cause != nil {
			return s.named(cause)
		}
	}
	return s.named(err)
}

// named sorts an error by what the operating system said.
func (s *Store) named(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &store.FullError{Path: s.path, Err: err}
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return s.readOnly(err)
	}
	return fmt.Errorf("store %s: %w", s.path, err)
}

func (s *Store) readOnly(err error) error {
	return fmt.Errorf("%w: %s (%w); nothing was changed; make the folder and the file writable for this user, or name another", store.ErrReadOnly, s.path, err)
}

// probe writes a little beside the file and says what hindered it.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	if _, err := f.Write(make([]byte, 64<<10)); err != nil {
		return err
	}
	return f.Sync()
}
