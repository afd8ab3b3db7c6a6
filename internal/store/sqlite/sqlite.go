// Package sqlite keeps the store in one SQLite file: write-ahead log, full sync, one writer and a pool of readers,
// migrations forward only.
//
// It refuses files that are no database of this server or that a newer server wrote, and it never repairs: it says what
// is wrong.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
	"ashatai/internal/store/sqlstore"
)

const (
	driverName  = "sqlite"
	readers     = 4
	busyTimeout = 5 * time.Second
)

// DB is an open SQLite store.
type DB struct {
	*sqlstore.DB

	path  string
	write *sql.DB
	read  *sql.DB
}

var _ store.DB = (*DB)(nil)

// Open opens the file at path, makes it where it is missing, and brings its schema up to date. The caller closes it.
func Open(ctx context.Context, path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The database path %q has no absolute form.", path)
	}
	if err := makeFile(abs); err != nil {
		return nil, explain(err, abs)
	}
	if err := migrate(ctx, abs, migrations()); err != nil {
		return nil, err
	}
	return open(ctx, abs)
}

// Beside opens the file at path while a server may be using it, and changes nothing of its schema. It returns nil where there is no
// file, or one whose schema is older. The caller closes it. Errors: CodeUnavailable for a newer schema.
func Beside(ctx context.Context, path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, core.Wrap(core.CodeUnavailable, err, "The database path %q has no absolute form.", path)
	}
	if _, err := os.Stat(abs); errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // no database is no error
	}
	if current, err := inspect(ctx, abs, migrations()); err != nil || !current {
		return nil, err
	}
	return open(ctx, abs)
}

// open opens a file whose schema is the newest.
func open(ctx context.Context, abs string) (_ *DB, err error) {
	db := &DB{path: abs}
	// secure_delete: what is deleted is overwritten; people's words would stay in free pages of the file else.
	if db.write, err = openPool(ctx, abs, 1, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "secure_delete(1)"); err != nil {
		return nil, explain(err, abs)
	}
	if db.read, err = openPool(ctx, abs, readers, "query_only(1)"); err != nil {
		return nil, errors.Join(explain(err, abs), db.write.Close())
	}
	db.DB = sqlstore.New(sqlstore.Options{Read: db.read, Write: db.write, Tx: db.inTx, Explain: func(err error) error { return explain(err, abs) }})
	return db, nil
}

// inTx runs do in one transaction of the writer.
func (db *DB) inTx(ctx context.Context, do func(query.DBTX) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// makeFile makes an empty file that only its owner can read: SQLite itself would let everybody, and its side files
// take the mode of the main one.
func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is a setting of the operator
	if err != nil {
		return err
	}
	return f.Close()
}

// openPool opens at most conns connections with these pragmas.
func openPool(ctx context.Context, path string, conns int, pragmas ...string) (*sql.DB, error) {
	db, err := sql.Open(driverName, dsn(path, busyTimeout, pragmas...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// dsn writes the data source as a URI, in which no character of the path has a meaning of its own.
func dsn(path string, busy time.Duration, pragmas ...string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a drive letter
	}
	v := url.Values{"_pragma": append([]string{busyPragma(busy)}, pragmas...), "_txlock": {"immediate"}}
	u := url.URL{Scheme: "file", Path: p, RawQuery: v.Encode()}
	return u.String()
}

// Close implements store.DB.
func (db *DB) Close() error { return errors.Join(db.read.Close(), db.write.Close()) }
