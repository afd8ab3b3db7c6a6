package cli

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/screen"
)

type alias struct {
	Name    string `json:"name"`
	Model   string `json:"model"`
	Setting bool   `json:"setting"`
	Missing bool   `json:"missing"`
}

type aliasList struct {
	Aliases []alias `json:"aliases"`
}

func aliasPath(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "/api/v1/aliases/" + strings.Join(parts, "/")
}

func (a *app) alias() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "alias NAME MODEL",
		Short: "Give a model another name",
		Long: "Give a model another name, for programs that insist on one. Requests for NAME are answered by MODEL, which cannot be an\n" +
			"alias itself. `ashatai alias list` shows all of them, also those of the settings (models.MODEL.aliases), and\n" +
			"`ashatai alias rm NAME` takes one away. When the model is removed, its aliases go with it; `ashatai cp` makes a model\n" +
			"that stays.",
		Example: "  ashatai alias gpt-4o smollm2:135m\n  ashatai alias rm gpt-4o",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] == "" || args[1] == "" {
				return usage(cmd, "`%s` wants a name and the model that it is to stand for.", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var done alias
			raw, err := c.Call(cmd.Context(), http.MethodPut, aliasPath(args[0]), map[string]string{"model": args[1]}, &done)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			}
			a.out.Printf("%s stands for %s.\n", screen.Plain(done.Name), screen.Plain(done.Model))
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	cmd.AddCommand(a.aliasList(), a.aliasRemove())
	return cmd
}

func (a *app) aliasList() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the aliases",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var list aliasList
			raw, err := c.Call(cmd.Context(), http.MethodGet, "/api/v1/aliases", nil, &list)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			case len(list.Aliases) == 0:
				a.err.Printf("No model has an alias. `ashatai alias NAME MODEL` gives one.\n")
				return nil
			}
			rows := [][]string{{"NAME", "MODEL", "FROM"}}
			for _, al := range list.Aliases {
				from, model := "command", al.Model
				if al.Setting {
					from = "settings"
				}
				if al.Missing {
					model += " (not installed)"
				}
				rows = append(rows, []string{al.Name, model, from})
			}
			return a.out.Table(rows)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

func (a *app) aliasRemove() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rm NAME",
		Short: "Take an alias away; the model stays",
		Args:  oneArg("the name of an alias"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			var done removed
			raw, err := c.Call(cmd.Context(), http.MethodDelete, aliasPath(args[0]), nil, &done)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.out.Raw(raw)
			}
			a.out.Printf("Removed the alias %s.\n", screen.Plain(done.Removed))
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

// tellAliases says what became of the aliases of a model that was removed.
func (a *app) tellAliases(list []alias) {
	for _, al := range list {
		if al.Setting {
			a.err.Printf("%s the settings still make %s an alias of it, which stands for nothing now.\n", a.err.Yellow("note:"), screen.Plain(al.Name))
			continue
		}
		a.err.Printf("%s its alias %s went with it.\n", a.err.Yellow("note:"), screen.Plain(al.Name))
	}
}
