package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ashatai/internal/backup"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made is the settings of a home whose database holds one job.
func made(t *testing.T) *config.Settings {
	t.Helper()
	s := config.Default()
	s.Home = filepath.Join(t.TempDir(), "home")
	s.Database.Path = filepath.Join(s.Home, "ashatai.db")
	db, err := OpenDatabase(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Jobs().Add(t.Context(), core.Job{ID: "job_a", Kind: "pull", Args: []byte("{}"), Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// holds reports whether a database has the job.
func holds(t *testing.T, s *config.Settings) bool {
	t.Helper()
	db, err := OpenDatabase(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	_, ok, err := db.Jobs().Get(t.Context(), "job_a")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	release, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("a folder that is taken: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(dir)
	if err != nil {
		t.Fatalf("a folder that was left: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
	if _, err := Lock(filepath.Join(dir, "none")); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	s := made(t)
	file, kept, err := Backup(t.Context(), s, BackupOptions{Version: "v1", To: t.TempDir()})
	if err != nil || len(kept.Tables) == 0 {
		t.Fatalf("%+v, %v", kept, err)
	}
	if _, _, err := Backup(t.Context(), s, BackupOptions{Version: "v1", To: file}); err == nil {
		t.Error("a backup was written over another")
	}
	back := config.Default()
	back.Home = filepath.Join(t.TempDir(), "back")
	back.Database.Path = filepath.Join(back.Home, "ashatai.db")
	if _, missing, err := Restore(t.Context(), back.Home, file, ""); err != nil || len(missing) != 0 {
		t.Fatalf("%v, missing %v", err, missing)
	}
	if !holds(t, back) {
		t.Error("the job is not in the home that was restored")
	}
	if _, _, err := Restore(t.Context(), back.Home, file, ""); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("over a home that is there: %v", err)
	}
}

// TestKeyOfTheServer: what an operator has to keep besides a backup, and to put back, is told.
func TestKeyOfTheServer(t *testing.T) {
	s := made(t)
	key := filepath.Join(s.Home, "server.key")
	if err := os.WriteFile(key, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, with := range []bool{false, true} {
		file, c, err := Backup(t.Context(), s, BackupOptions{To: t.TempDir(), WithKey: with})
		if err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(AfterBackup(s, c), ""); strings.Contains(notes, key) == with {
			t.Errorf("with the key %v: %q", with, notes)
		}
		back := *s
		back.Home = filepath.Join(t.TempDir(), "back")
		back.Database.Path = filepath.Join(back.Home, "ashatai.db")
		if _, _, err := Restore(t.Context(), back.Home, file, ""); err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(AfterRestore(&back, c, ""), ""); strings.Contains(notes, filepath.Join(back.Home, "server.key")) == with {
			t.Errorf("with the key %v: %q", with, notes)
		}
		back.Secrets.Key = strings.Repeat("ab", 32)
		if notes := AfterRestore(&back, c, ""); len(notes) != 0 || !strings.Contains(AfterBackup(&back, c)[0], "ASHATAI__SECRETS__KEY") {
			t.Errorf("%q", notes)
		}
	}
}

func TestMigrateIsRefused(t *testing.T) {
	const nowhere = "postgres://127.0.0.1:1/x"
	s := made(t)
	if _, err := MigrateDatabase(t.Context(), s, nowhere); err == nil {
		t.Error("a database that does not answer was filled")
	}
	release, err := Lock(s.Home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := MigrateDatabase(t.Context(), s, nowhere); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("beside a server: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.Database.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := MigrateDatabase(t.Context(), s, nowhere); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a database that is not there: %v", err)
	}
	s.Database.URL = nowhere
	if _, err := MigrateDatabase(t.Context(), s, nowhere); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("from PostgreSQL: %v", err)
	}
	if _, err := OpenDatabase(t.Context(), s); err == nil {
		t.Error("a database that does not answer was opened")
	}
}

// TestPostgres takes the rows from the file to PostgreSQL, into a backup, and back into another database.
func TestPostgres(t *testing.T) {
	pg := pgtest.For(t)
	var urls [2]string
	for i, name := range []string{"first", "second"} {
		var err error
		if urls[i], err = pg.NewDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	s := made(t)
	if _, err := SeenPostgres(t.Context(), urls[0]); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("an empty database: %v", err)
	}
	if list, err := MigrateDatabase(t.Context(), s, urls[0]); err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	s.Database.URL = urls[0]
	if !holds(t, s) {
		t.Error("the job did not move")
	}
	file, _, err := Backup(t.Context(), s, BackupOptions{Version: "v1", To: filepath.Join(t.TempDir(), "kept.tar")})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(t.Context(), filepath.Join(t.TempDir(), "back"), file, urls[1]); err != nil {
		t.Fatal(err)
	}
	if s.Database.URL = urls[1]; !holds(t, s) {
		t.Error("the job is not in the database that was restored")
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
		s.Home, s.Database.Path, s.Database.URL, s.Secrets.Key = "/h", c.path, c.url, strings.Repeat("ab", 32)
		notes := strings.Join(AfterRestore(s, backup.Contents{Database: backup.File{Path: "ashatai.db"}}, c.to), "\n")
		if !strings.Contains(notes, c.want) || c.want == "" && notes != "" {
			t.Errorf("%+v: %q", c, notes)
		}
	}
}
