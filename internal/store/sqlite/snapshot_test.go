package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"ashatai/internal/core"
	"ashatai/internal/store/transfer"
)

// TestSnapshot copies a database that is open and written to; the copy has what was acknowledged and nothing later.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "it's a db"), filepath.Join(dir, "copy.db")
	db, err := Open(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	if err := db.Meta().Set(t.Context(), "k", "before"); err != nil {
		t.Fatal(err)
	}
	if err := Snapshot(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	if err := db.Meta().Set(t.Context(), "k", "after"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	copied, err := Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close() //nolint:errcheck // the test is over
	if v, _, err := copied.Meta().Get(t.Context(), "k"); err != nil || v != "before" {
		t.Errorf("the copy has %q, %v", v, err)
	}
	if _, err := transfer.Sum(t.Context(), copied.Side()); err != nil {
		t.Errorf("the copy cannot be counted: %v", err)
	}
	if s := db.Side(); s.Name != from || s.Postgres {
		t.Errorf("side %+v", s)
	}
}

func TestSnapshotsThatFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.db")
	if err := Snapshot(t.Context(), missing, filepath.Join(dir, "a")); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a database was made where there was none")
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("This is no database, but a text that somebody wrote."), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Snapshot(t.Context(), text, filepath.Join(dir, "b")); err == nil {
		t.Error("of a text")
	}
	db, err := Open(t.Context(), filepath.Join(dir, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	if err := Snapshot(t.Context(), filepath.Join(dir, "x.db"), filepath.Join(text, "c")); err == nil {
		t.Error("into a file as if it were a folder")
	}
}
