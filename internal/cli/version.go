package cli

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/human"
	"ashatai/internal/cli/screen"
)

// versionWait is short: the server's version is asked for by the way.
const versionWait = 3 * time.Second

type versions struct {
	Client  serverVersion  `json:"client"`
	Server  *serverVersion `json:"server"` // null when none answers
	URL     string         `json:"url"`    // where the server was looked for
	Problem string         `json:"problem,omitempty"`
}

func (a *app) version() *cobra.Command {
	var flags serverFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of this program and of the server",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd, flags)
			if err != nil {
				return err
			}
			v := versions{URL: c.Base, Client: serverVersion{
				Version: a.deps.Version, Commit: a.deps.Build, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
			}}
			ctx, cancel := context.WithTimeout(cmd.Context(), versionWait)
			defer cancel()
			var answer serverVersion
			if _, err := c.Call(ctx, http.MethodGet, "/api/v1/version", nil, &answer); err == nil {
				v.Server = &answer
			} else if v.Problem = message(err); cmd.Context().Err() != nil {
				return cmd.Context().Err()
			}
			if asJSON {
				return a.out.JSON(v)
			}
			a.out.Printf("client  %s\n", v.Client)
			if v.Server == nil {
				a.out.Printf("server  -  %s\n", screen.Plain(v.Problem))
			} else {
				a.out.Printf("server  %s  %s\n", screen.Plain(v.Server.String()), c.Base)
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, jsonUsage)
	return cmd
}

// String is one line for people.
func (v serverVersion) String() string {
	text := human.OrDash(v.Version)
	if v.Commit != "" {
		text += " (" + v.Commit + ")"
	}
	if v.OS != "" {
		text += "  " + v.Go + " " + v.OS + "/" + v.Arch
	}
	return text
}
