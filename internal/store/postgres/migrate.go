package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/pressly/goose/v3"

	"ashatai/internal/core"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	versionTable = "schema_version"
	// migrationLock is the key of the database's advisory lock that whoever changes the schema holds.
	migrationLock = 0x41534841_0001 // "ASHA"
)

func migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic("the embedded folder has a fixed name: " + err.Error())
	}
	return sub
}

// migrate brings the schema to the newest version in fsys. Only one process at a time changes a schema; the others wait
// for it, and then find nothing to do.
func migrate(ctx context.Context, db *sql.DB, place string, fsys fs.FS) (err error) {
	p, newest, err := provider(db, place, fsys)
	if err != nil {
		return err
	}
	have, err := version(ctx, db, place)
	if err != nil || have == newest {
		return err
	}
	if err := refuseNewer(have, newest, place); err != nil {
		return err
	}
	holder, err := db.Conn(ctx) // the lock belongs to the connection
	if err != nil {
		return explain(err, place)
	}
	defer func() { err = errors.Join(err, release(ctx, holder, place)) }()
	if _, err := holder.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return explain(err, place)
	}
	have, err = version(ctx, db, place) // again: somebody else may have been faster
	if err != nil {
		return err
	}
	if err := refuseNewer(have, newest, place); err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return explain(err, place)
}

// provider knows the migrations of a folder, and the newest version among them.
func provider(db *sql.DB, place string, fsys fs.FS) (*goose.Provider, int64, error) {
	p, err := goose.NewProvider(goose.DialectPostgres, db, fsys,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, 0, explain(err, place)
	}
	sources := p.ListSources()
	return p, sources[len(sources)-1].Version, nil // a provider without sources is an error before this
}

// current refuses a schema that is not the newest of fsys.
func current(ctx context.Context, db *sql.DB, place string, fsys fs.FS) error {
	_, newest, err := provider(db, place, fsys)
	if err != nil {
		return err
	}
	have, err := version(ctx, db, place)
	switch {
	case err != nil:
		return err
	case have == 0:
		return core.Errorf(core.CodeNotFound, "The database %s holds nothing of this server yet; its first start makes the tables.", place)
	case have < newest:
		return core.Errorf(core.CodeUnavailable,
			"The database %s has schema %d, and this program wants %d; an older server may be using it, so it is left alone. Use that version of the program, or start the server of this one first.",
			place, have, newest)
	}
	return refuseNewer(have, newest, place)
}

// release gives the lock up also where ctx has ended: the connection goes back to a pool, and the lock would go with it.
func release(ctx context.Context, holder *sql.Conn, place string) error {
	_, err := holder.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock))
	return explain(errors.Join(err, holder.Close()), place)
}

// version reads the schema version; 0 for a schema without tables. It refuses one that something else filled.
func version(ctx context.Context, db *sql.DB, place string) (int64, error) {
	var tables, versioned int
	err := db.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE tablename = '"+versionTable+"') FROM pg_tables WHERE schemaname = current_schema()").Scan(&tables, &versioned)
	if err != nil {
		return 0, explain(err, place)
	}
	if versioned == 0 {
		if tables > 0 {
			return 0, core.Errorf(core.CodeUnavailable, "The database %s holds tables of another program; name an empty one for this server, or a schema of its own by ?search_path=NAME.", place)
		}
		return 0, nil
	}
	var v sql.NullInt64
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM "+versionTable).Scan(&v)
	return v.Int64, explain(err, place)
}

func refuseNewer(have, known int64, place string) error {
	if have <= known {
		return nil
	}
	return core.Errorf(core.CodeUnavailable,
		"The database %s has schema %d, but this server knows only up to %d: a newer server wrote it. Start that version, or put an older backup in its place.",
		place, have, known)
}
