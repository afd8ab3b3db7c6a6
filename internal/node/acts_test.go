package node

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"ashatai/internal/api"
	"ashatai/internal/cli"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/datadir"
	"ashatai/internal/node/record"
	"ashatai/test/pgtest"
)

// looks are the commands that change nothing on a server or a home, and talks those that use models, which the log tells of and
// whose texts are nobody's business.
const (
	looks = "looks"
	talks = "talks"
	own   = "own" // an act that is no call: TestOwnActs does it
)

// commands says of each command which calls it makes that change something.
func commands() map[string]string {
	return map[string]string{
		"serve": own, "backup": own, "restore": own, "db migrate": own, "runtime install": own,

		"run": talks, "login": "POST /api/v1/login", "logout": "POST /api/v1/logout",
		"list": looks, "show": looks, "ps": looks, "doctor": looks, "version": looks, "completion": looks,
		"job list": looks, "job show": looks, "job logs": looks, "quota list": looks, "runtime list": looks, "runtime devices": looks,
		"config show": looks, "config check": looks, "config schema": looks, "user list": looks, "key list": looks, "secret list": looks,
		"audit list": looks, "audit verify": looks, "audit export": "GET /api/v1/audit/export", "user export": "GET /api/v1/users/{id}/export",

		"stop": "POST /api/v1/unload", "pull": "POST /api/v1/pull", "create": "POST /api/v1/create", "cp": "POST /api/v1/copy", "rm": "DELETE /api/v1/models/{name...}",
		"alias list": looks, "alias": "PUT /api/v1/aliases/{name...}", "alias rm": "DELETE /api/v1/aliases/{name...}", "optimize": "POST /api/v1/models/{name}/optimize",
		"job cancel": "POST /api/v1/jobs/{id}/cancel", "quota set": "PUT /api/v1/quotas", "quota remove": "DELETE /api/v1/quotas/{id}", "gc": "POST /api/v1/collect", "usage export": "GET /api/v1/usage/export",
		"user create": "POST /api/v1/users", "user role": "PATCH /api/v1/users/{id}", "user passwd": "PUT /api/v1/users/{id}/password",
		"user disable": "PATCH /api/v1/users/{id}", "user link": "PATCH /api/v1/users/{id}", "user erase": "DELETE /api/v1/users/{id}",
		"key create": "POST /api/v1/keys", "key rotate": "POST /api/v1/keys/{id}/rotate", "key revoke": "DELETE /api/v1/keys/{id}",
		"secret set": "PUT /api/v1/secrets/{name}", "secret rm": "DELETE /api/v1/secrets/{name}", "secret rotate": "POST /api/v1/secrets/rotate",
	}
}

// leaves are the commands that do something, by their names behind the program's.
func leaves(cmd *cobra.Command) []string {
	var out []string
	for _, c := range cmd.Commands() {
		if c.Hidden {
			continue
		}
		if c.HasSubCommands() && !slices.ContainsFunc(c.Commands(), func(s *cobra.Command) bool { return !s.Hidden }) || !c.HasSubCommands() {
			_, name, _ := strings.Cut(c.CommandPath(), " ")
			out = append(out, name)
			continue
		}
		out = append(out, leaves(c)...)
	}
	return out
}

// TestEveryActIsRecorded: what a command does is known here, and each call by which one changes something is kept in the record of
// acts; so is every call that needs more than a user has.
func TestEveryActIsRecorded(t *testing.T) {
	kept := map[string]bool{}
	for _, d := range Dialects("1") {
		for _, row := range d.Routes {
			kept[row.Method+" "+row.Path] = row.Audit == api.AuditChange
			manages := row.Scope == core.ScopeAdmin || row.Scope == core.ScopeOperate || row.Scope == core.ScopeUpload
			if manages && row.Method != http.MethodGet && row.Method != http.MethodHead && row.Audit != api.AuditChange {
				t.Errorf("%s %s needs %s and leaves no row", row.Method, row.Path, row.Scope)
			}
		}
	}
	all := append(leaves(cli.New(cli.Deps{Stdout: io.Discard, Stderr: io.Discard})), "alias") // which also does something itself
	known := commands()
	for _, name := range all {
		what, ok := known[name]
		switch {
		case !ok:
			t.Errorf("nothing is said here of `ashatai %s`", name)
		case what == looks || what == talks || what == own:
		case !kept[what]:
			t.Errorf("`ashatai %s` calls %s, which leaves no row or is not there", name, what)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !slices.Contains(all, name) {
			t.Errorf("there is no command `ashatai %s`", name)
		}
	}
}

// recordOf is the newest act of a home that no server uses, with a name.
func recordOf(t *testing.T, s *config.Settings, action string) core.AuditAct {
	t.Helper()
	db, err := datadir.OpenDatabase(context.WithoutCancel(t.Context()), s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	acts, _, err := db.Audit().Acts(t.Context(), core.AuditFilter{Action: action, Limit: 1})
	if err != nil || len(acts) == 0 {
		t.Fatalf("%q is not on record: %v", action, err)
	}
	if acts[0].User != core.Local().User || acts[0].Remote != "" {
		t.Errorf("%+v", acts[0])
	}
	return acts[0]
}

// TestOwnActs does every act that is no call, and finds it in the record with its outcome.
func TestOwnActs(t *testing.T) {
	a := startAdjustable(t, "logs: {level: info}\n")
	a.reload("logs: {level: warn}\nfleet: {max_queue: 5}\n")
	a.write("logs: [")
	a.hup <- syscall.SIGHUP
	a.log.until(t, "the settings were not taken over", 1)
	home := filepath.Dir(a.file)
	a.write("logs: {level: warn}\n")
	s, err := config.Load(config.Sources{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	file, _, err := datadir.Backup(t.Context(), s, datadir.BackupOptions{To: t.TempDir(), WithKey: true}) // beside the server
	if err != nil {
		t.Fatal(err)
	}
	install := record.Own("runtime install")
	install.Object = "thing"
	no := core.Errorf(core.CodeConflict, "No.")
	if err := datadir.Recorded(t.Context(), s, install, func(context.Context) (string, error) { return "", no }); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("%v", err)
	}
	if _, body := a.call(t, http.MethodGet, "/api/v1/audit/verify", ""); !strings.Contains(body, `"ok":true`) {
		t.Errorf("beside the server: %s", body)
	}
	_, body := a.call(t, http.MethodGet, "/api/v1/audit?action=reload", "")
	if !strings.Contains(body, "changed: logs.level; waiting for a restart: fleet.max_queue; ") || !strings.Contains(body, `"outcome":"done"`) || !strings.Contains(body, `"outcome":"refused"`) {
		t.Errorf("%s", body)
	}
	a.stop()
	a.done <- <-a.done
	if start := recordOf(t, s, "start"); start.Outcome() != core.AuditDone || !strings.Contains(start.Detail, "version 1.2.3, settings changed: logs.level") {
		t.Errorf("%+v", start)
	}
	if act := recordOf(t, s, "backup"); act.Outcome() != core.AuditDone || act.Object != filepath.Base(file) || act.Detail != "with the server's key" {
		t.Errorf("%+v", act)
	}
	if act := recordOf(t, s, "runtime install"); act.Outcome() != core.AuditRefused || act.Object != "thing" {
		t.Errorf("%+v", act)
	}
	back := *s
	back.Home = filepath.Join(t.TempDir(), "back")
	back.Database.Path = filepath.Join(back.Home, "ashatai.db")
	if _, _, err := datadir.Restore(t.Context(), back.Home, file, ""); err != nil {
		t.Fatal(err)
	}
	if act := recordOf(t, &back, "restore"); act.Outcome() != core.AuditDone || act.Object != filepath.Base(file) {
		t.Errorf("%+v", act)
	}
	t.Run("db migrate", func(t *testing.T) {
		there := back
		there.Database.URL = pgtest.For(t).URL("postgres")
		if _, err := datadir.MigrateDatabase(t.Context(), &back, there.Database.URL); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*config.Settings{&back, &there} {
			if act := recordOf(t, s, "db migrate"); act.Outcome() != core.AuditDone {
				t.Errorf("%+v", act)
			}
		}
		rt, end, err := Offline(t.Context(), options(t, &there))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/api/v1/audit/verify", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || !strings.Contains(string(body), `"ok":true`) {
			t.Errorf("%s, %v", body, err)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := os.Stat(filepath.Join(back.Home, "server.key")); err != nil {
		t.Error(err)
	}
}
