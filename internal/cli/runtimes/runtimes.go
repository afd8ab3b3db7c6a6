// Package runtimes are the commands on runtimes: list asks a running server, install works on this machine.
package runtimes

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
)

// Command is runtime with the commands below it.
func Command(on console.Console, deps Deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "runtime", Short: "See what runs models, and install it", Args: on.NoSuch,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(list(on), devices(on), install(on, deps))
	return cmd
}

// runtime is what the server says of one.
type runtime struct {
	Name    string   `json:"name"`
	Formats []string `json:"formats"`
	Devices []string `json:"devices"`
	Ready   bool     `json:"ready"`
	Version string   `json:"version"`
	Device  string   `json:"device"`
	Missing string   `json:"missing"`
}

func list(on console.Console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the runtimes, and what each lacks", Args: on.NoArgs}
	server := on.Server(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := server()
		if err != nil {
			return err
		}
		var got struct {
			Runtimes []runtime `json:"runtimes"`
		}
		raw, err := s.Call(cmd.Context(), http.MethodGet, "/api/v1/runtimes", nil, &got)
		if err != nil {
			return err
		}
		if asJSON {
			return on.JSON(raw)
		}
		rows := [][]string{{"NAME", "STATE", "VERSION", "FORMATS", "DEVICES", "NOW", "MISSING"}}
		for _, r := range got.Runtimes {
			state := "ready"
			if !r.Ready {
				state = "missing"
			}
			rows = append(rows, []string{
				r.Name, state, or(r.Version), strings.Join(r.Formats, ", "), strings.Join(r.Devices, ", "), or(on.Plain(r.Device)), or(on.Plain(r.Missing)),
			})
		}
		return on.Table(rows)
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
