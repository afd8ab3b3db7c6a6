package cli

import (
	"net/http"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/screen"
)

func (a *app) stop() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stop NAME",
		Short: "Unload a model when its running requests are done",
		Args:  oneArg("the name of a model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var done unloaded
			raw, err := c.Call(cmd.Context(), http.MethodPost, "/api/v1/unload", unloadRequest{Model: args[0]}, &done)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			}
			a.out.Printf("Unloaded %s.\n", screen.Plain(done.Unloaded))
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	cmd.ValidArgsFunction = a.completeModels(&flags, 1)
	return cmd
}
