package main

import (
	"context"

	"ashatai/internal/backup"
	clikeep "ashatai/internal/cli/keep"
	"ashatai/internal/node/datadir"
	"ashatai/internal/store/transfer"
)

// keep are the commands on the data of a home.
func keep() clikeep.Deps {
	return clikeep.Deps{Migrate: migrateDatabase, Backup: backupHome, Restore: restoreHome}
}

func migrateDatabase(ctx context.Context, home, config, to string) ([]clikeep.Table, error) {
	opt, err := options(home, config, "", nil)
	if err != nil {
		return nil, err
	}
	list, err := datadir.MigrateDatabase(ctx, opt.Settings, to)
	return tables(list), err
}

func backupHome(ctx context.Context, home, config, to string, o clikeep.BackupOptions) (clikeep.Report, error) {
	opt, err := options(home, config, "", nil)
	if err != nil {
		return clikeep.Report{}, err
	}
	file, c, err := datadir.Backup(ctx, opt.Settings, datadir.BackupOptions{Version: opt.Version, To: to, Weights: o.Weights, WithKey: o.WithKey})
	return clikeep.Report{File: file, Tables: tables(c.Tables), Files: len(c.Files), Missing: paths(c.LeftOut), Notes: datadir.AfterBackup(opt.Settings, c)}, err
}

func restoreHome(ctx context.Context, home, config, from, to string) (clikeep.Report, error) {
	opt, err := options(home, config, "", nil)
	if err != nil {
		return clikeep.Report{}, err
	}
	c, missing, err := datadir.Restore(ctx, opt.Settings.Home, from, to)
	r := clikeep.Report{File: opt.Settings.Home, Tables: tables(c.Tables), Files: len(c.Files), Missing: paths(missing)}
	if err != nil {
		return r, err
	}
	// Again, now that the home has its settings.
	if opt, err = options(home, config, "", nil); err != nil {
		return r, err
	}
	r.Notes = datadir.AfterRestore(opt.Settings, c, to)
	return r, nil
}

func tables(list []transfer.Table) []clikeep.Table {
	out := make([]clikeep.Table, len(list))
	for i, t := range list {
		out[i] = clikeep.Table(t)
	}
	return out
}

func paths(list []backup.File) []string {
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = f.Path
	}
	return out
}
