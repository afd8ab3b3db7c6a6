// Package keep are the commands on the data of a home, which need no running server: backup, restore, db migrate. What they
// do is handed to them; they only ask and tell.
package keep

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/core"
)

// Deps do the work. The first two arguments of each are the flags --home and --config.
type Deps struct {
	// Migrate copies the database file into an empty PostgreSQL database.
	Migrate func(ctx context.Context, home, config, to string) ([]Table, error)
	// Backup writes a backup to a file, or into a folder.
	Backup func(ctx context.Context, home, config, to string, o BackupOptions) (Report, error)
	// Restore makes a home from a backup; to is the address of an empty PostgreSQL database for the rows, or empty.
	Restore func(ctx context.Context, home, config, from, to string) (Report, error)
}

// BackupOptions say what a backup holds besides.
type BackupOptions struct {
	Weights bool // of the models
	WithKey bool // the server's
}

// Table says what one table of a database holds.
type Table struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	Hash string `json:"hash"`
}

// Report says what a backup holds.
type Report struct {
	File    string   `json:"file"`
	Tables  []Table  `json:"tables"`
	Files   int      `json:"files"`
	Missing []string `json:"missing"`         // weights that are not there, by their paths in the home
	Notes   []string `json:"notes,omitempty"` // sentences about what is left to do
}

// Commands are backup, restore and db.
func Commands(on console.Console, deps Deps) []*cobra.Command {
	g := group{on: on, deps: deps}
	return []*cobra.Command{g.backup(), g.restore(), g.db()}
}

type group struct {
	on   console.Console
	deps Deps
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

func (g group) db() *cobra.Command {
	cmd := &cobra.Command{Use: "db", Short: "Work on the database", Args: g.on.NoSuch, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(g.dbMigrate())
	return cmd
}

func (g group) dbMigrate() *cobra.Command {
	var at place
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Copy the database file into an empty PostgreSQL database",
		Long: "Copy the database file into an empty PostgreSQL database, and prove that both hold the same rows. All or nothing; the file\n" +
			"keeps what it holds. Stop the server first, and name the database in the settings (database.url) afterwards.",
		Example: "  ashatai db migrate --to postgres://ashatai@db.example/ashatai",
		Args:    g.on.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return g.on.Usage(cmd, "--to is missing; it names the database, as postgres://user:password@host/name.")
			}
			if g.deps.Migrate == nil {
				return noKeep()
			}
			list, err := g.deps.Migrate(cmd.Context(), at.home, at.config, to)
			if err != nil {
				return err
			}
			if asJSON {
				return g.on.JSON(map[string][]Table{"tables": list})
			}
			rows := [][]string{{"TABLE", "ROWS", "HASH"}}
			for _, t := range list {
				rows = append(rows, []string{t.Name, strconv.FormatInt(t.Rows, 10), t.Hash[:min(16, len(t.Hash))]})
			}
			if err := g.on.Table(rows); err != nil {
				return err
			}
			g.on.Printf("Both databases hold these rows. Set database.url, then start the server.\n")
			return nil
		},
	}
	at.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "copy into the database at `URL`")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func (g group) backup() *cobra.Command {
	var at place
	var o BackupOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE|DIR",
		Short: "Write the data to a file",
		Long: "Write the database and the home's files to a new file, or to a file named by the time in DIR. The server may run meanwhile.\n" +
			"Models' weights are listed and not in it, since they can be pulled again; --weights takes them too. Caches are left out.\n" +
			"The file holds what people wrote and what the settings hold in plain text: keep it like the home itself. The server's key is\n" +
			"left out, so that sealed credentials open for nobody who only has the file; --with-key takes it too.",
		Args: g.on.OneArg("the file or folder to write to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if g.deps.Backup == nil {
				return noKeep()
			}
			r, err := g.deps.Backup(cmd.Context(), at.home, at.config, args[0], o)
			return g.showBackup(r, err, asJSON, "Wrote", "not in it: ")
		},
	}
	at.add(cmd)
	cmd.Flags().BoolVar(&o.Weights, "weights", false, "take the models' weights too")
	cmd.Flags().BoolVar(&o.WithKey, "with-key", false, "take the server's key too")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func (g group) restore() *cobra.Command {
	var at place
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a home from a backup",
		Long: "Make a home from a file that `ashatai backup` wrote. Everything in it is checked first, and nothing is written over: the home\n" +
			"must be missing or empty, and so must the database of --to.",
		Args: g.on.OneArg("the backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if g.deps.Restore == nil {
				return noKeep()
			}
			r, err := g.deps.Restore(cmd.Context(), at.home, at.config, args[0], to)
			return g.showBackup(r, err, asJSON, "Restored", "missing: ")
		},
	}
	at.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "put the rows into the empty PostgreSQL database at `URL` (default: into the home's file)")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func (g group) showBackup(r Report, err error, asJSON bool, verb, without string) error {
	if err != nil {
		return err
	}
	if r.Missing == nil {
		r.Missing = []string{}
	}
	if asJSON {
		return g.on.JSON(r)
	}
	var rows int64
	for _, t := range r.Tables {
		rows += t.Rows
	}
	g.on.Printf("%s %s: %s and %s.\n", verb, g.on.Plain(r.File), g.on.Plural(int(rows), "row"), g.on.Plural(r.Files, "file"))
	for _, m := range r.Missing {
		g.on.Printf("%s%s\n", without, g.on.Plain(m))
	}
	for _, n := range r.Notes {
		g.on.Printf("%s\n", g.on.Plain(n))
	}
	return nil
}
