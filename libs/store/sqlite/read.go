package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
)

const recordColumns = "r.kind, r.id, r.version, r.deleted, r.state, r.indexes, r.wake, r.created, r.updated"

// scanner is a row or a cursor over rows.
type scanner interface{ Scan(...any) error }

func scanRecord(row scanner) (r store.Record, deleted bool, err error) {
	var (
		indexes          []byte
		wake             sql.NullInt64
		created, updated int64
	)
	err = row.Scan(&r.Kind, &r.ID, &r.Version, &deleted, &r.State, &indexes, &wake, &created, &updated)
	if err != nil {
		return r, false, err
	}
	if len(indexes) > 0 {
		if err := json.Unmarshal(indexes, &r.Indexes); err != nil {
			return r, false, fmt.Errorf("indexes of %s: %w", r.Key, err)
		}
	}
	if wake.Valid {
		r.WakeAt = instant(wake.Int64)
	}
	r.Created, r.Updated = instant(created), instant(updated)
	return r, deleted, nil
}

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if s.closed() {
		return store.Record{}, store.ErrClosed
	}
	r, deleted, err := scanRecord(s.ask.get.QueryRowContext(ctx, key.Kind, key.ID))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return store.Record{}, store.ErrNotFound
	case err != nil:
		return store.Record{}, s.failed(ctx, err)
	case deleted:
		return store.Record{Key: r.Key, Version: r.Version}, store.ErrNotFound
	}
	return r, nil
}

// Marked implements store.Store.
func (s *Store) Marked(ctx context.Context, key store.Key, mark string) (bool, error) {
	if s.closed() {
		return false, store.ErrClosed
	}
	var one int
	err := s.ask.marked.QueryRowContext(ctx, key.Kind, key.ID, mark).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.failed(ctx, err)
}

// NextWake implements store.Store.
func (s *Store) NextWake(ctx context.Context, kind string) (time.Time, bool, error) {
	if s.closed() {
		return time.Time{}, false, store.ErrClosed
	}
	var wake sql.NullInt64
	err := s.ask.nextWake.QueryRowContext(ctx, kind).Scan(&wake)
	if err != nil || !wake.Valid {
		return time.Time{}, false, s.failed(ctx, err)
	}
	return instant(wake.Int64), true, nil
}

// ClaimDue implements store.Store.
func (s *Store) ClaimDue(ctx context.Context, kind string, now time.Time, lease time.Duration, limit int) ([]store.Record, error) {
	// Looking costs no fsync; claiming does, and mostly there is nothing due.
	next, ok, err := s.NextWake(ctx, kind)
	if err != nil || !ok || next.After(now) || limit < 1 {
		return nil, err
	}
	var due []store.Record
	err = s.writer.do(ctx, func(t *tx) (err error) {
		due, err = t.claim(kind, now, now.Add(lease), limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

func (t *tx) claim(kind string, now, until time.Time, limit int) ([]store.Record, error) {
	due, err := t.findDue(kind, now, limit)
	if err != nil {
		return nil, err
	}
	for i := range due {
		if _, err := t.setWake.Exec(until.UnixNano(), kind, due[i].ID); err != nil {
			return nil, err
		}
		due[i].WakeAt = until.UTC()
	}
	return due, nil
}

func (t *tx) findDue(kind string, now time.Time, limit int) ([]store.Record, error) {
	rows, err := t.due.Query(kind, now.UnixNano(), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	return scanRecords(rows)
}

func scanRecords(rows *sql.Rows) ([]store.Record, error) {
	var records []store.Record
	for rows.Next() {
		r, _, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, rows.Err()
}
