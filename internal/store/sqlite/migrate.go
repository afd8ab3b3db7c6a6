package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ashatai/internal/core"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	versionTable = "schema_version"
	// applicationID marks a file as this server's, in the header field that SQLite has for it.
	applicationID = 0x41534841 // "ASHA"
	lockTry       = 250 * time.Millisecond
	lockTries     = 40
)

func migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic("the embedded folder has a fixed name: " + err.Error())
	}
	return sub
}

// migrate brings the schema of the file to the newest version in fsys. Only one process at a time changes a schema; the
// others wait for it, and then find nothing to do.
func migrate(ctx context.Context, path string, fsys fs.FS) error {
	var busy error
	for range lockTries {
		current, err := inspect(ctx, path, fsys)
		if err != nil || current {
			return err
		}
		if err := migrateLocked(ctx, path, fsys); !isBusy(err) {
			return explain(err, path)
		}
		busy = err
	}
	return explain(busy, path)
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// inspect tells, without changing anything, whether the schema is the newest one.
func inspect(ctx context.Context, path string, fsys fs.FS) (current bool, err error) {
	db, err := openPool(ctx, path, 1)
	if err != nil {
		return false, explain(err, path)
	}
	defer func() { _ = db.Close() }() // nothing was written
	p, err := provider(db, fsys)
	if err != nil {
		return false, explain(err, path)
	}
	v, err := version(ctx, db, path)
	if err != nil {
		return false, explain(err, path)
	}
	return v == newest(p), refuseNewer(v, newest(p), path)
}

// migrateLocked holds the file for itself alone until it is done. Its error is the driver's own where the file is busy.
func migrateLocked(ctx context.Context, path string, fsys fs.FS) (err error) {
	db, err := sql.Open(driverName, dsn(path, lockTry, "locking_mode(EXCLUSIVE)", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // the lock belongs to the connection
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE; COMMIT; PRAGMA journal_mode = WAL"); err != nil {
		return err // in exclusive mode the lock outlives the transaction
	}
	p, err := provider(db, fsys)
	if err != nil {
		return err
	}
	v, err := version(ctx, db, path) // again: somebody else may have been faster
	if err != nil {
		return err
	}
	if err := refuseNewer(v, newest(p), path); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func provider(db *sql.DB, fsys fs.FS) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectSQLite3, db, fsys,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

func newest(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version // a provider without sources is an error before this
}

// version reads the schema version; 0 for an empty file. It refuses a file that something else made.
func version(ctx context.Context, db *sql.DB, path string) (int64, error) {
	var id int64
	var tables, versioned int
	err := db.QueryRowContext(ctx, "SELECT application_id, (SELECT count(*) FROM sqlite_schema), "+
		"(SELECT count(*) FROM sqlite_schema WHERE name = '"+versionTable+"') FROM pragma_application_id").Scan(&id, &tables, &versioned)
	if err != nil {
		return 0, err
	}
	if id != applicationID && (id != 0 || tables > 0) {
		return 0, core.Errorf(core.CodeUnavailable, "The file %s is a database of another program; name another path for this server's.", path)
	}
	if versioned == 0 {
		return 0, nil
	}
	var v sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM "+versionTable).Scan(&v)
	return v.Int64, err
}

func refuseNewer(have, known int64, path string) error {
	if have <= known {
		return nil
	}
	return core.Errorf(core.CodeUnavailable,
		"The database %s has schema %d, but this server knows only up to %d: a newer server wrote it. Start that version, or put an older backup in its place.",
		path, have, known)
}

func busyPragma(d time.Duration) string {
	return "busy_timeout(" + strconv.FormatInt(d.Milliseconds(), 10) + ")"
}
