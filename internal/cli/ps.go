package cli

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/human"
	"ashatai/internal/cli/screen"
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
			raw, err := c.Call(cmd.Context(), http.MethodGet, "/api/v1/instances", nil, &list)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			case len(list.Instances) == 0:
				a.err.Printf("No model is loaded. The first request for one loads it.\n")
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
	if err := a.out.Table(rows); err != nil {
		return err
	}
	for _, i := range list {
		if i.Fallback != "" {
			a.err.Printf("%s %s: %s\n", a.err.Yellow("note:"), screen.Plain(i.Model), screen.Plain(i.Fallback))
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
