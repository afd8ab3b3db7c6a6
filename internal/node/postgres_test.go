package node

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/node/datadir"
	"ashatai/test/pgtest"
)

// TestOnPostgres takes a home from its file to PostgreSQL and through a backup back into another database of it, and finds
// what was kept each time.
func TestOnPostgres(t *testing.T) {
	pg := pgtest.For(t)
	first, err := pg.NewDatabase(t.Context(), "first")
	if err != nil {
		t.Fatal(err)
	}
	second, err := pg.NewDatabase(t.Context(), "second")
	if err != nil {
		t.Fatal(err)
	}

	opt := options(t, settings(t, nil))
	var kept string
	t.Run("the file", func(t *testing.T) {
		s := start(t, opt)
		status, body := s.call(t, http.MethodPost, "/v1/conversations", `{"metadata":{"topic":"harbours"}}`)
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		_, rest, _ := strings.Cut(body, `"id":"`)
		kept, _, _ = strings.Cut(rest, `"`)
	})
	if _, err := datadir.MigrateDatabase(t.Context(), opt.Settings, first); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.MigrateDatabase(t.Context(), opt.Settings, first); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("into a database that holds rows: %v", err)
	}

	opt.Settings.Database.URL = first
	file := ""
	t.Run("moved", func(t *testing.T) {
		s := start(t, opt)
		if status, body := s.call(t, http.MethodGet, "/v1/conversations/"+kept, ""); status != http.StatusOK || !strings.Contains(body, "harbours") {
			t.Errorf("%d %s", status, body)
		}
		other := options(t, settings(t, map[string]string{"database.url": first}))
		if err := Serve(t.Context(), other); core.CodeOf(err) != core.CodeConflict {
			t.Errorf("a second server on the database: %v", err)
		}
		var berr error
		if file, _, berr = datadir.Backup(t.Context(), opt.Settings, datadir.BackupOptions{Version: opt.Version, To: t.TempDir() + "/kept.tar"}); berr != nil {
			t.Fatal(berr)
		}
		for _, f := range Doctor(t.Context(), opt) {
			if f.Name == "database" && f.State != findOK {
				t.Errorf("%+v", f)
			}
		}
		back := settings(t, map[string]string{"database.url": second})
		back.Home = filepath.Join(t.TempDir(), "back")
		if _, _, err := datadir.Restore(t.Context(), back.Home, file, second); err != nil {
			t.Fatal(err)
		}
		back.ModelsDirectory = filepath.Join(back.Home, "models")
		again := start(t, options(t, back))
		if status, body := again.call(t, http.MethodGet, "/v1/conversations/"+kept, ""); status != http.StatusOK || !strings.Contains(body, "harbours") {
			t.Errorf("restored: %d %s", status, body)
		}
	})
}
