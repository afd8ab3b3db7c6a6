package sqlite

import (
	"context"
	"errors"
	"os"

	"ashatai/internal/core"
	"ashatai/internal/store/transfer"
)

// Side is the database as a side of a copy. Nobody else may write meanwhile.
func (db *DB) Side() transfer.Side { return transfer.Side{DB: db.write, Name: db.path} }

// Snapshot writes a whole and compact copy of the database at path, which a server may be using, to a new file. Nothing of
// the database itself changes. Errors: CodeNotFound where there is none.
func Snapshot(ctx context.Context, path, to string) (err error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return core.Wrap(core.CodeNotFound, err, "There is no database %s yet.", path)
	}
	if _, err := inspect(ctx, path, migrations()); err != nil {
		return err
	}
	if err := makeFile(to); err != nil { // private from the start; SQLite fills an empty file
		return explain(err, to)
	}
	db, err := openPool(ctx, path, 1)
	if err != nil {
		return explain(err, path)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return explain(err, to)
}
