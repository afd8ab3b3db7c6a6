package cli

import (
	"context"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/screen"
)

// completionWait is how long a shell waits for names after the Tab key.
const completionWait = time.Second

func (a *app) completion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Write the completion script of a shell",
		Long: "Write the completion script of a shell. Load it in the running shell, or put it where the shell finds it:\n\n" +
			"  bash   source <(ashatai completion bash)\n" +
			"  zsh    ashatai completion zsh > \"${fpath[1]}/_ashatai\"\n" +
			"  fish   ashatai completion fish > ~/.config/fish/completions/ashatai.fish",
		Args:      oneArg("the name of a shell: bash, zsh or fish"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			}
			return usage(cmd, "There is no completion for %q; the shells are bash, zsh and fish.", args[0])
		},
	}
	return cmd
}

// completeModels completes up to most arguments with names of models; zero is any number. Without a server there are
// no names, and a shell is no place for an error.
func (a *app) completeModels(flags *serverFlags, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		if most > 0 && len(args) >= most {
			return nil, none
		}
		c, err := a.client(cmd, *flags)
		if err != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionWait)
		defer cancel()
		var list modelList
		if _, err := c.Call(ctx, http.MethodGet, "/api/v1/models", nil, &list); err != nil {
			return nil, none
		}
		var names []cobra.Completion
		for _, m := range list.Models {
			names = append(names, screen.Plain(m.Name))
		}
		return names, none
	}
}
