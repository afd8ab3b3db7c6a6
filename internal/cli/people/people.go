// Package people are the commands for accounts: login, logout, user, key. Each is a client of the server's own API; where
// the API itself runs, in a server or on a home that no server uses, is not its concern.
package people

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/core"
)

// Caller calls the server's own API.
type Caller interface {
	Call(ctx context.Context, method, path string, body, into any) (json.RawMessage, error)
	// Open reads an answer that is no single JSON value. The caller closes it.
	Open(ctx context.Context, path string) (io.ReadCloser, error)
	// Keep stores a credential for this server, or forgets it where it is empty.
	Keep(credential string) error
}

// Place says where to call: the flags of the commands.
type Place struct{ Server, Key, Home, Config string }

// Client calls one server, or what stands for one.
type Client struct {
	Base string // its address
	Call func(ctx context.Context, method, path string, body, into any) (json.RawMessage, error)
	Open func(ctx context.Context, path string) (io.ReadCloser, error)
}

// Deps is what the commands are lent.
type Deps struct {
	Env  []string
	In   io.Reader
	Tell func(format string, args ...any)   // writes to the person
	Raw  func(answer json.RawMessage) error // prints an answer of the server, indented

	// Server connects to a server by the flags --server and --api-key, and Named says whether the flag or the environment
	// names one.
	Server func(cmd *cobra.Command, server, key string) (Client, error)
	Named  func(server string) bool
	// Offline opens a home that no server uses; nil: there is no such way.
	Offline func(ctx context.Context, home, config string) (Client, func() error, error)
}

// Commands are login, logout, user and key.
func Commands(on console.Console, deps Deps) []*cobra.Command {
	g := group{on: on, deps: deps}
	return []*cobra.Command{g.login(), g.logout(), g.user(), g.key()}
}

// Do runs what a command of another folder does with a server, or with a home that no server uses.
func Do(on console.Console, deps Deps, cmd *cobra.Command, at Place, what func(ctx context.Context, c Caller) error) error {
	return group{on: on, deps: deps}.do(cmd, flags{at: at}, true, what)
}

// OfflineHelp says where such a command works.
const OfflineHelp = offlineHelp

// Add adds the flags that name a place.
func (p *Place) Add(cmd *cobra.Command) {
	p.addServer(cmd)
	cmd.Flags().StringVar(&p.Home, "home", "", "work on the data in `DIR` itself, which no server may use")
	cmd.Flags().StringVar(&p.Config, "config", "", "with --home: read the settings from `FILE`")
}

func (p *Place) addServer(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.Server, "server", "", "the server's `URL` (default $ASHATAI_SERVER, else http://127.0.0.1:7077)")
	cmd.Flags().StringVar(&p.Key, "api-key", "", "the `key` that the server asks for (default $ASHATAI_API_KEY, else that of ashatai login)")
}

type group struct {
	on   console.Console
	deps Deps
}

// flags are those of every command here.
type flags struct {
	at     Place
	asJSON bool
}

func (f *flags) add(cmd *cobra.Command, offline bool) {
	cmd.Flags().BoolVar(&f.asJSON, "json", false, console.JSONUsage)
	if offline {
		f.at.Add(cmd)
		return
	}
	f.at.addServer(cmd)
}

// do runs what a command does with a connection.
func (g group) do(cmd *cobra.Command, f flags, offline bool, what func(ctx context.Context, c Caller) error) (err error) {
	c, end, err := g.connect(cmd, f.at, offline)
	if err != nil {
		return err
	}
	defer func() {
		if e := end(); err == nil {
			err = e
		}
	}()
	return what(cmd.Context(), c)
}

// tell prints an answer: as JSON, or as a sentence.
func (g group) tell(f flags, raw json.RawMessage, format string, args ...any) error {
	if f.asJSON {
		return g.deps.Raw(raw)
	}
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = g.on.Plain(s)
		}
	}
	g.on.Printf(format, args...)
	return nil
}

const offlineHelp = "It asks the server; with --home, or where no server runs on this machine, it works on the home itself."

func (g group) parent(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: g.on.NoSuch, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(below...)
	return cmd
}

type account struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Email     string     `json:"email"`
	Role      string     `json:"role"`
	Group     string     `json:"group"`
	Disabled  bool       `json:"disabled"`
	LastLogin *time.Time `json:"last_login_at"`
}

func (g group) login() *cobra.Command {
	var f flags
	var pipe bool
	cmd := &cobra.Command{
		Use:   "login [NAME]",
		Short: "Log in, and let the other commands use it",
		Long: "Log in by name and password, or keep the key given by --api-key. What opens the server is stored for this server alone,\n" +
			"in a file that only you can read.",
		Example: "  ashatai login ann\n  ashatai login --api-key agp_live_…",
		Args:    g.on.Args(0, 1, "at most a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.do(cmd, f, false, func(ctx context.Context, c Caller) error {
				if f.at.Key != "" {
					return g.keepKey(ctx, c, f)
				}
				name := ""
				if len(args) > 0 {
					name = args[0]
				}
				return g.logIn(ctx, c, f, name, pipe)
			})
		},
	}
	f.add(cmd, false)
	cmd.Flags().BoolVar(&pipe, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (g group) keepKey(ctx context.Context, c Caller, f flags) error {
	var me struct{ User account }
	raw, err := c.Call(ctx, http.MethodGet, "/api/v1/me", nil, &me)
	if err != nil {
		return err
	}
	if err := c.Keep(f.at.Key); err != nil {
		return err
	}
	return g.tell(f, raw, "The key of %s is kept.\n", me.User.Name)
}

func (g group) logIn(ctx context.Context, c Caller, f flags, name string, pipe bool) error {
	var err error
	if name == "" {
		if name, err = g.askLine(ctx, "Name: "); err != nil {
			return err
		}
	}
	password, err := g.secret(ctx, "Password: ", pipe)
	if err != nil {
		return err
	}
	var in struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
		User    account   `json:"user"`
	}
	_, err = c.Call(ctx, http.MethodPost, "/api/v1/login", map[string]string{"name": name, "password": password}, &in)
	if err != nil {
		return err
	}
	if err := c.Keep(in.Token); err != nil {
		return err
	}
	if f.asJSON {
		return g.on.JSON(map[string]any{"user": in.User, "expires_at": in.Expires})
	}
	return g.tell(f, nil, "Logged in as %s, until %s.\n", in.User.Name, in.Expires.Local().Format(time.DateOnly))
}

func (g group) logout() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "logout", Short: "End the session, and forget what login stored", Args: g.on.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.do(cmd, f, false, func(ctx context.Context, c Caller) error {
				var ok struct{}
				raw, err := c.Call(ctx, http.MethodPost, "/api/v1/logout", nil, &ok)
				// A session that ended already, and a key, which is no session, are forgotten too.
				if code := core.CodeOf(err); err != nil && code != core.CodeUnauthenticated && code != core.CodeConflict {
					return err
				}
				if err != nil {
					raw = json.RawMessage(`{"ok":true}`)
				}
				if err := c.Keep(""); err != nil {
					return err
				}
				return g.tell(f, raw, "Logged out.\n")
			})
		},
	}
	f.add(cmd, false)
	return cmd
}

// pathOf is the path of one object.
func pathOf(kind, ref string) string { return "/api/v1/" + kind + "/" + url.PathEscape(ref) }

// list splits a flag's commas.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
