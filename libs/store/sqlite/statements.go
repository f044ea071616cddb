package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// statements are those of the writing connection, prepared once.
type statements struct {
	begin, end, rollback                        *sql.Stmt
	savepointBegin, savepointUndo, savepointEnd *sql.Stmt
	getRecord, insertRecord, updateRecord       *sql.Stmt
	addValue, dropValue                         *sql.Stmt
	getMark, addMark                            *sql.Stmt
	addMessage, markPublished                   *sql.Stmt
	due, setWake                                *sql.Stmt

	all []*sql.Stmt
}

// close must come before the connection's: SQLite keeps the files open for as
// long as a statement lives.
func (s *statements) close() error {
	var errs []error
	for _, one := range s.all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// readings are the questions asked often, prepared once for each connection that
// reads.
type readings struct {
	get, marked, nextWake *sql.Stmt
}

func prepareReadings(ctx context.Context, db *sql.DB) (*readings, error) {
	var r readings
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&r.get, "SELECT " + recordColumns + " FROM records r WHERE r.kind = ? AND r.id = ?"},
		{&r.marked, "SELECT 1 FROM marks WHERE kind = ? AND id = ? AND mark = ?"},
		{&r.nextWake, "SELECT min(wake) FROM records WHERE kind = ? AND wake IS NOT NULL"},
	} {
		stmt, err := db.PrepareContext(ctx, p.sql) //nolint:sqlclosecheck // readings.close does
		if err != nil {
			return nil, errors.Join(fmt.Errorf("preparing %q: %w", p.sql, err), r.close())
		}
		*p.to = stmt
	}
	return &r, nil
}

func (r *readings) close() error {
	var errs []error
	for _, one := range []*sql.Stmt{r.get, r.marked, r.nextWake} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}

func prepare(ctx context.Context, conn *sql.Conn) (*statements, error) {
	var s statements
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.end, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.savepointBegin, "SAVEPOINT one"},
		{&s.savepointUndo, "ROLLBACK TO one"},
		{&s.savepointEnd, "RELEASE one"},
		{&s.getRecord, "SELECT version, deleted, indexes, created FROM records WHERE kind = ? AND id = ?"},
		{&s.insertRecord, "INSERT INTO records (version, deleted, state, indexes, wake, created, updated, kind, id) VALUES (?,?,?,?,?,?,?,?,?)"},
		{&s.updateRecord, "UPDATE records SET version = ?, deleted = ?, state = ?, indexes = ?, wake = ?, created = ?, updated = ? WHERE kind = ? AND id = ?"},
		{&s.addValue, "INSERT INTO index_values (kind, name, value, id, created) VALUES (?,?,?,?,?)"},
		{&s.dropValue, "DELETE FROM index_values WHERE kind = ? AND name = ? AND value = ? AND id = ?"},
		{&s.getMark, "SELECT 1 FROM marks WHERE kind = ? AND id = ? AND mark = ?"},
		{&s.addMark, "INSERT INTO marks (kind, id, mark, at) VALUES (?,?,?,?) ON CONFLICT DO NOTHING"},
		{&s.addMessage, "INSERT INTO outbox (kind, id, version, message, subject, header, body, at) VALUES (?,?,?,?,?,?,?,?)"},
		{&s.markPublished, "UPDATE outbox SET published = ? WHERE seq = ? AND published IS NULL"},
		{&s.due, "SELECT " + recordColumns + " FROM records r WHERE r.kind = ? AND r.wake <= ? ORDER BY r.wake, r.id LIMIT ?"},
		{&s.setWake, "UPDATE records SET wake = ? WHERE kind = ? AND id = ?"},
	} {
		stmt, err := conn.PrepareContext(ctx, p.sql) //nolint:sqlclosecheck // statements.close does
		if err != nil {
			return nil, errors.Join(fmt.Errorf("preparing %q: %w", p.sql, err), s.close())
		}
		s.all = append(s.all, stmt)
		*p.to = stmt
	}
	return &s, nil
}
