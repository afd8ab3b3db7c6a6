// Package usages is the command that takes away what was used: by user, group, key, model and day. It asks a server, or works on
// a home that no server uses.
package usages

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/cli/people"
)

type row struct {
	Date       string `json:"date"`
	Kind       string `json:"kind"`
	ID         string `json:"id"`
	Name       string `json:"name"`
	Model      string `json:"model"`
	Requests   int64  `json:"requests"`
	Prompt     int64  `json:"prompt_tokens"`
	Completion int64  `json:"completion_tokens"`
}

func (r row) fields() []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return []string{r.Date, r.Kind, r.ID, r.Name, r.Model, n(r.Requests), n(r.Prompt), n(r.Completion)}
}

// Command is usage with the command below it.
func Command(on console.Console, deps people.Deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "usage", Short: "Take away what users, groups, keys and models used", Args: on.NoSuch,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(export(on, deps))
	return cmd
}

func export(on console.Console, deps people.Deps) *cobra.Command {
	var at people.Place
	var asCSV, asJSON bool
	var from, to, kind string
	cmd := &cobra.Command{
		Use: "export", Short: "Print requests and tokens by user, group, key, model and day", Args: on.NoArgs,
		Long: "Print requests and tokens by user, group, key, model and day, in UTC. Each request is in the rows of its user, of its group, of\n" +
			"its key and of its model, and a row without a model is of all models together: so never add rows of different kinds.\n" + people.OfflineHelp,
		Example: "  ashatai usage export --csv --from 2027-01-01 --to 2027-01-31 > january.csv\n  ashatai usage export --kind group",
	}
	at.Add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if asCSV && asJSON {
			return on.Usage(cmd, "--csv and --json are two forms of the same; choose one.")
		}
		q := url.Values{}
		for name, v := range map[string]string{"from": from, "to": to, "kind": kind} {
			if v != "" {
				q.Set(name, v)
			}
		}
		return people.Do(on, deps, cmd, at, func(ctx context.Context, c people.Caller) error {
			return show(ctx, on, c, "/api/v1/usage/export?"+q.Encode(), asCSV, asJSON)
		})
	}
	cmd.Flags().StringVar(&from, "from", "", "the first `DAY`, as 2027-01-31 (default 30 days back)")
	cmd.Flags().StringVar(&to, "to", "", "the last `DAY` (default today)")
	cmd.Flags().StringVar(&kind, "kind", "", "only a user, group, key or model's")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print comma-separated values for a spreadsheet")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func show(ctx context.Context, on console.Console, c people.Caller, path string, asCSV, asJSON bool) error {
	var got struct {
		Rows []row `json:"rows"`
	}
	raw, err := c.Call(ctx, http.MethodGet, path, nil, &got)
	if err != nil {
		return err
	}
	if asJSON {
		return on.JSON(raw)
	}
	if asCSV {
		var text strings.Builder
		w := csv.NewWriter(&text)
		rows := [][]string{{"date", "kind", "id", "name", "model", "requests", "prompt_tokens", "completion_tokens"}}
		for _, r := range got.Rows {
			f := r.fields()
			f[3] = harmless(f[3])
			rows = append(rows, f)
		}
		if err := w.WriteAll(rows); err != nil {
			return err
		}
		on.Printf("%s", text.String())
		return nil
	}
	rows := [][]string{{"DATE", "KIND", "ID", "NAME", "MODEL", "REQUESTS", "PROMPT", "COMPLETION"}}
	for _, r := range got.Rows {
		f := r.fields()
		for i := range f {
			f[i] = on.Plain(f[i])
		}
		rows = append(rows, f)
	}
	return on.Table(rows)
}

// harmless keeps a spreadsheet from taking a name for a formula.
func harmless(name string) string {
	if strings.ContainsAny(name[:min(1, len(name))], "=+-@\t\r") {
		return "'" + name
	}
	return name
}
