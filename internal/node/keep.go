package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"ashatai/internal/backup"
	"ashatai/internal/core"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
	"ashatai/internal/store/transfer"
)

// MigrateDatabase copies the database file of the settings into an empty PostgreSQL database, proves that both hold the same,
// and leaves the file as it is. No server may use the home meanwhile.
func MigrateDatabase(ctx context.Context, opt Options, to string) (_ []transfer.Table, err error) {
	s := opt.Settings
	if s.Database.URL != "" {
		return nil, core.Errorf(core.CodeConflict, "The settings name a PostgreSQL database already (database.url); remove that line to copy the file %s.", s.Database.Path)
	}
	if _, err := os.Stat(s.Database.Path); err != nil {
		return nil, core.Wrap(core.CodeNotFound, err, "There is no database %s to copy.", s.Database.Path)
	}
	release, err := lockHome(s.Home)
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
	db, err := postgres.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Claim(ctx); err != nil {
		return nil, err
	}
	return transfer.Copy(ctx, from.Side(), db.Side())
}

// Backup writes what the home and the database hold to a new file, or to one of its own naming where to is a folder. A
// server may run meanwhile. It returns the file's path too.
func Backup(ctx context.Context, opt Options, to string, weights bool) (string, backup.Contents, error) {
	s := opt.Settings
	abs, err := filepath.Abs(to)
	if err != nil {
		return "", backup.Contents{}, core.Wrap(core.CodeInvalidRequest, err, "The path %s has no absolute form.", to)
	}
	now := time.Now()
	if fi, err := os.Stat(abs); err == nil && fi.IsDir() {
		abs = filepath.Join(abs, "ashatai-"+now.UTC().Format("20060102-150405")+".tar")
	}
	src := backup.Source{
		Home: s.Home, Version: opt.Version, Kind: "sqlite", DatabasePath: s.Database.Path, Weights: weights, Now: now,
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
	pg, err := postgres.Open(ctx, from)
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

// Restore makes a home from a backup. Where to is an address, the rows go into that empty PostgreSQL database, else into
// the home's file. It returns the weights that neither backup nor home has.
func Restore(ctx context.Context, opt Options, from, to string) (backup.Contents, []backup.File, error) {
	target := backup.Target{Home: opt.Settings.Home}
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
	return c, backup.Missing(c, opt.Settings.Home), nil
}
