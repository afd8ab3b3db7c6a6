package node

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/backup"
	"ashatai/internal/config"
	"ashatai/internal/core"
)

// TestBackupAndRestore keeps a chat, backs the home up beside the server, and finds the chat in a home made from that.
func TestBackupAndRestore(t *testing.T) {
	set := settings(t, nil)
	opt := options(t, set)
	s := start(t, opt)
	if status, body := s.call(t, http.MethodPost, "/v1/conversations", `{"metadata":{"topic":"harbours"}}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := s.call(t, http.MethodPost, "/api/v1/copy", `{"source":"tiny","destination":"twin"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := s.call(t, http.MethodPost, "/api/v1/create", `{"name":"poet","from":"tiny","system":"Rhyme.","stream":false}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	file, kept, err := Backup(t.Context(), opt, t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int64{}
	for _, table := range kept.Tables {
		rows[table.Name] = table.Rows
	}
	if rows["stored"] != 1 {
		t.Errorf("rows %v", rows)
	}

	other := settings(t, nil)
	home := filepath.Join(t.TempDir(), "new")
	other.Home = home
	if _, missing, err := Restore(t.Context(), Options{Settings: other}, file, ""); err != nil || len(missing) != 0 {
		t.Fatalf("%v, missing %v", err, missing)
	}
	if _, err := os.Stat(filepath.Join(home, "models")); err != nil {
		t.Errorf("the manifests are not there: %v", err)
	}
	if _, _, err := Restore(t.Context(), Options{Settings: other}, file, ""); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("over a home that is there: %v", err)
	}
	if _, _, err := Backup(t.Context(), opt, file, false); err == nil {
		t.Error("a backup was written over another")
	}
	missing := settings(t, nil)
	if _, err := MigrateDatabase(t.Context(), Options{Settings: missing}, "postgres://127.0.0.1:1/x"); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a database that is not there: %v", err)
	}
	missing.Database.URL = "postgres://127.0.0.1:1/x"
	if _, err := MigrateDatabase(t.Context(), Options{Settings: missing}, "postgres://127.0.0.1:1/y"); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("from PostgreSQL: %v", err)
	}
}

// TestAfterRestore: a restore says where the settings of the backup lead away from what was restored.
func TestAfterRestore(t *testing.T) {
	for _, c := range []struct{ path, url, to, want string }{
		{"/h/ashatai.db", "", "", ""},
		{"/h/ashatai.db", "postgres://a/b", "", "database.url"},
		{"/elsewhere/x.db", "", "", "/h/ashatai.db"},
		{"/h/ashatai.db", "", "postgres://a/b", "set database.url"},
		{"/h/ashatai.db", "postgres://a/b", "postgres://a/b", ""},
	} {
		s := config.Default()
		s.Home, s.Database.Path, s.Database.URL = "/h", c.path, c.url
		notes := strings.Join(AfterRestore(s, backup.Contents{Database: backup.File{Path: "ashatai.db"}}, c.to), "\n")
		if !strings.Contains(notes, c.want) || c.want == "" && notes != "" {
			t.Errorf("%+v: %q", c, notes)
		}
	}
}
