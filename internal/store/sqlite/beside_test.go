package sqlite

import (
	"context"
	"path/filepath"
	"testing"
	"testing/fstest"

	"ashatai/internal/core"
)

// TestBeside: a database is opened while another holds it open, and one of another schema is left as it is.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	if db, err := Beside(t.Context(), path); db != nil || err != nil {
		t.Fatalf("no file: %v, %v", db, err)
	}
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	other, err := Beside(t.Context(), path)
	if err != nil || other == nil {
		t.Fatalf("beside a server: %v", err)
	}
	row, err := other.Audit().Append(t.Context(), func(last core.AuditRow) core.AuditRow { return core.AuditRow{Seq: last.Seq + 1, Action: "x"} })
	if err != nil || row.Seq != 1 {
		t.Errorf("%v, %v", row, err)
	}
	if last, ok, err := db.Audit().Last(t.Context()); !ok || err != nil || last.Action != "x" {
		t.Errorf("the server sees %v, %v, %v", last, ok, err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	old := filepath.Join(dir, "old.db")
	first := fstest.MapFS{"00001_one.sql": {Data: []byte("-- +goose Up\nCREATE TABLE one (a TEXT);\n")}}
	if err := migrate(t.Context(), old, first); err != nil {
		t.Fatal(err)
	}
	if db, err := Beside(t.Context(), old); db != nil || err != nil {
		t.Errorf("an older schema: %v, %v", db, err)
	}
	if current, err := inspect(context.WithoutCancel(t.Context()), old, first); !current || err != nil {
		t.Errorf("it was changed: %v, %v", current, err)
	}
}
