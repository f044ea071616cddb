package sqlite

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), path, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rawSQL runs statements on the file as another program would.
func rawSQL(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	for _, text := range statements {
		_, err := db.Exec(text)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
}

func requireUntouched(t *testing.T, path string, openIt func()) {
	t.Helper()
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	openIt()
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after, "the file was changed")
}

func TestOpen_OddPath_IsThatFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "made", "a b?c#d%41&e.db")
	open(t, path)
	require.FileExists(t, path)
}

func TestOpen_DurableByDefault(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	var mode string
	var synchronous int
	require.NoError(t, s.writer.conn.QueryRowContext(context.Background(), "PRAGMA journal_mode").Scan(&mode))
	require.NoError(t, s.writer.conn.QueryRowContext(context.Background(), "PRAGMA synchronous").Scan(&synchronous))
	require.Equal(t, "wal", mode)
	require.Equal(t, 2, synchronous, "FULL: an fsync for each transaction")
}

func TestOpen_NewerSchema_IsRefusedAndTheFileStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	require.NoError(t, open(t, path).Close())
	rawSQL(t, path, "UPDATE slipway_schema SET version = 7")
	requireUntouched(t, path, func() {
		_, err := Open(context.Background(), path, Options{})
		var schema *store.SchemaError
		require.ErrorAs(t, err, &schema)
		require.Equal(t, 7, schema.Found)
		require.Equal(t, schemaVersion, schema.Known)
		require.ErrorContains(t, err, "newer Slipway")
	})
}

func TestOpen_SchemaVersionMakesNoSense_IsRefused(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{"UPDATE slipway_schema SET version = 0", "UPDATE slipway_schema SET version = -1", "DELETE FROM slipway_schema"} {
		path := filepath.Join(t.TempDir(), "s.db")
		require.NoError(t, open(t, path).Close())
		rawSQL(t, path, statement)
		_, err := Open(context.Background(), path, Options{})
		var schema *store.SchemaError
		require.ErrorAs(t, err, &schema, statement)
	}
}

func TestOpen_FileOfAnotherProgram_IsRefusedAndStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	rawSQL(t, path, "CREATE TABLE bookmarks (url TEXT)")
	requireUntouched(t, path, func() {
		_, err := Open(context.Background(), path, Options{})
		var schema *store.SchemaError
		require.ErrorAs(t, err, &schema)
		require.ErrorContains(t, err, "another program")
	})
}

func TestOpen_NoDatabaseAtAll_IsRefusedAndStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	require.NoError(t, os.WriteFile(path, []byte("a shopping list, and long enough to be looked at as a header of a database file, which it is not"), 0o600))
	requireUntouched(t, path, func() {
		_, err := Open(context.Background(), path, Options{})
		var schema *store.SchemaError
		require.ErrorAs(t, err, &schema)
	})
}

func TestOpen_PathIsAFolder_SaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Open(context.Background(), dir, Options{})
	require.ErrorContains(t, err, dir)
}
