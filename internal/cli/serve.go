package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/core"
)

func (a *app) serve() *cobra.Command {
	var o ServeOptions
	var set []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Start a server",
		Long: "Start a server and print `ready http://ADDR` when it answers. Ctrl-C lets the running requests end and stops it;\n" +
			"a second Ctrl-C stops it at once.",
		Example: "  ashatai serve\n  ashatai serve --addr 127.0.0.1:8080 --home /srv/ashatai --set logs.level=debug",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range set {
				key, value, ok := strings.Cut(s, "=")
				if !ok || key == "" {
					return usage(cmd, "--set %q has no value; it is written --set logs.level=debug.", s)
				}
				if o.Set == nil {
					o.Set = map[string]string{}
				}
				o.Set[key] = value
			}
			if a.deps.Serve == nil {
				return core.Errorf(core.CodeUnsupported, "This program was built without a server.")
			}
			return a.deps.Serve(cmd.Context(), o, a.out)
		},
	}
	cmd.Flags().StringVar(&o.Addr, "addr", "", "listen on `HOST:PORT` (default: as the settings say, else 127.0.0.1:7077)")
	cmd.Flags().StringVar(&o.Home, "home", "", "keep the data in `DIR` (default ~/.ashatai)")
	cmd.Flags().StringVar(&o.Config, "config", "", "read the settings from `FILE` (default ashatai.yaml in the home)")
	cmd.Flags().StringArrayVar(&set, "set", nil, "set one setting, as `KEY=VALUE`; may be repeated")
	return cmd
}
