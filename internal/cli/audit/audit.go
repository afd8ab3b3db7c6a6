// Package audit are the commands on the record of acts: list, verify, export. They ask a server, or work on a home that no
// server uses; they change nothing.
package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ashatai/internal/cli/console"
	"ashatai/internal/cli/people"
	"ashatai/internal/core"
)

// Command is audit with the commands below it.
func Command(on console.Console, deps people.Deps) *cobra.Command {
	g := group{on, deps}
	cmd := &cobra.Command{
		Use: "audit", Short: "See who did what, and prove that nobody changed the record", Args: on.NoSuch,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.list(), g.verify(), g.export())
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

type entry struct {
	Seq      int64     `json:"seq"`
	Time     time.Time `json:"time"`
	User     string    `json:"user_id"`
	UserName string    `json:"user_name"`
	Action   string    `json:"action"`
	Object   string    `json:"object"`
	Remote   string    `json:"remote"`
	Outcome  string    `json:"outcome"`
	Status   int       `json:"status"`
	Detail   string    `json:"detail"`
}

func (g group) list() *cobra.Command {
	var at people.Place
	var asJSON bool
	query := map[string]*string{}
	var limit int
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List acts, the newest first", Long: "List acts, the newest first.\n" + people.OfflineHelp, Args: g.on.NoArgs,
		Example: "  ashatai audit list --user ann --since 2027-01-31\n  ashatai audit list --outcome refused",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, v := range query {
				if *v != "" {
					q.Set(name, *v)
				}
			}
			return g.do(cmd, at, func(ctx context.Context, c people.Caller) error {
				var got struct {
					Entries []entry `json:"entries"`
					More    bool    `json:"more"`
					Next    int64   `json:"next"`
				}
				raw, err := c.Call(ctx, http.MethodGet, "/api/v1/audit?"+q.Encode(), nil, &got)
				if err != nil {
					return err
				}
				if asJSON {
					return g.deps.Raw(raw)
				}
				rows := [][]string{{"SEQ", "TIME", "WHO", "ACT", "OBJECT", "OUTCOME", "FROM"}}
				for _, e := range got.Entries {
					rows = append(rows, e.row())
				}
				if err := g.on.Table(rows); err != nil || !got.More {
					return err
				}
				g.deps.Tell("There are more: --before %d\n", got.Next)
				return nil
			})
		},
	}
	at.Add(cmd)
	for _, f := range [][2]string{
		{"user", "only acts of the account `NAME`"},
		{"action", "only acts whose call holds `TEXT`, as DELETE or /keys"},
		{"kind", "only acts on objects of this `KIND`: model, user, group, key, session, job, stored, secret"},
		{"object", "only acts on the object `ID`"},
		{"outcome", "done, refused, failed or open"},
		{"since", "only acts from this `TIME` on, as 2027-01-31"},
		{"until", "only acts before this `TIME`"},
		{"before", "only acts with smaller numbers than `SEQ`"},
	} {
		query[f[0]] = cmd.Flags().String(f[0], "", f[1])
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "list `N` acts at most")
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

// widest is how many characters of an object and what changed are shown in a table.
const widest = 100

func (e entry) row() []string {
	who := e.UserName
	if who == "" {
		who = e.User
	}
	if who == "" {
		who = "-"
	}
	outcome := e.Outcome
	if e.Status != 0 {
		outcome += " " + strconv.Itoa(e.Status)
	}
	object := strings.TrimSpace(e.Object + " " + e.Detail)
	if r := []rune(object); len(r) > widest { // a signature; --json and export have all of it
		object = string(r[:widest]) + "…"
	}
	return []string{strconv.FormatInt(e.Seq, 10), e.Time.Local().Format(time.DateTime), who, e.Action, object, outcome, e.Remote}
}

type report struct {
	OK        bool       `json:"ok"`
	Rows      int64      `json:"rows"`
	Last      int64      `json:"last"`
	BadRow    *int64     `json:"bad_row"`
	Problem   string     `json:"problem"`
	SignedRow int64      `json:"signed_row"`
	SignedAt  *time.Time `json:"signed_at"`
	PublicKey string     `json:"public_key"`
}

func (g group) verify() *cobra.Command {
	var at people.Place
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that the record of acts is whole, or name the first bad row",
		Long: "Look over the whole record of acts: every row's hash, and every signature of the server. The first row that was changed,\n" +
			"removed or moved is named, and the exit code is 1.\n" + people.OfflineHelp,
		Args: g.on.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.do(cmd, at, func(ctx context.Context, c people.Caller) error {
				var r report
				raw, err := c.Call(ctx, http.MethodGet, "/api/v1/audit/verify", nil, &r)
				if err != nil {
					return err
				}
				if asJSON {
					if err := g.deps.Raw(raw); err != nil {
						return err
					}
				}
				if !r.OK {
					return core.Errorf(core.CodeInternal, "The record of acts is not what the server wrote. %s", r.Problem)
				}
				if !asJSON {
					g.on.Printf("The record is whole: %s, signed up to row %d%s.\nThe server's public key is %s.\n",
						g.on.Plural(int(r.Rows), "row"), r.SignedRow, when(r.SignedAt), g.on.Plain(r.PublicKey))
				}
				return nil
			})
		},
	}
	at.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, console.JSONUsage)
	return cmd
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " at " + t.Local().Format(time.DateTime)
}

func (g group) export() *cobra.Command {
	var at people.Place
	var to string
	var after int64
	cmd := &cobra.Command{
		Use: "export", Short: "Write the record of acts as lines of JSON",
		Long: "Write every row of the record and every signature as lines of JSON, to standard output or to a new file.\n" + people.OfflineHelp,
		Args: g.on.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.do(cmd, at, func(ctx context.Context, c people.Caller) error {
				body, err := c.Open(ctx, "/api/v1/audit/export?after="+strconv.FormatInt(after, 10))
				if err != nil {
					return err
				}
				defer body.Close() //nolint:errcheck // it was read
				if to == "" {
					return copyLines(func(line []byte) error { g.on.Printf("%s\n", line); return nil }, body)
				}
				return toFile(to, body)
			})
		},
	}
	at.Add(cmd)
	cmd.Flags().StringVarP(&to, "output", "o", "", "write to the new file `FILE`")
	cmd.Flags().Int64Var(&after, "after", 0, "only rows with numbers above `SEQ`, to go on from an earlier export")
	return cmd
}

func toFile(path string, from io.Reader) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller's choice
	if err != nil {
		return core.Wrap(core.CodeConflict, err, "The file %s cannot be made; name one that is not there yet.", path)
	}
	w := bufio.NewWriter(f)
	err = copyLines(func(line []byte) error {
		_, err := w.Write(append(line, '\n'))
		return err
	}, from)
	return errors.Join(err, w.Flush(), f.Sync(), f.Close())
}

const maxLine = 1 << 20

// copyLines hands on lines of an export. The server tells of a failure in the middle by a line with an error.
func copyLines(to func(line []byte) error, from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		var head struct {
			Row        json.RawMessage `json:"row"`
			Checkpoint json.RawMessage `json:"checkpoint"`
			Error      *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if len(line) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &head); err != nil || head.Row == nil && head.Checkpoint == nil {
			if head.Error != nil {
				return core.Errorf(core.CodeUnavailable, "The server stopped in the middle of the export: %s", head.Error.Message)
			}
			return core.Wrap(core.CodeUnavailable, err, "A line of the export is no row of the record.")
		}
		if err := to(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The export ended in the middle.")
	}
	return nil
}
