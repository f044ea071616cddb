package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/slipway-idp/slipway/libs/store"
)

type outbox struct{ s *Store }

// Outbox implements store.Store.
func (s *Store) Outbox() store.Outbox { return outbox{s} }

const entryColumns = "seq, kind, id, version, message, subject, header, body, at, published"

// Pending implements store.Outbox.
func (o outbox) Pending(ctx context.Context, limit int) ([]store.Entry, error) {
	return o.entries(ctx, "SELECT "+entryColumns+" FROM outbox WHERE published IS NULL ORDER BY seq LIMIT ?", limit)
}

// Archive implements store.Outbox.
func (o outbox) Archive(ctx context.Context, after int64, limit int) ([]store.Entry, error) {
	return o.entries(ctx, "SELECT "+entryColumns+" FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
}

func (o outbox) entries(ctx context.Context, query string, args ...any) ([]store.Entry, error) {
	if o.s.closed() {
		return nil, store.ErrClosed
	}
	rows, err := o.s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, o.s.failed(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	var entries []store.Entry
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return nil, o.s.failed(ctx, err)
		}
		entries = append(entries, e)
	}
	return entries, o.s.failed(ctx, rows.Err())
}

func scanEntry(row scanner) (e store.Entry, err error) {
	var (
		header    []byte
		at        int64
		published sql.NullInt64
	)
	err = row.Scan(&e.Seq, &e.Kind, &e.ID, &e.Version, &e.Message.ID, &e.Message.Subject, &header, &e.Message.Body, &at, &published)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(header, &e.Message.Header); err != nil {
		return e, fmt.Errorf("header of outbox entry %d: %w", e.Seq, err)
	}
	e.At = instant(at)
	if published.Valid {
		e.Published = instant(published.Int64)
	}
	return e, nil
}

// MarkPublished implements store.Outbox.
func (o outbox) MarkPublished(ctx context.Context, seqs []int64) error {
	if o.s.closed() {
		return store.ErrClosed
	}
	if len(seqs) == 0 {
		return nil
	}
	return o.s.writer.do(ctx, func(t *tx) error {
		for _, seq := range seqs {
			if _, err := t.markPublished.Exec(t.now.UnixNano(), seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// Changed implements store.Outbox.
func (o outbox) Changed() <-chan struct{} { return o.s.changed }

// Backlog implements store.Outbox.
func (o outbox) Backlog(ctx context.Context) (int, error) {
	if o.s.closed() {
		return 0, store.ErrClosed
	}
	var n int
	err := o.s.read.QueryRowContext(ctx, "SELECT count(*) FROM outbox WHERE published IS NULL").Scan(&n)
	return n, o.s.failed(ctx, err)
}
