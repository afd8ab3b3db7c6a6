package node

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/node/datadir"
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
	file, kept, err := datadir.Backup(t.Context(), set, datadir.BackupOptions{Version: opt.Version, To: t.TempDir()})
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

	home := filepath.Join(t.TempDir(), "new")
	if _, missing, err := datadir.Restore(t.Context(), home, file, ""); err != nil || len(missing) != 0 {
		t.Fatalf("%v, missing %v", err, missing)
	}
	if _, err := os.Stat(filepath.Join(home, "models")); err != nil {
		t.Errorf("the manifests are not there: %v", err)
	}
}
