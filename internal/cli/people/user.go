package people

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (g group) user() *cobra.Command {
	return g.parent("user", "Manage accounts", g.userCreate(), g.userList(), g.userRole(), g.userPasswd(), g.userDisable(), g.userLink(), g.userExport(), g.userErase())
}

func (g group) userCreate() *cobra.Command {
	var f flags
	var admin, pipe bool
	body := struct {
		Name     string `json:"name"`
		Email    string `json:"email,omitempty"`
		Password string `json:"password"`
		Role     string `json:"role,omitempty"`
		Group    string `json:"group,omitempty"`
	}{}
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make an account",
		Long:    "Make an account. The first one is an admin; from then on everything but health and login needs credentials.\n" + offlineHelp,
		Example: "  ashatai user create --admin ann\n  ashatai user create bob --role operator",
		Args:    g.on.OneArg("the name of the account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body.Name = args[0]
			if admin {
				body.Role = "admin"
			}
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) (err error) {
				if body.Password, err = g.newPassword(ctx, pipe); err != nil {
					return err
				}
				var made account
				raw, err := c.Call(ctx, http.MethodPost, "/api/v1/users", body, &made)
				if err != nil {
					return err
				}
				return g.tell(f, raw, "Made the account %s with the role %s.\n", made.Name, made.Role)
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&admin, "admin", false, "the same as --role admin")
	cmd.Flags().StringVar(&body.Role, "role", "", "viewer, user, publisher, moderator, operator or admin (default user)")
	cmd.Flags().StringVar(&body.Email, "email", "", "its e-mail `ADDRESS`")
	cmd.Flags().StringVar(&body.Group, "group", "", "`ID` of the group whose tenant it shares")
	cmd.Flags().BoolVar(&pipe, "password-stdin", false, "read the password from standard input")
	cmd.MarkFlagsMutuallyExclusive("admin", "role")
	return cmd
}

// newPassword asks twice, so that a slip of the finger locks nobody out.
func (g group) newPassword(ctx context.Context, pipe bool) (string, error) {
	one, err := g.secret(ctx, "New password: ", pipe)
	if err != nil || pipe {
		return one, err
	}
	two, err := g.secret(ctx, "The same again: ", false)
	if err == nil && one != two {
		err = errDiffer()
	}
	return one, err
}

func (g group) userList() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the accounts", Long: "List the accounts.\n" + offlineHelp, Args: g.on.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var all struct {
					Users []account `json:"users"`
				}
				raw, err := c.Call(ctx, http.MethodGet, "/api/v1/users", nil, &all)
				if err != nil || f.asJSON {
					return g.orRaw(raw, err)
				}
				rows := [][]string{{"NAME", "ROLE", "STATE", "LAST LOGIN", "ID"}}
				for _, u := range all.Users {
					state := "active"
					if u.Disabled {
						state = "disabled"
					}
					rows = append(rows, []string{u.Name, u.Role, state, day(u.LastLogin), u.ID})
				}
				return g.on.Table(rows)
			})
		},
	}
	f.add(cmd, true)
	return cmd
}

func (g group) orRaw(raw json.RawMessage, err error) error {
	if err != nil {
		return err
	}
	return g.deps.Raw(raw)
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

func (g group) userRole() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "role NAME ROLE", Short: "Give an account another role",
		Long: "Give an account another role: viewer, user, publisher, moderator, operator or admin.\n" + offlineHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return g.on.Usage(cmd, "`%s` wants the name of an account and a role.", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.patch(cmd, f, args[0], map[string]any{"role": args[1]}, func(u account) string { return u.Name + " has the role " + u.Role + "." })
		},
	}
	f.add(cmd, true)
	return cmd
}

// patch changes an account and says what it is now.
func (g group) patch(cmd *cobra.Command, f flags, ref string, body map[string]any, say func(account) string) error {
	return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
		var now account
		raw, err := c.Call(ctx, http.MethodPatch, pathOf("users", ref), body, &now)
		if err != nil {
			return err
		}
		return g.tell(f, raw, "%s\n", say(now))
	})
}

func (g group) userPasswd() *cobra.Command {
	var f flags
	var pipe bool
	cmd := &cobra.Command{
		Use: "passwd NAME", Short: "Give an account another password, and end its sessions",
		Long: "Give an account another password, and end its sessions.\n" + offlineHelp,
		Args: g.on.OneArg("the name of the account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				next, err := g.newPassword(ctx, pipe)
				if err != nil {
					return err
				}
				var ok struct{}
				raw, err := c.Call(ctx, http.MethodPut, pathOf("users", args[0])+"/password", map[string]string{"password": next}, &ok)
				if err != nil {
					return err
				}
				return g.tell(f, raw, "%s has another password.\n", args[0])
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&pipe, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (g group) userDisable() *cobra.Command {
	var f flags
	var enable bool
	cmd := &cobra.Command{
		Use: "disable NAME", Short: "Keep an account out, without removing anything",
		Long: "Keep an account out: its sessions end and its keys open nothing. --enable lets it in again.\n" + offlineHelp,
		Args: g.on.OneArg("the name of the account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.patch(cmd, f, args[0], map[string]any{"disabled": !enable}, func(u account) string {
				if u.Disabled {
					return u.Name + " is disabled."
				}
				return u.Name + " is enabled."
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&enable, "enable", false, "let it in again")
	return cmd
}

func (g group) userExport() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "export NAME", Short: "Print all that is kept of an account, as JSON",
		Long: "Print all that is kept of an account as JSON: itself, its keys and sessions (without what opens anything), and what it stored.\n" + offlineHelp,
		Args: g.on.OneArg("the name of the account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var any json.RawMessage
				raw, err := c.Call(ctx, http.MethodGet, pathOf("users", args[0])+"/export", nil, &any)
				return g.orRaw(raw, err)
			})
		},
	}
	f.add(cmd, true)
	return cmd
}

func (g group) userErase() *cobra.Command {
	var f flags
	var yes bool
	cmd := &cobra.Command{
		Use: "erase NAME", Short: "Remove an account and everything that it stored",
		Long: "Remove an account with its keys, its sessions and everything that it stored. This cannot be undone; --yes says that it is meant.\n" + offlineHelp,
		Args: g.on.OneArg("the name of the account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return g.on.Usage(cmd, "This cannot be undone. Say --yes if it is meant; `ashatai user export` keeps a copy.")
			}
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var ok struct{}
				raw, err := c.Call(ctx, http.MethodDelete, pathOf("users", args[0]), nil, &ok)
				if err != nil {
					return err
				}
				return g.tell(f, raw, "%s is gone, with everything that it stored.\n", args[0])
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&yes, "yes", false, "it is meant")
	return cmd
}

func (g group) userLink() *cobra.Command {
	var f flags
	var none bool
	cmd := &cobra.Command{
		Use: "link NAME [ID]", Short: "Let an account log in by the identity provider",
		Long: "Let an account log in by the identity provider (auth.oidc), where ID is its owner's id: the claim sub, which whoever has no account\n" +
			"yet is shown at the login. With --none it is unlinked. Its sessions end.\n" + offlineHelp,
		Example: "  ashatai user link ann 248289761001\n  ashatai user link ann --none",
		Args:    g.on.Args(1, 2, "the name of an account and the id that it has at the identity provider"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if none == (len(args) == 2) {
				return g.on.Usage(cmd, "Name the id at the identity provider, or say --none.")
			}
			subject, how := "", "unlinked"
			if !none {
				subject, how = args[1], "linked"
			}
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var u account
				raw, err := c.Call(ctx, http.MethodPatch, pathOf("users", args[0]), map[string]string{"subject": subject}, &u)
				if err != nil {
					return err
				}
				return g.tell(f, raw, "The account %s is %s.\n", u.Name, how)
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().BoolVar(&none, "none", false, "link it to nobody")
	return cmd
}
