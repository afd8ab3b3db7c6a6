package main

import (
	"context"

	"ashatai/internal/backup"
	"ashatai/internal/cli"
	"ashatai/internal/node"
	"ashatai/internal/store/transfer"
)

// keep are the commands on the data of a home.
func keep() cli.Keep {
	return cli.Keep{Migrate: migrateDatabase, Backup: backupHome, Restore: restoreHome}
}

func migrateDatabase(ctx context.Context, home, config, to string) ([]cli.TableReport, error) {
	opt, err := options(home, config, "", nil)
	if err != nil {
		return nil, err
	}
	list, err := node.MigrateDatabase(ctx, opt, to)
	return tables(list), err
}

func backupHome(ctx context.Context, home, config, to string, weights bool) (cli.BackupReport, error) {
	opt, err := options(home, config, "", nil)
	if err != nil {
		return cli.BackupReport{}, err
	}
	file, c, err := node.Backup(ctx, opt, to, weights)
	return cli.BackupReport{File: file, Tables: tables(c.Tables), Files: len(c.Files), Missing: paths(c.LeftOut)}, err
}

func restoreHome(ctx context.Context, home, config, from, to string) (cli.BackupReport, error) {
	opt, err := options(home, config, "", nil)
	if err != nil {
		return cli.BackupReport{}, err
	}
	c, missing, err := node.Restore(ctx, opt, from, to)
	return cli.BackupReport{File: opt.Settings.Home, Tables: tables(c.Tables), Files: len(c.Files), Missing: paths(missing)}, err
}

func tables(list []transfer.Table) []cli.TableReport {
	out := make([]cli.TableReport, len(list))
	for i, t := range list {
		out[i] = cli.TableReport(t)
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
