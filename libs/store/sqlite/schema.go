package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
)

// schemaVersion is the newest form of the file that this program knows. An
// older one is brought up to it by migrations; a newer one is refused.
const schemaVersion = 1

// migrations[n] brings a file from version n to n+1. They are never edited
// once released.
var migrations = [schemaVersion]string{`
CREATE TABLE slipway_schema (version INTEGER NOT NULL, opened INTEGER NOT NULL) STRICT;
CREATE TABLE records (
	kind TEXT NOT NULL, id TEXT NOT NULL,
	version INTEGER NOT NULL,
	deleted INTEGER NOT NULL, -- 1: a tombstone
	state BLOB, indexes BLOB, -- JSON
	wake INTEGER,             -- times are nanoseconds since 1970, UTC
	created INTEGER NOT NULL, updated INTEGER NOT NULL,
	PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX records_created ON records (kind, created, id) WHERE deleted = 0;
CREATE INDEX records_wake ON records (kind, wake) WHERE wake IS NOT NULL;
-- created stands beside each value, so that "the newest of this project" is a
-- walk along an index and not a sort of everything.
CREATE TABLE index_values (
	kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (kind, name, value, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX index_values_created ON index_values (kind, name, value, created, id);
-- Marks are apart from the state, so that reading a record does not read them,
-- and carry their time, so that they can be let go once no redelivery can come.
CREATE TABLE marks (
	kind TEXT NOT NULL, id TEXT NOT NULL, mark TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (kind, id, mark)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
	message TEXT NOT NULL, subject TEXT NOT NULL,
	header BLOB, body BLOB,
	at INTEGER NOT NULL,
	published INTEGER
) STRICT;
CREATE INDEX outbox_pending ON outbox (seq) WHERE published IS NULL;
`}

// prepareSchema makes or checks the schema and writes the time of opening,
// which shows whether the file can be written at all.
func prepareSchema(ctx context.Context, conn *sql.Conn, path string, now time.Time) error {
	found, err := schemaOf(ctx, conn, path)
	if err != nil {
		return err
	}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%s: this file system has no write-ahead log for SQLite (journal mode %q): use a local disk", path, mode)
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := migrate(ctx, conn, found, now); err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	if _, err = conn.ExecContext(ctx, "COMMIT"); err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

func migrate(ctx context.Context, conn *sql.Conn, from int, now time.Time) error {
	for _, statements := range migrations[from:] {
		for _, one := range strings.Split(statements, ";\n") {
			if strings.TrimSpace(one) == "" {
				continue
			}
			if _, err := conn.ExecContext(ctx, one); err != nil {
				return err
			}
		}
	}
	if from == 0 {
		_, err := conn.ExecContext(ctx, "INSERT INTO slipway_schema (version, opened) VALUES (?, ?)", schemaVersion, now.UnixNano())
		return err
	}
	_, err := conn.ExecContext(ctx, "UPDATE slipway_schema SET version = ?, opened = ?", schemaVersion, now.UnixNano())
	return err
}

// schemaOf returns the version of the file, 0 for an empty one.
func schemaOf(ctx context.Context, conn *sql.Conn, path string) (int, error) {
	var tables, ours int
	err := conn.QueryRowContext(ctx,
		"SELECT count(*), count(CASE WHEN name = 'slipway_schema' THEN 1 END) FROM sqlite_master WHERE type = 'table'").Scan(&tables, &ours)
	if err != nil {
		return 0, err
	}
	if tables == 0 {
		return 0, nil
	}
	refused := &store.SchemaError{Path: path, Known: schemaVersion}
	if ours == 0 {
		refused.Reason = "it is the SQLite file of another program"
		return 0, refused
	}
	var found int
	err = conn.QueryRowContext(ctx, "SELECT version FROM slipway_schema").Scan(&found)
	if err != nil {
		refused.Reason = "its schema version cannot be read: " + err.Error()
		return 0, refused
	}
	if found < 1 || found > schemaVersion {
		refused.Found = found
		refused.Reason = fmt.Sprintf("its schema version is %d", found)
		return 0, refused
	}
	return found, nil
}
