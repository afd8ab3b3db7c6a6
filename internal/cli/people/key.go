package people

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/core"
)

type key struct {
	ID      string     `json:"id"`
	User    string     `json:"user_id"`
	Name    string     `json:"name"`
	Hint    string     `json:"hint"`
	Scopes  []string   `json:"scopes"`
	Models  []string   `json:"models"`
	State   string     `json:"state"`
	Expires *time.Time `json:"expires_at"`
	Used    *time.Time `json:"last_used_at"`
	Secret  string     `json:"key"`
}

func errDiffer() error {
	return core.Invalid("password", "The two passwords differ; nothing was changed.")
}

func (g group) key() *cobra.Command {
	return g.parent("key", "Manage API keys", g.keyCreate(), g.keyList(), g.keyRotate(), g.keyRevoke())
}

func (g group) keyCreate() *cobra.Command {
	var f flags
	var user, scopes, models, expires string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a key, which is shown this once",
		Long:    "Make a key. It is shown this once: the server keeps only its hash. A key never has more than its account.\n" + offlineHelp,
		Example: "  ashatai key create laptop\n  ashatai key create ci --user bob --scopes read,infer --models smollm2:135m --expires 720h",
		Args:    g.on.OneArg("a name that says what the key is for"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"name": args[0]}
			for name, value := range map[string]any{"user": user, "scopes": list(scopes), "models": list(models)} {
				if s, isText := value.(string); isText && s != "" {
					body[name] = s
				} else if l, isList := value.([]string); isList && len(l) > 0 {
					body[name] = l
				}
			}
			if expires != "" {
				at, err := moment(expires, time.Now())
				if err != nil {
					return g.on.Usage(cmd, "%s", core.AsError(err).Message)
				}
				body["expires_at"] = at
			}
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var made key
				raw, err := c.Call(ctx, http.MethodPost, "/api/v1/keys", body, &made)
				if err != nil {
					return err
				}
				return g.tell(f, raw, "%s\n", made.Secret)
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().StringVar(&user, "user", "", "the account `NAME` that the key is for (default: your own)")
	cmd.Flags().StringVar(&scopes, "scopes", "", "what it may do, as read,infer (default: all that the account may)")
	cmd.Flags().StringVar(&models, "models", "", "the models that it may use, by their full names (default: all)")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends: a `TIME` from now as 720h, or a date (default: never)")
	return cmd
}

// moment reads a time from now, or a date.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, core.Invalid("expires", "--expires %q is no time; it is written 720h, 2027-01-31 or 2027-01-31T12:00:00Z.", text)
}

func (g group) keyList() *cobra.Command {
	var f flags
	var user string
	var all, revoked bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List your keys, or those of others", Long: "List keys.\n" + offlineHelp, Args: g.on.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if all {
				user = "*"
			}
			if user != "" {
				q.Set("user", user)
			}
			if revoked {
				q.Set("revoked", "true")
			}
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var got struct {
					Keys []key `json:"keys"`
				}
				raw, err := c.Call(ctx, http.MethodGet, "/api/v1/keys?"+q.Encode(), nil, &got)
				if err != nil || f.asJSON {
					return g.orRaw(raw, err)
				}
				rows := [][]string{{"NAME", "KEY", "STATE", "SCOPES", "MODELS", "EXPIRES", "LAST USE", "ID"}}
				for _, k := range got.Keys {
					models := strings.Join(k.Models, ",")
					if models == "" {
						models = "all"
					}
					rows = append(rows, []string{k.Name, "…" + k.Hint, k.State, strings.Join(k.Scopes, ","), models, day(k.Expires), day(k.Used), k.ID})
				}
				return g.on.Table(rows)
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().StringVar(&user, "user", "", "those of the account `NAME`, for admins")
	cmd.Flags().BoolVar(&all, "all", false, "those of everybody, for admins")
	cmd.Flags().BoolVar(&revoked, "revoked", false, "also those that were revoked")
	cmd.MarkFlagsMutuallyExclusive("user", "all")
	return cmd
}

func (g group) keyRotate() *cobra.Command {
	var f flags
	var grace time.Duration
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give a key another secret, which is shown this once",
		Long: "Give a key another secret. It keeps its id, scopes, models, end and limits. With --grace the secret before opens it too, until the\n" +
			"programs that use it have the new one.\n" + offlineHelp,
		Example: "  ashatai key rotate key_0123456789abcdef --grace 24h",
		Args:    g.on.OneArg("the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if grace < 0 || grace%time.Second != 0 {
				return g.on.Usage(cmd, "--grace %s is no whole number of seconds; it is written 24h or 90m.", grace)
			}
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var made key
				raw, err := c.Call(ctx, http.MethodPost, pathOf("keys", args[0])+"/rotate", map[string]int64{"grace_seconds": int64(grace / time.Second)}, &made)
				if err != nil {
					return err
				}
				return g.tell(f, raw, "%s\n", made.Secret)
			})
		},
	}
	f.add(cmd, true)
	cmd.Flags().DurationVar(&grace, "grace", 0, "how long the secret before opens the key too, as 24h; at most 90 days")
	return cmd
}

func (g group) keyRevoke() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a key", Long: "End a key. `ashatai key list` shows the ids.\n" + offlineHelp, Args: g.on.OneArg("the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.do(cmd, f, true, func(ctx context.Context, c Caller) error {
				var ok struct{}
				raw, err := c.Call(ctx, http.MethodDelete, pathOf("keys", args[0]), nil, &ok)
				if err != nil {
					return err
				}
				return g.tell(f, raw, "The key %s opens nothing any more.\n", args[0])
			})
		},
	}
	f.add(cmd, true)
	return cmd
}
