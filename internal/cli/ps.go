package cli

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/human"
)

func (a *app) ps() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List the models that are loaded",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var list instanceList
			raw, err := c.call(cmd.Context(), http.MethodGet, "/api/v1/instances", nil, &list)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.raw(raw)
			case len(list.Instances) == 0:
				a.err.printf("No model is loaded. The first request for one loads it.\n")
				return nil
			}
			return a.showInstances(list.Instances)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

func (a *app) showInstances(list []instance) error {
	rows := [][]string{{"NAME", "RUNTIME", "DEVICE", "STATE", "MEMORY", "CONTEXT", "BUSY", "QUEUED", "UNLOADED"}}
	now := time.Now()
	for _, i := range list {
		rows = append(rows, []string{
			i.Model, i.Runtime, i.Device, i.State, human.Size(i.Memory.Total), strconv.Itoa(i.Context),
			fmt.Sprintf("%d/%d", i.Active, i.Sequences), strconv.Itoa(i.Queued), leaves(i, now),
		})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	for _, i := range list {
		if i.Fallback != "" {
			a.err.printf("%s %s: %s\n", a.err.yellow("note:"), plain(i.Model), plain(i.Fallback))
		}
	}
	return nil
}

// leaves says when an idle model goes.
func leaves(i instance, now time.Time) string {
	switch {
	case i.Pinned:
		return "never (pinned)"
	case i.ExpiresAt == nil:
		return "not while busy"
	case !i.ExpiresAt.After(now):
		return "now"
	}
	return human.Ago(*i.ExpiresAt, now)
}
