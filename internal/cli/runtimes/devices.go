package runtimes

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
)

// found is what the server says of the machine's devices.
type found struct {
	Devices []struct {
		ID       string   `json:"id"`
		Name     string   `json:"name"`
		Driver   string   `json:"driver"`
		Ready    bool     `json:"ready"`
		Runtimes []string `json:"runtimes"`
		Missing  string   `json:"missing"`
		Memory   struct {
			Total  int64 `json:"total"`
			Free   int64 `json:"free"`
			Models struct {
				Used int64 `json:"used"`
			} `json:"models"`
		} `json:"memory"`
	} `json:"devices"`
	Notes []string `json:"notes"`
}

func devices(on console.Console) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "devices", Short: "List what models can compute on, and what is missing", Args: on.NoArgs}
	server := on.Server(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := server()
		if err != nil {
			return err
		}
		var got found
		raw, err := s.Call(cmd.Context(), http.MethodGet, "/api/v1/devices", nil, &got)
		if err != nil {
			return err
		}
		if asJSON {
			return on.JSON(raw)
		}
		rows := [][]string{{"DEVICE", "STATE", "NAME", "DRIVER", "MEMORY", "FREE", "MODELS", "RUNTIMES", "MISSING"}}
		for _, d := range got.Devices {
			state := "ready"
			if !d.Ready {
				state = "missing"
			}
			rows = append(rows, []string{
				d.ID, state, on.Plain(d.Name), or(on.Plain(d.Driver)), mib(d.Memory.Total), mib(d.Memory.Free), mib(d.Memory.Models.Used),
				or(strings.Join(d.Runtimes, ", ")), or(on.Plain(d.Missing)),
			})
		}
		for _, n := range got.Notes {
			rows = append(rows, []string{"-", "missing", "-", "-", "-", "-", "-", "-", on.Plain(n)})
		}
		return on.Table(rows)
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
