package cli

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/people"
	"ashatai/internal/config"
)

// people is what the commands for accounts are lent.
func (a *app) people() people.Deps {
	d := people.Deps{
		Env: a.deps.Env, In: a.in, Tell: a.err.printf, Raw: a.raw,
		Named: func(server string) bool { return config.ServerNamed(server, a.deps.Env) },
		Server: func(cmd *cobra.Command, server, key string) (people.Client, error) {
			c, err := a.client(cmd, serverFlags{server: server, key: key})
			if err != nil {
				return people.Client{}, err
			}
			return people.Client{Base: c.base, Call: c.call, Open: c.read}, nil
		},
	}
	if a.deps.Offline != nil {
		d.Offline = func(ctx context.Context, home, file string) (people.Client, func() error, error) {
			t, end, err := a.deps.Offline(ctx, OfflineOptions{Home: home, Config: file})
			c := &client{base: "http://127.0.0.1", http: &http.Client{Transport: t}}
			return people.Client{Base: c.base, Call: c.call, Open: c.read}, end, err
		}
	}
	return d
}
