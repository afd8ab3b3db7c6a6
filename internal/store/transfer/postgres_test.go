package transfer_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
	"ashatai/internal/store/transfer"
	"ashatai/test/pgtest"
)

// fill puts something into every table of a store that this package knows.
func fill(t *testing.T, db store.DB) {
	t.Helper()
	if err := db.Meta().Set(t.Context(), "k", "v 模型"); err != nil {
		t.Fatal(err)
	}
	if err := db.Models().Put(t.Context(), store.ModelFile{Path: "/m", Size: 1 << 40, Manifest: "{}"}); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		o := core.Stored{ID: fmt.Sprint("c", i), Kind: core.StoredChat, State: core.StoredRunning, Tenant: "t", User: "u", Metadata: map[string]string{"n": strconv.Itoa(i)}, Body: "{}"}
		add := []core.StoredAdd{{To: o.ID, Items: []core.StoredItem{{ID: "i", Body: strings.Repeat("x", i)}}}}
		if err := db.Objects().Put(t.Context(), o, add); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Objects().Commit(t.Context(), []store.Progress{{ID: "c7", Events: []core.StoredEvent{{Seq: 1, Body: "{}"}}}}, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Objects().Delete(t.Context(), store.Owner{Tenant: "t", User: "u"}, "c3"); err != nil {
		t.Fatal(err)
	}
}

// open starts a PostgreSQL for the test alone and opens a store on it.
func open(t *testing.T) (*postgres.DB, func(statement string)) {
	t.Helper()
	server := pgtest.For(t)
	db, err := postgres.Open(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, func(statement string) {
		t.Helper()
		if err := server.Exec(t.Context(), "postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThereAndBack: everything goes there and back, both sides agree on what they hold, and the copy goes on counting.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	lite, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lite.Close() })
	fill(t, lite)
	pg, _ := open(t)
	there, err := transfer.Copy(t.Context(), lite.Side(), pg.Side())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int64{}
	for _, table := range there {
		rows[table.Name] = table.Rows
	}
	for name, want := range map[string]int64{"meta": 1, "model_file": 1, "stored": 299, "stored_content": 299, "stored_item_content": 299, "stored_event_content": 1} {
		if rows[name] != want {
			t.Errorf("%s has %d rows, want %d", name, rows[name], want)
		}
	}
	if v, _, err := pg.Meta().Get(t.Context(), "k"); v != "v 模型" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if err := pg.Objects().Put(t.Context(), core.Stored{ID: "new", Kind: core.StoredChat, State: core.StoredDone, Tenant: "t", User: "u"}, nil); err != nil {
		t.Errorf("a new row after the copy: %v", err)
	}
	if _, err := pg.Objects().Delete(t.Context(), store.Owner{Tenant: "t", User: "u"}, "new"); err != nil {
		t.Error(err)
	}
	if _, err := transfer.Copy(t.Context(), lite.Side(), pg.Side()); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("a copy over rows: %v", err)
	}
	back, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back.Close() })
	if _, err := transfer.Copy(t.Context(), pg.Side(), back.Side()); err != nil {
		t.Fatal(err)
	}
	a, err1 := transfer.Sum(t.Context(), lite.Side())
	b, err2 := transfer.Sum(t.Context(), back.Side())
	if diff := cmp.Diff(a, b); diff != "" || err1 != nil || err2 != nil {
		t.Errorf("%v, %v\n%s", err1, err2, diff)
	}
}

// TestCopyNoticesChange: a value that the other side does not give back as it was undoes the copy.
func TestCopyNoticesChange(t *testing.T) {
	t.Parallel()
	lite, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lite.Close() })
	fill(t, lite)
	pg, exec := open(t)
	exec("CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := 'y'; RETURN NEW; END $$")
	exec("CREATE TRIGGER spoil BEFORE INSERT ON stored_item_content FOR EACH ROW WHEN (NEW.object = 'c200') EXECUTE FUNCTION spoil()")
	_, err = transfer.Copy(t.Context(), lite.Side(), pg.Side())
	if core.CodeOf(err) != core.CodeInternal || !strings.Contains(core.AsError(err).Message, "stored_item_content differs") {
		t.Errorf("a changed row: %v", err)
	}
	if _, ok, err := pg.Meta().Get(t.Context(), "k"); ok || err != nil {
		t.Errorf("half a copy stayed: %v", err)
	}
	exec("CREATE TABLE more (a TEXT)")
	if _, err := transfer.Copy(t.Context(), lite.Side(), pg.Side()); core.CodeOf(err) != core.CodeInternal || !strings.Contains(err.Error(), "same tables") {
		t.Errorf("another table: %v", err)
	}
}
