package datadir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ashatai/internal/audit"
	"ashatai/internal/backup"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/record"
	"ashatai/internal/store/postgres"
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
	var list []transfer.Table
	err = record.Do(ctx, audit.New(audit.Config{Store: from.Audit()}), record.Own("db migrate"), func(ctx context.Context) (string, error) {
		list, err = intoPostgres(ctx, from, to, func(db *postgres.DB) error {
			return record.Finish(ctx, audit.New(audit.Config{Store: db.Audit()}), "db migrate")
		})
		return "", err
	})
	return list, err
}

// intoPostgres copies a file's rows into an empty database, and then does what is to be done there.
func intoPostgres(ctx context.Context, from *sqlite.DB, to string, then func(*postgres.DB) error) (_ []transfer.Table, err error) {
	db, err := ownPostgres(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	list, err := transfer.Copy(ctx, from.Side(), db.Side())
	if err != nil {
		return nil, err
	}
	return list, then(db)
}

// BackupOptions say what is backed up, and to where.
type BackupOptions struct {
	Version string // of the program
	To      string // a new file, or a folder for one of its own naming
	Weights bool   // take the models' weights too
	WithKey bool   // take the server's key too
}

// Backup writes what the home and the database hold to a new file. A server of that version may run meanwhile. It returns the
// file's path too.
func Backup(ctx context.Context, s *config.Settings, o BackupOptions) (string, backup.Contents, error) {
	abs, err := filepath.Abs(o.To)
	if err != nil {
		return "", backup.Contents{}, core.Wrap(core.CodeInvalidRequest, err, "The path %s has no absolute form.", o.To)
	}
	now := time.Now()
	if fi, err := os.Stat(abs); err == nil && fi.IsDir() {
		abs = filepath.Join(abs, "ashatai-"+now.UTC().Format("20060102-150405")+".tar")
	}
	src := backup.Source{
		Home: s.Home, Version: o.Version, Kind: "sqlite", DatabasePath: s.Database.Path, Weights: o.Weights, Now: now,
		KeyFile: s.Secrets.File(s.Home), WithKey: o.WithKey, LogFile: s.Logs.File,
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
	var c backup.Contents
	a := record.Own("backup")
	a.Object = filepath.Base(abs)
	err = Recorded(ctx, s, a, func(ctx context.Context) (detail string, err error) {
		if o.WithKey {
			detail = "with the server's key"
		}
		c, err = backup.Write(ctx, src, abs)
		return detail, err
	})
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
	target := backup.Target{Home: dir, Prepare: func(ctx context.Context, file string) (err error) {
		db, err := sqlite.Open(ctx, file)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }() // which also folds its log into the file
		a := record.Own("restore")
		a.Object = filepath.Base(from)
		return record.Do(ctx, audit.New(audit.Config{Store: db.Audit()}), a, func(context.Context) (string, error) { return "", nil })
	}}
	if to != "" {
		target.Rows = func(ctx context.Context, file string) (err error) {
			db, err := sqlite.Open(ctx, file)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			_, err = intoPostgres(ctx, db, to, func(*postgres.DB) error { return nil })
			return err
		}
	}
	c, err := backup.Restore(ctx, from, target)
	if err != nil {
		return c, nil, err
	}
	return c, backup.Missing(c, dir), nil
}

// AfterBackup says what an operator has to keep besides a backup. s are the settings of its home.
func AfterBackup(s *config.Settings, c backup.Contents) []string {
	file := s.Secrets.File(s.Home)
	if file == "" {
		return []string{"The server's key is not in it: keep the one that ASHATAI__SECRETS__KEY or secrets.key gives."}
	}
	rel, err := filepath.Rel(s.Home, file)
	if err == nil && slices.ContainsFunc(c.Files, func(f backup.File) bool { return f.Path == filepath.ToSlash(rel) }) {
		return nil
	}
	return []string{"The server's key is not in it: keep a copy of " + file + " apart. Without it no sealed credential opens, and the record of acts is another server's."}
}

// AfterRestore says what an operator still has to do so that a server on a restored home finds the rows and opens what was sealed:
// the settings came with the backup, and may name another database. s are the settings of the restored home.
func AfterRestore(s *config.Settings, c backup.Contents, to string) []string {
	out := rowsElsewhere(s, c, to)
	file := s.Secrets.File(s.Home)
	if _, err := os.Stat(file); file != "" && errors.Is(err, fs.ErrNotExist) {
		out = append(out, "The server's key is not in the backup: put the copy that was kept of it at "+file+" (mode 0600) before the start, or the server makes another one.")
	}
	return out
}

func rowsElsewhere(s *config.Settings, c backup.Contents, to string) []string {
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
