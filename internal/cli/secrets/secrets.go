// Package secrets are the commands on the credentials that a server keeps sealed: set, list, rm, rotate. Each is a client of the
// server's own API, in a server or on a home that no server uses. None shows a credential.
package secrets

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/cli/people"
	"ashatai/internal/cli/prompt"
)

const (
	path     = "/api/v1/secrets"
	maxValue = 64 << 10 // bytes of a credential
	maxKey   = 1 << 10
)

// Command is secret with the commands below it.
func Command(on console.Console, deps people.Deps) *cobra.Command {
	g := group{on, deps}
	cmd := &cobra.Command{
		Use: "secret", Short: "Keep credentials sealed instead of in the settings file", Args: on.NoSuch,
		Long: "Keep the server's own credentials (tokens for hubs, keys of servers elsewhere, the secret of the identity provider) sealed in its\n" +
			"database instead of in the settings file. A setting that holds a credential names one as secret:NAME.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.set(), g.list(), g.remove(), g.rotate())
	return cmd
}

type group struct {
	on   console.Console
	deps people.Deps
}

// flags are those of every command here.
type flags struct {
	at     people.Place
	asJSON bool
}

func (f *flags) add(cmd *cobra.Command) {
	f.at.Add(cmd)
	cmd.Flags().BoolVar(&f.asJSON, "json", false, console.JSONUsage)
}

// call makes one call of a server or a home, and prints its answer: as JSON, or as tell does.
func (g group) call(cmd *cobra.Command, f flags, method, path string, body, into any, tell func() error) error {
	return people.Do(g.on, g.deps, cmd, f.at, func(ctx context.Context, c people.Caller) error {
		raw, err := c.Call(ctx, method, path, body, into)
		if err != nil {
			return err
		}
		if f.asJSON {
			return g.deps.Raw(raw)
		}
		return tell()
	})
}

// secret is what the server tells of a credential.
type secret struct {
	Name    string    `json:"name"`
	Opens   bool      `json:"opens"`
	Key     string    `json:"key_id"`
	UsedBy  []string  `json:"used_by"`
	Updated time.Time `json:"updated_at"`
}

func pathOf(name string) string { return path + "/" + url.PathEscape(name) }

func (g group) set() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "set NAME", Short: "Seal a credential, in place of the one with its name",
		Long: "Seal a credential. It is asked for at the terminal, which does not show it, or read from standard input. A setting names it as\n" +
			"secret:NAME; a running server takes it over at SIGHUP or its next start.\n" + people.OfflineHelp,
		Example: "  ashatai secret set hub\n  ashatai secret set hub < token.txt",
		Args:    g.on.OneArg("a name for the credential, which settings use"),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := g.value(cmd.Context())
			if err != nil {
				return err
			}
			var got secret
			return g.call(cmd, f, http.MethodPut, pathOf(args[0]), map[string]string{"value": value}, &got, func() error {
				g.on.Printf("Sealed %s. A setting names it as secret:%s.\n", g.on.Plain(got.Name), g.on.Plain(got.Name))
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}

// value is a credential, as somebody types it or as standard input holds it.
func (g group) value(ctx context.Context) (string, error) {
	if prompt.Terminal(g.deps.In) {
		return prompt.Hidden(ctx, g.deps.In, g.deps.Tell, "Value: ", "value")
	}
	return prompt.All(g.deps.In, maxValue)
}

func (g group) list() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the sealed credentials by name", Args: g.on.NoArgs,
		Long: "List the sealed credentials: their names, whether the server's key opens them, and which settings use them. None is shown.\n" + people.OfflineHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var got struct {
				Secrets []secret `json:"secrets"`
			}
			return g.call(cmd, f, http.MethodGet, path, nil, &got, func() error {
				rows := [][]string{{"NAME", "OPENS", "UPDATED", "USED BY"}}
				for _, s := range got.Secrets {
					opens := "yes"
					if !s.Opens {
						opens = "no: sealed by the key " + s.Key
					}
					rows = append(rows, []string{s.Name, opens, s.Updated.Local().Format(time.DateTime), strings.Join(s.UsedBy, ", ")})
				}
				return g.on.Table(rows)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (g group) remove() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "rm NAME", Aliases: []string{"remove"}, Short: "Remove a sealed credential", Args: g.on.OneArg("the name of a credential"),
		Long: "Remove a sealed credential. One that a setting names is refused: the server would not start without it.\n" + people.OfflineHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			var got struct{}
			return g.call(cmd, f, http.MethodDelete, pathOf(args[0]), nil, &got, func() error {
				g.on.Printf("Removed %s.\n", g.on.Plain(args[0]))
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}

// turned is what the server tells of a change of its key.
type turned struct {
	New    string   `json:"new_key_id"`
	Sealed int      `json:"sealed"`
	Left   []string `json:"left"`
	File   string   `json:"file"`
}

func (g group) rotate() *cobra.Command {
	var f flags
	var stdin bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Give the server another key, and seal everything anew", Args: g.on.NoArgs,
		Long: "Give the server another key: every credential is sealed anew, and the record of acts is signed by the new key from then on; what\n" +
			"the old one signed still counts. All of it happens or nothing, whenever the server or the machine ends.\n" +
			"Where the environment gives the key (ASHATAI__SECRETS__KEY), hand the new one over by --key-stdin, and change the environment\n" +
			"before the next start. Backups made before need the old key.\n" + people.OfflineHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var body any
			if stdin {
				key, err := prompt.All(g.deps.In, maxKey)
				if err != nil {
					return err
				}
				body = map[string]string{"key": key}
			}
			var got turned
			return g.call(cmd, f, http.MethodPost, path+"/rotate", body, &got, func() error {
				g.on.Printf("The server has the key %s: %s sealed anew.\n", got.New, g.on.Plural(got.Sealed, "credential"))
				for _, name := range got.Left {
					g.on.Printf("%s was sealed by another key and stays as it is; set it again.\n", g.on.Plain(name))
				}
				if got.File == "" {
					g.on.Printf("Put the new key into ASHATAI__SECRETS__KEY before the next start.\n")
				}
				return nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&stdin, "key-stdin", false, "read the new key, 64 hexadecimal digits, from standard input")
	return cmd
}
