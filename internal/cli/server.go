package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/people"
	"ashatai/internal/cli/screen"
	"ashatai/internal/config"
)

// serverFlags are the flags of every command that talks to a server.
type serverFlags struct{ server, key string }

func (f *serverFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "the server's `URL` (default $ASHATAI_SERVER, else http://127.0.0.1:7077)")
	cmd.Flags().StringVar(&f.key, "api-key", "", "the `key` that the server asks for (default $ASHATAI_API_KEY, else that of ashatai login)")
}

func (a *app) client(cmd *cobra.Command, f serverFlags) (*client.Client, error) {
	base, err := client.URL(config.ServerURL(f.server, a.deps.Env))
	if err != nil {
		return nil, usage(cmd, "%s", err)
	}
	key := f.key
	if key == "" {
		key = screen.Lookup(a.deps.Env, "ASHATAI_API_KEY")
	}
	if key == "" {
		kept, err := people.Kept(a.deps.Env)
		if err != nil {
			return nil, err
		}
		key = kept[base]
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, usage(cmd, "The API key holds a space or a character that no key has.")
	}
	return client.New(base, key, a.transport), nil
}
