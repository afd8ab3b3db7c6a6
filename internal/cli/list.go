package cli

import (
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/cli/human"
)

const jsonUsage = console.JSONUsage

func (a *app) list() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the installed models",
		Long:    "List the installed models. The first one answers when a request names none.",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var list modelList
			raw, err := c.Call(cmd.Context(), http.MethodGet, "/api/v1/models", nil, &list)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			case len(list.Models) == 0:
				a.err.Printf("No models are installed. `ashatai pull` installs one.\n")
				return nil
			}
			rows := [][]string{{"NAME", "ID", "SIZE", "PARAMETERS", "QUANTIZATION", "CONTEXT", "INSTALLED"}}
			now := time.Now()
			for _, m := range list.Models {
				rows = append(rows, []string{
					m.Name, human.ShortDigest(m.Digest), human.Size(m.Size), human.Count(m.Parameters), human.OrDash(m.Quantization),
					strconv.Itoa(m.Context), human.Ago(m.Created, now),
				})
			}
			return a.out.Table(rows)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}
