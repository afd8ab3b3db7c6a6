package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Target{
		Place: func(t *testing.T) string {
			t.Helper()
			return filepath.Join(t.TempDir(), "a?b #c%20", "server.db")
		},
		Open: func(ctx context.Context, place string) (store.DB, error) { return asStore(Open(ctx, place)) },
		Newer: func(t *testing.T, place string) {
			t.Helper()
			exec(t, place, "INSERT INTO schema_version (version_id, is_applied) VALUES (999, 1)")
		},
		Kill: func(t *testing.T, place string) string {
			t.Helper()
			to := filepath.Join(t.TempDir(), "killed.db")
			for _, suffix := range []string{"", "-wal"} {
				data, err := os.ReadFile(place + suffix)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(to+suffix, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return to
		},
	})
}

func asStore(db *DB, err error) (store.DB, error) {
	if err != nil {
		return nil, err
	}
	return db, nil
}

func exec(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open(driverName, dsn(path, busyTimeout))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), statement)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestPragmas(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var got string
		if err := db.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", pragma, got, err, want)
		}
	}
	if _, err := db.read.ExecContext(t.Context(), "DELETE FROM meta"); err == nil {
		t.Error("a reader's connection wrote")
	}
}

func TestFileIsPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes are not rights there")
	}
	path := filepath.Join(t.TempDir(), "x.db")
	mustOpen(t, path)
	for _, suffix := range []string{"", "-wal"} {
		fi, err := os.Stat(path + suffix)
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", suffix, fi, err)
		}
	}
}

// TestMigrateUpgrade: data outlives a new schema, and the older server then refuses it.
func TestMigrateUpgrade(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"99999_more.sql": {Data: []byte("-- +goose Up\nALTER TABLE meta ADD COLUMN more TEXT NOT NULL DEFAULT 'm';\n")},
	}
	files, err := fs.Glob(migrations(), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := fs.ReadFile(migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		fsys[name] = &fstest.MapFile{Data: data}
	}
	path := filepath.Join(t.TempDir(), "x.db")
	if err := mustOpen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, path, "INSERT INTO meta (key, value) VALUES ('k', 'v')")
	if err := migrate(t.Context(), path, fsys); err != nil {
		t.Fatal(err)
	}
	exec(t, path, "UPDATE meta SET more = 'n' WHERE key = 'k' AND more = 'm'")
	if _, err := Open(t.Context(), path); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("the older server opened it: %v", err)
	}
}

func TestBrokenMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	fsys := fstest.MapFS{"00001_bad.sql": {Data: []byte("-- +goose Up\nCREATE TABLE one (a TEXT);\nCREATE TABLE one (a TEXT);\n")}}
	if err := makeFile(path); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), path, fsys); core.CodeOf(err) != core.CodeUnavailable {
		t.Fatalf("error %v", err)
	}
	mustOpen(t, path) // nothing of the broken one stayed, so the real one applies
}

func TestForeignFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	exec(t, foreign, "CREATE TABLE other (a TEXT)")
	marked := filepath.Join(dir, "marked.db")
	exec(t, marked, "PRAGMA application_id = 7")
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("this is no database\n"), 500), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{foreign: "another program", marked: "another program", text: "no database", dir: "cannot be written"} {
		db, err := Open(t.Context(), path)
		if err == nil {
			t.Fatalf("%s was opened: %v", path, db.Close())
		}
		e := core.AsError(err)
		if e.Code != core.CodeUnavailable || (path != dir && !strings.Contains(e.Message, want)) {
			t.Errorf("%s: %v; want %q", path, err, want)
		}
	}
}

func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path)
	for i := range 400 {
		if err := db.Meta().Set(t.Context(), strings.Repeat("k", i+1), "v"); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for off := len(data) / 8192 * 4096; off+100 < len(data); off += 4096 {
		copy(data[off:off+100], bytes.Repeat([]byte{0xee}, 100))
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db = mustOpen(t, path)
	if err := db.Check(t.Context()); err == nil || !strings.Contains(core.AsError(err).Message, "damaged") {
		t.Errorf("check: %v", err)
	}
}

func TestCheckFindsDanglingReferences(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path)
	exec(t, path, "CREATE TABLE child (k TEXT REFERENCES meta (key)); INSERT INTO child VALUES ('nobody')")
	if err := db.Check(t.Context()); err == nil || !strings.Contains(core.AsError(err).Message, "leads nowhere") {
		t.Errorf("check: %v", err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, filepath.Join(t.TempDir(), "x.db"))
	var pages int
	if err := db.write.QueryRowContext(t.Context(), "PRAGMA max_page_count = 20").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	err := db.Meta().Set(t.Context(), "k", strings.Repeat("v", 1<<20))
	if e := core.AsError(err); e.Code != core.CodeDiskFull || !strings.Contains(e.Message, db.path) {
		t.Errorf("a full database: %v", err)
	}
	if err := db.Meta().Set(t.Context(), "k", "small"); err != nil {
		t.Errorf("after a full disk: %v", err)
	}
	if err := explain(os.ErrPermission, "p"); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
	if explain(nil, "p") != nil {
		t.Error("nil is an error")
	}
}

// TestBusy: a file that another process holds for good is a sentence, not a hang.
func TestBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := makeFile(path); err != nil {
		t.Fatal(err)
	}
	holder, err := sql.Open(driverName, dsn(path, busyTimeout))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close() })
	holder.SetMaxOpenConns(1)
	if _, err := holder.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err = migrateLocked(t.Context(), path, migrations())
	if !isBusy(err) || core.CodeOf(explain(err, path)) != core.CodeUnavailable {
		t.Errorf("error %v", err)
	}
}
