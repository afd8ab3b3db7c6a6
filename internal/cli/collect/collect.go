// Package collect is the command that has a server remove files that no model has.
package collect

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/cli/human"
)

// Command is gc.
func Command(on console.Console) *cobra.Command {
	var dry, asJSON bool
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "gc", Short: "Remove files that no model has", Args: on.NoArgs,
		Long: "Remove files that no model has and that nobody touched for a time: of the server's home, of its bucket where one is\n" +
			"set, and what is left of downloads and uploads. The server does so by itself every hour.",
	}
	server := on.Server(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if grace < 0 || grace%time.Second != 0 {
			return on.Usage(cmd, "--grace is a time in whole seconds, as 24h; it is %q.", grace.String())
		}
		s, err := server()
		if err != nil {
			return err
		}
		var got struct {
			Files []struct {
				Where  string `json:"where"`
				SHA256 string `json:"sha256"`
				Size   int64  `json:"size"`
			} `json:"files"`
			Bytes int64 `json:"bytes"`
		}
		raw, err := s.Call(cmd.Context(), http.MethodPost, "/api/v1/collect", map[string]any{"dry_run": dry, "grace_seconds": int(grace / time.Second)}, &got)
		if err != nil {
			return err
		}
		if asJSON {
			return on.JSON(raw)
		}
		if len(got.Files) > 0 {
			rows := [][]string{{"WHERE", "SHA256", "SIZE"}}
			for _, f := range got.Files {
				rows = append(rows, []string{f.Where, on.Plain(f.SHA256), human.Size(f.Size)})
			}
			if err := on.Table(rows); err != nil {
				return err
			}
		}
		would := ""
		if dry {
			would = " would be"
		}
		if len(got.Files) == 0 {
			on.Printf("There is nothing to remove.\n")
			return nil
		}
		on.Printf("%s, %s,%s removed.\n", on.Plural(len(got.Files), "file"), human.Size(got.Bytes), would)
		return nil
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be removed")
	cmd.Flags().DurationVar(&grace, "grace", 0, "remove what nobody touched for this `TIME`, as 1h (default the setting blobs.grace)")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}
