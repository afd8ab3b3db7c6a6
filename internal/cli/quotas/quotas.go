// Package quotas are the commands on a server's limits: list, set, remove. Each is a client of the server's own API, in a server or
// on a home that no server uses.
package quotas

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/cli/people"
)

// quota is what the server says of one.
type quota struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject"`
	Name      string     `json:"name"`
	Model     string     `json:"model"`
	Unit      string     `json:"unit"`
	Window    string     `json:"window"`
	Limit     int64      `json:"limit"`
	Used      int64      `json:"used"`
	Reserved  int64      `json:"reserved"`
	Remaining int64      `json:"remaining"`
	Resets    *time.Time `json:"resets_at"`
}

const path = "/api/v1/quotas"

// Command is quota with the commands below it.
func Command(on console.Console, deps people.Deps) *cobra.Command {
	g := group{on, deps}
	cmd := &cobra.Command{
		Use: "quota", Short: "Limit what users, groups, keys and models may use", Args: on.NoSuch,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.list(), g.set(), g.remove())
	return cmd
}

type group struct {
	on   console.Console
	deps people.Deps
}

// do runs what a command does with a server or a home.
func (g group) do(cmd *cobra.Command, at people.Place, what func(ctx context.Context, c people.Caller) error) error {
	return people.Do(g.on, g.deps, cmd, at, what)
}

// place gives a command the flags that name a place.
func place(cmd *cobra.Command) *people.Place {
	at := &people.Place{}
	at.Add(cmd)
	return at
}

func (g group) list() *cobra.Command {
	on := g.on
	var kind, subject string
	var asJSON bool
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the quotas and what is left of them", Long: "List the quotas and what is left of them.\n" + people.OfflineHelp, Args: on.NoArgs}
	at := place(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return g.do(cmd, *at, func(ctx context.Context, c people.Caller) error {
			var got struct {
				Quotas []quota `json:"quotas"`
			}
			raw, err := c.Call(ctx, http.MethodGet, path+"?"+url.Values{"kind": {kind}, "subject": {subject}}.Encode(), nil, &got)
			if err != nil {
				return err
			}
			if asJSON {
				return on.JSON(raw)
			}
			rows := [][]string{{"ID", "FOR", "NAME", "MODEL", "LIMIT", "LEFT"}}
			for _, q := range got.Quotas {
				rows = append(rows, []string{q.ID, q.Kind, on.Plain(q.Name), on.Plain(or(q.Model, "any")), limit(q), left(q)})
			}
			return on.Table(rows)
		})
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only those for a user, group, key or model")
	cmd.Flags().StringVar(&subject, "subject", "", "with --kind: only those of this `ID` or name")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// limit is a quota's limit in words: 1000 tokens/day.
func limit(q quota) string {
	n := strconv.FormatInt(q.Limit, 10)
	switch q.Unit {
	case "concurrent":
		return n + " at once"
	case "weight":
		return "weight " + n
	}
	return n + " " + q.Unit + "/" + q.Window
}

// left is what of a quota can still be used. Of a weight nothing is, and of everyone's quota each one's own.
func left(q quota) string {
	if q.Unit == "weight" || q.Subject == "*" {
		return "-"
	}
	return strconv.FormatInt(q.Remaining, 10)
}

func (g group) set() *cobra.Command {
	on := g.on
	var unit, window, model string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "set KIND SUBJECT LIMIT", Short: "Set a quota, in the place of the one for the same",
		Long: "Set a quota for a user, group, key or model, by id or name; * is each that has none of its own. LIMIT counts tokens per\n" +
			"day unless --unit and --window say otherwise; 0 allows nothing. A weight is no limit: it is the share of the queue\n" +
			"that a user or group has beside others who wait.",
		Example: "  ashatai quota set user ann 200000\n  ashatai quota set user '*' 20 --unit requests --window minute\n" +
			"  ashatai quota set group lab 0 --model big\n  ashatai quota set key key_1 4 --unit concurrent",
	}
	at := place(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 3 {
			return on.Usage(cmd, "`%s` wants a kind, a subject and a limit, as in `ashatai quota set user ann 200000`.", cmd.CommandPath())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil || n < 0 {
			return on.Usage(cmd, "The limit is a whole number, 0 or more; it is %q.", args[2])
		}
		if !cmd.Flags().Changed("window") && (unit == "concurrent" || unit == "weight") {
			window = ""
		}
		body := map[string]any{"kind": args[0], "subject": args[1], "unit": unit, "limit": n}
		if window != "" {
			body["window"] = window
		}
		if model != "" {
			body["model"] = model
		}
		return g.do(cmd, *at, func(ctx context.Context, c people.Caller) error {
			var got quota
			raw, err := c.Call(ctx, http.MethodPut, path, body, &got)
			if err != nil {
				return err
			}
			if asJSON {
				return on.JSON(raw)
			}
			on.Printf("The %s %s has %s.\n", got.Kind, on.Plain(got.Name), limit(got))
			return nil
		})
	}
	cmd.Flags().StringVar(&unit, "unit", "tokens", "tokens, requests, concurrent or weight")
	cmd.Flags().StringVar(&window, "window", "day", "minute, day or month")
	cmd.Flags().StringVar(&model, "model", "", "count only what goes to this `MODEL`")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func (g group) remove() *cobra.Command {
	on := g.on
	var asJSON bool
	cmd := &cobra.Command{
		Use: "remove ID", Aliases: []string{"rm"}, Short: "Remove a quota", Args: on.OneArg("the id of the quota, which `ashatai quota list` shows"),
	}
	at := place(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return g.do(cmd, *at, func(ctx context.Context, c people.Caller) error {
			var ok struct{}
			raw, err := c.Call(ctx, http.MethodDelete, path+"/"+url.PathEscape(args[0]), nil, &ok)
			if err != nil {
				return err
			}
			if asJSON {
				return on.JSON(raw)
			}
			on.Printf("The quota %s is removed.\n", on.Plain(args[0]))
			return nil
		})
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}
