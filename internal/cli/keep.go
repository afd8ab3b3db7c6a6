package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"ashatai/internal/core"
)

// Keep are the commands on the data of a home, which need no running server. The first two arguments of each are the flags
// --home and --config.
type Keep struct {
	// Migrate copies the database file into an empty PostgreSQL database.
	Migrate func(ctx context.Context, home, config, to string) ([]TableReport, error)
	// Backup writes a backup to a file, or into a folder.
	Backup func(ctx context.Context, home, config, to string, weights bool) (BackupReport, error)
	// Restore makes a home from a backup; to is the address of an empty PostgreSQL database for the rows, or empty.
	Restore func(ctx context.Context, home, config, from, to string) (BackupReport, error)
}

// TableReport says what one table of a database holds.
type TableReport struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	Hash string `json:"hash"`
}

// BackupReport says what a backup holds.
type BackupReport struct {
	File    string        `json:"file"`
	Tables  []TableReport `json:"tables"`
	Files   int           `json:"files"`
	Missing []string      `json:"missing"` // weights that are not there, by their paths in the home
}

// place are the flags that name a home.
type place struct{ home, config string }

func (p *place) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.home, "home", "", "work on the data in `DIR` (default ~/.ashatai)")
	cmd.Flags().StringVar(&p.config, "config", "", "read the settings from `FILE` (default ashatai.yaml in the home)")
}

func noKeep() error {
	return core.Errorf(core.CodeUnsupported, "This program was built without a server, so it has no data to work on.")
}

func (a *app) db() *cobra.Command {
	cmd := &cobra.Command{Use: "db", Short: "Work on the database", Args: noSuchCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.dbMigrate())
	return cmd
}

func (a *app) dbMigrate() *cobra.Command {
	var at place
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Copy the database file into an empty PostgreSQL database",
		Long: "Copy the database file into an empty PostgreSQL database, and prove that both hold the same rows. All or nothing; the file\n" +
			"stays as it is. Stop the server first, and name the database in the settings (database.url) afterwards.",
		Example: "  ashatai db migrate --to postgres://ashatai@db.example/ashatai",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usage(cmd, "--to is missing; it names the database, as postgres://user:password@host/name.")
			}
			if a.deps.Keep.Migrate == nil {
				return noKeep()
			}
			list, err := a.deps.Keep.Migrate(cmd.Context(), at.home, at.config, to)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(map[string][]TableReport{"tables": list})
			}
			rows := [][]string{{"TABLE", "ROWS", "HASH"}}
			for _, t := range list {
				rows = append(rows, []string{t.Name, strconv.FormatInt(t.Rows, 10), t.Hash[:min(16, len(t.Hash))]})
			}
			if err := a.table(rows); err != nil {
				return err
			}
			a.out.printf("Both databases hold these rows. Set database.url, then start the server.\n")
			return nil
		},
	}
	at.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "copy into the database at `URL`")
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

func (a *app) backup() *cobra.Command {
	var at place
	var weights, asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE|DIR",
		Short: "Write the data to a file",
		Long: "Write the database and the home's files to a new file, or to a file named by the time in DIR. The server may run meanwhile.\n" +
			"Models' weights are listed and not in it, since they can be pulled again; --weights takes them too. Caches are left out.\n" +
			"The file holds what people wrote and every credential of the server: keep it like the home itself.",
		Args: oneArg("the file or folder to write to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.deps.Keep.Backup == nil {
				return noKeep()
			}
			r, err := a.deps.Keep.Backup(cmd.Context(), at.home, at.config, args[0], weights)
			return a.showBackup(r, err, asJSON, "Wrote", "not in it: ")
		},
	}
	at.add(cmd)
	cmd.Flags().BoolVar(&weights, "weights", false, "take the models' weights too")
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

func (a *app) restore() *cobra.Command {
	var at place
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a home from a backup",
		Long: "Make a home from a file that `ashatai backup` wrote. Everything in it is checked first, and nothing is written over: the home\n" +
			"must be missing or empty, and so must the database of --to.",
		Args: oneArg("the backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.deps.Keep.Restore == nil {
				return noKeep()
			}
			r, err := a.deps.Keep.Restore(cmd.Context(), at.home, at.config, args[0], to)
			return a.showBackup(r, err, asJSON, "Restored", "missing: ")
		},
	}
	at.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "put the rows into the empty PostgreSQL database at `URL` (default: into the home's file)")
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

func (a *app) showBackup(r BackupReport, err error, asJSON bool, verb, without string) error {
	if err != nil {
		return err
	}
	if r.Missing == nil {
		r.Missing = []string{}
	}
	if asJSON {
		return a.json(r)
	}
	var rows int64
	for _, t := range r.Tables {
		rows += t.Rows
	}
	a.out.printf("%s %s: %s and %s.\n", verb, plain(r.File), plural(int(rows), "row"), plural(r.Files, "file"))
	for _, m := range r.Missing {
		a.out.printf("%s%s\n", without, plain(m))
	}
	return nil
}
