// Package sqlite is the store in one file, for a laptop, a small team and the
// tests. See the README of libs/store for what it promises.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // a database driver registers itself; pure Go, so no C compiler is needed

	"github.com/slipway-idp/slipway/libs/store"
)

// Options of a store; the zero value is what services use.
type Options struct {
	// Clock stamps records; nil: the system's.
	Clock func() time.Time
	// Readers is the number of connections that read beside the writer; 0: 4.
	Readers int
}

// Store is one SQLite file: one writer that groups commits, some readers
// beside it.
type Store struct {
	path   string
	clock  func() time.Time
	writer *writer
	write  *sql.DB
	read   *sql.DB
	ask    *readings
	// changed has room for one signal: the relay looks at all that is there.
	changed chan struct{}

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or makes it and the folders above it. It writes once,
// so that a disk that is full (*store.FullError) or cannot be written
// (store.ErrReadOnly) is found here and not at the first commit. A file of a
// newer schema, or of something else, is *store.SchemaError and stays as it is.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	s := &Store{path: path, clock: o.Clock, changed: make(chan struct{}, 1), closing: make(chan struct{})}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, s.fault(err)
	}
	if err := s.open(ctx, o.Readers); err != nil {
		err = s.fault(err)
		if s.write != nil {
			_ = s.write.Close()
		}
		if s.read != nil {
			_ = s.read.Close()
		}
		return nil, err
	}
	s.changed <- struct{}{}
	return s, nil
}

func (s *Store) open(ctx context.Context, readers int) error {
	var err error
	if s.write, err = sql.Open("sqlite", dsn(s.path,
		"busy_timeout(5000)", "synchronous(full)", "fullfsync(1)", "foreign_keys(0)", "temp_store(memory)")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	// sql.DB.Close leaves a connection open that somebody holds.
	var prepared *statements
	defer func() {
		if s.writer != nil {
			return
		}
		if prepared != nil {
			_ = prepared.close()
		}
		_ = conn.Close()
	}()
	if err := prepareSchema(ctx, conn, s.path, s.clock()); err != nil {
		return err
	}
	if prepared, err = prepare(ctx, conn); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", dsn(s.path, "busy_timeout(5000)", "query_only(1)", "temp_store(memory)", "cache_size(-1024)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(2) // each has a page cache, and one process may hold seven stores
	if s.ask, err = prepareReadings(ctx, s.read); err != nil {
		return err
	}
	s.writer = newWriter(conn, prepared, s.clock, s.fault)
	go s.writer.run()
	return nil
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// Close waits for the commits under way; those that wait behind them are
// answered ErrClosed.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.writer.stop()
		s.closeErr = errors.Join(s.writer.statements.close(), s.writer.conn.Close(), s.ask.close(), s.read.Close(), s.write.Close())
	})
	return s.closeErr
}

func (s *Store) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// failed turns the error of a read into one of the contract.
func (s *Store) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closed():
		return store.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return s.fault(err)
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	if s.closed() {
		return 0, store.ErrClosed
	}
	if err := c.Check(); err != nil {
		return 0, err
	}
	var version int64
	err := s.writer.do(ctx, func(t *tx) (err error) {
		version, err = t.commit(c)
		return err
	})
	if err != nil {
		return 0, err
	}
	if len(c.Messages) > 0 {
		s.signal()
	}
	return version, nil
}

// signal tells the relay that there is something to publish.
func (s *Store) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
