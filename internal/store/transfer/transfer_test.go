package transfer_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite" // the driver

	"ashatai/internal/core"
	"ashatai/internal/store/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// side is a new SQLite database with these statements run on it.
func side(t *testing.T, statements ...string) transfer.Side {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return transfer.Side{DB: db, Name: "x"}
}

const (
	parent = `CREATE TABLE "par""ent" (id TEXT PRIMARY KEY, n INTEGER, f REAL, b BLOB)`
	child  = `CREATE TABLE child (p TEXT REFERENCES "par""ent" (id))`
	queue  = `CREATE TABLE river_job (a)`
	rows   = `INSERT INTO "par""ent" VALUES ('a', 1, 0.5, x'00ff'), ('b', NULL, NULL, NULL)`
)

func sum(t *testing.T, s transfer.Side) string {
	t.Helper()
	list, err := transfer.Sum(t.Context(), s)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	return list[0].Hash
}

func TestCopy(t *testing.T) {
	t.Parallel()
	from := side(t, "PRAGMA foreign_keys = 1", parent, child, queue, rows, "INSERT INTO child VALUES ('a')")
	to := side(t, "PRAGMA foreign_keys = 1", parent, child)
	list, err := transfer.Copy(t.Context(), from, to)
	if err != nil || len(list) != 2 || list[0].Name != `par"ent` || list[0].Rows != 2 || list[1].Rows != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if sum(t, from) != sum(t, to) {
		t.Error("the sums differ")
	}
	if _, err := transfer.Copy(t.Context(), from, to); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("a copy over rows: %v", err)
	}
	if _, err := transfer.Copy(t.Context(), from, side(t, parent)); core.CodeOf(err) != core.CodeInternal {
		t.Errorf("a copy to other tables: %v", err)
	}
}

// TestSum: the hash knows every value, its type, its column and how often a row is there; not the order of rows and columns.
func TestSum(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE x (a, b)"
	seen := map[string]string{}
	for _, insert := range []string{
		"INSERT INTO x VALUES (1, 2)", "INSERT INTO x VALUES (2, 1)", "INSERT INTO x VALUES ('1', 2)", "INSERT INTO x VALUES (x'31', 2)",
		"INSERT INTO x VALUES (1.0, 2)", "INSERT INTO x VALUES (NULL, 2)", "INSERT INTO x VALUES (1, 2), (1, 2)", "INSERT INTO x VALUES (1, 2), (1, 2), (1, 2)",
		"INSERT INTO x VALUES ('ab', 'c')", "INSERT INTO x VALUES ('a', 'bc')",
	} {
		h := sum(t, side(t, table, insert))
		if other, ok := seen[h]; ok {
			t.Errorf("%q and %q have one hash", insert, other)
		}
		seen[h] = insert
	}
	a := sum(t, side(t, table, "INSERT INTO x VALUES (1, 2), (3, 4)"))
	b := sum(t, side(t, "CREATE TABLE x (b, a)", "INSERT INTO x VALUES (4, 3), (2, 1)"))
	if a != b {
		t.Error("the order counts")
	}
}
