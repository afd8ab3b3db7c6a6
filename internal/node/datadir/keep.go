package datadir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"ashatai/internal/backup"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/store/sqlite"
	"ashatai/internal/store/transfer"
)

// MigrateDatabase copies the database file of the settings into an empty PostgreSQL database, proves that both hold the same,
// and leaves the file as it is. No server may use the home meanwhile.
func MigrateDatabase(ctx context.Context, s *config.Settings, to string) (_ []transfer.Table, err error) {
	if s.Database.URL != "" {
		return nil, core.Errorf(core.CodeConflict, "The settings name a PostgreSQL database already (database.url); remove that line to copy the file %s.", s.Database.Path)
	}
	if _, err := os.Stat(s.Database.Path); err != nil {
		return nil, core.Wrap(core.CodeNotFound, err, "There is no database %s to copy.", s.Database.Path)
	}
	release, err := Lock(s.Home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	from, err := sqlite.Open(ctx, s.Database.Path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return intoPostgres(ctx, from, to)
}

func intoPostgres(ctx context.Context, from *sqlite.DB, to string) (_ []transfer.Table, err error) {
	db, err := ownPostgres(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return transfer.Copy(ctx, from.Side(), db.Side())
}

// Backup writes what the home and the database hold to a new file, or to one of its own naming where to is a folder. A
// server of that version may run meanwhile. It returns the file's path too.
func Backup(ctx context.Context, s *config.Settings, version, to string, weights bool) (string, backup.Contents, error) {
	abs, err := filepath.Abs(to)
	if err != nil {
		return "", backup.Contents{}, core.Wrap(core.CodeInvalidRequest, err, "The path %s has no absolute form.", to)
	}
	now := time.Now()
	if fi, err := os.Stat(abs); err == nil && fi.IsDir() {
		abs = filepath.Join(abs, "ashatai-"+now.UTC().Format("20060102-150405")+".tar")
	}
	src := backup.Source{
		Home: s.Home, Version: version, Kind: "sqlite", DatabasePath: s.Database.Path, Weights: weights, Now: now,
		Snapshot: func(ctx context.Context, file string) ([]transfer.Table, error) {
			return snapshotFile(ctx, s.Database.Path, file)
		},
	}
	if s.Database.URL != "" {
		src.Kind = "postgres"
		src.Snapshot = func(ctx context.Context, file string) ([]transfer.Table, error) {
			return snapshotPostgres(ctx, s.Database.URL, file)
		}
	}
	c, err := backup.Write(ctx, src, abs)
	return abs, c, err
}

func snapshotFile(ctx context.Context, from, to string) (_ []transfer.Table, err error) {
	if err := sqlite.Snapshot(ctx, from, to); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // which also folds its log into the file
	if err := db.Check(ctx); err != nil {
		return nil, err
	}
	return transfer.Sum(ctx, db.Side())
}

func snapshotPostgres(ctx context.Context, from, to string) (_ []transfer.Table, err error) {
	pg, err := SeenPostgres(ctx, from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()
	db, err := sqlite.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return transfer.Copy(ctx, pg.Side(), db.Side())
}

// Restore makes the home dir from a backup. Where to is an address, the rows go into that empty PostgreSQL database, else into
// the home's file. It returns the weights that neither backup nor home has.
func Restore(ctx context.Context, dir, from, to string) (backup.Contents, []backup.File, error) {
	target := backup.Target{Home: dir}
	if to != "" {
		target.Rows = func(ctx context.Context, file string) (err error) {
			db, err := sqlite.Open(ctx, file)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			_, err = intoPostgres(ctx, db, to)
			return err
		}
	}
	c, err := backup.Restore(ctx, from, target)
	if err != nil {
		return c, nil, err
	}
	return c, backup.Missing(c, dir), nil
}

// AfterRestore says what an operator still has to do so that a server on a restored home finds the rows: the settings came
// with the backup, and may name another database. s are the settings of the restored home.
func AfterRestore(s *config.Settings, c backup.Contents, to string) []string {
	file := filepath.Join(s.Home, filepath.FromSlash(c.Database.Path))
	switch {
	case to == "" && s.Database.URL != "":
		return []string{"The settings name a PostgreSQL database (database.url), and a server on this home uses that one and not the rows restored here: " +
			"remove the line, or restore with --to."}
	case to == "" && s.Database.Path != file:
		return []string{"The settings name the database file " + s.Database.Path + " (database.path), and the rows restored here are in " + file + ": move the file there, or change the line."}
	case to != "" && s.Database.URL != to:
		return []string{"The rows are in the PostgreSQL database of --to, and the settings name another: set database.url to it before the server is started."}
	}
	return nil
}
