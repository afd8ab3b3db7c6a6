package cli

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/screen"
)

func (a *app) rm() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rm NAME…",
		Short: "Remove models",
		Long: "Remove models. A model that cannot be removed does not keep the others; the exit code is that of the first " +
			"failure.",
		Args: someArgs("the names of models"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			gone := []string{}
			var failures []error
			for _, name := range args {
				var done removed
				if _, err := c.Call(cmd.Context(), http.MethodDelete, modelPath(name), nil, &done); err != nil {
					failures = append(failures, err)
					if exitCode(err) == ExitUnavailable || cmd.Context().Err() != nil {
						break
					}
					continue
				}
				gone = append(gone, done.Removed)
				if !asJSON {
					a.out.Printf("Removed %s.\n", screen.Plain(done.Removed))
					a.tellAliases(done.Aliases)
				}
			}
			if asJSON {
				failures = append(failures, a.out.JSON(map[string][]string{"removed": gone}))
			}
			return errors.Join(failures...)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	cmd.ValidArgsFunction = a.completeModels(&flags, 0)
	return cmd
}
