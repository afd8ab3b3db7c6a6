package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/client"
	"ashatai/internal/cli/people"
	"ashatai/internal/config"
)

// people is what the commands for accounts are lent.
func (a *app) people() people.Deps {
	d := people.Deps{
		Env: a.deps.Env, In: a.in, Tell: a.err.Printf, Raw: a.out.Raw,
		Named: func(server string) bool { return config.ServerNamed(server, a.deps.Env) },
		Server: func(cmd *cobra.Command, server, key string) (people.Client, error) {
			c, err := a.client(cmd, serverFlags{server: server, key: key})
			if err != nil {
				return people.Client{}, err
			}
			return people.Client{Base: c.Base, Call: c.Call, Open: c.Read}, nil
		},
	}
	if a.deps.Offline != nil {
		d.Offline = func(ctx context.Context, home, file string) (people.Client, func() error, error) {
			t, end, err := a.deps.Offline(ctx, OfflineOptions{Home: home, Config: file})
			c := client.New("http://127.0.0.1", "", t)
			return people.Client{Base: c.Base, Call: c.Call, Open: c.Read}, end, err
		}
	}
	return d
}
