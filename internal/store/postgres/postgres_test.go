package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"ashatai/internal/core"
	"ashatai/internal/store"
	pgquery "ashatai/internal/store/postgres/query"
	"ashatai/internal/store/sqlite/query"
	"ashatai/internal/store/storetest"
	"ashatai/test/pgtest"
)

// server is what the package's tests share; each has a schema of its own in it. Nil where PostgreSQL is not installed.
var (
	server  *pgtest.Server
	schemas atomic.Int64
)

func TestMain(m *testing.M) {
	s, err := pgtest.Start(context.Background()) //nolint:forbidigo // there is no test yet whose context it could be
	if err != nil && !errors.Is(err, pgtest.ErrNone) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server = s
	goleak.VerifyTestMain(ended{m})
}

// ended stops the server before leaks are looked for.
type ended struct{ m *testing.M }

func (e ended) Run() int {
	code := e.m.Run()
	if server != nil {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// place is the address of a new, empty schema.
func place(t *testing.T) string {
	t.Helper()
	if server == nil {
		t.Skip(pgtest.ErrNone)
	}
	address, err := server.NewSchema(t.Context(), fmt.Sprintf("s%d", schemas.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func exec(t *testing.T, address, statement string) {
	t.Helper()
	if err := pgtest.Exec(t.Context(), address, statement); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, address string) *DB {
	t.Helper()
	db, err := Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Target{
		Place: place,
		Open: func(ctx context.Context, place string) (store.DB, error) {
			db, err := Open(ctx, place)
			if err != nil {
				return nil, err
			}
			return db, nil
		},
		Newer: func(t *testing.T, place string) {
			t.Helper()
			exec(t, place, "INSERT INTO schema_version (version_id, is_applied) VALUES (999, true)")
		},
		// The data is the server's: what a killed client leaves is there. TestCrash kills the server.
		Kill: func(_ *testing.T, place string) string { return place },
	})
}

// TestStatementsAgree: the two dialects' typed forms differ in their texts alone, so that the code over one runs the other.
func TestStatementsAgree(t *testing.T) {
	t.Parallel()
	lite, ours := reflect.TypeFor[*query.Queries](), reflect.TypeFor[*pgquery.Queries]()
	if lite.NumMethod() < 20 {
		t.Fatalf("only %d statements", lite.NumMethod())
	}
	for m := range lite.Methods() {
		if m.Name == "WithTx" {
			continue
		}
		o, ok := ours.MethodByName(m.Name)
		if !ok {
			t.Errorf("%s has no PostgreSQL form", m.Name)
			continue
		}
		if a, b := shape(m.Type), shape(o.Type); a != b {
			t.Errorf("%s differs:\nSQLite     %s\nPostgreSQL %s", m.Name, a, b)
		}
		if _, ok := texts()[m.Name]; !ok {
			t.Errorf("the text of %s was not found in the generated code", m.Name)
		}
	}
	if ours.NumMethod() != lite.NumMethod() {
		t.Errorf("%d statements here, %d there", ours.NumMethod(), lite.NumMethod())
	}
}

// shape writes a method's parameters and results without its receiver, structs by their fields: the order of a struct's
// fields is the order of arguments, or of columns.
func shape(f reflect.Type) string {
	var b strings.Builder
	var put func(t reflect.Type)
	put = func(t reflect.Type) {
		switch k := t.Kind(); k { //nolint:exhaustive // the rest is written by name
		case reflect.Struct:
			b.WriteString("{")
			for f := range t.Fields() {
				b.WriteString(f.Name + " ")
				put(f.Type)
				b.WriteString("; ")
			}
			b.WriteString("}")
		case reflect.Slice:
			b.WriteString("[]")
			put(t.Elem())
		default:
			b.WriteString(t.String())
		}
	}
	for i := 1; i < f.NumIn(); i++ {
		put(f.In(i))
		b.WriteString(", ")
	}
	b.WriteString("-> ")
	for r := range f.Outs() {
		put(r)
		b.WriteString(", ")
	}
	return b.String()
}

func TestUnknownStatementPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a statement without a PostgreSQL form ran")
		}
	}()
	ours("-- name: NoSuch :one\nSELECT 1")
}

// TestCrash: what was acknowledged is there after the server ended at once, and an open store goes on with the new one.
func TestCrash(t *testing.T) {
	t.Parallel()
	if server == nil {
		t.Skip(pgtest.ErrNone)
	}
	own := pgtest.For(t)
	db := mustOpen(t, own.URL("postgres"))
	var wg sync.WaitGroup
	var acknowledged sync.Map
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d", w, i)
				if err := db.Meta().Set(t.Context(), key, "v"); err != nil {
					if core.CodeOf(err) != core.CodeUnavailable {
						t.Errorf("a write while the server ended: %v", err)
					}
					return
				}
				acknowledged.Store(key, true)
			}
		})
	}
	for enough := false; !enough; { // some work first
		_, enough = acknowledged.Load("0-20")
	}
	if err := own.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	n := 0
	acknowledged.Range(func(k, _ any) bool {
		n++
		key, _ := k.(string)
		if _, ok, err := db.Meta().Get(t.Context(), key); !ok || err != nil {
			t.Errorf("%s was acknowledged and is %v, %v", key, ok, err)
		}
		return true
	})
	t.Logf("%d acknowledged writes", n)
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrateUpgrade(t *testing.T) {
	t.Parallel()
	address := place(t)
	fsys := fstest.MapFS{"99999_more.sql": {Data: []byte("-- +goose Up\nALTER TABLE meta ADD COLUMN more TEXT NOT NULL DEFAULT 'm';\n")}}
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
	db := mustOpen(t, address)
	if err := db.Meta().Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), db.sql, "p", fsys); err != nil {
		t.Fatal(err)
	}
	var more string
	if err := db.sql.QueryRowContext(t.Context(), "SELECT more FROM meta WHERE key = 'k' AND value = 'v'").Scan(&more); err != nil || more != "m" {
		t.Errorf("%q, %v", more, err)
	}
	if _, err := Open(t.Context(), address); core.CodeOf(err) != core.CodeUnavailable || !strings.Contains(err.Error(), "newer") {
		t.Errorf("the older server opened it: %v", err)
	}
}

func TestBrokenMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	address := place(t)
	db := mustOpen(t, address)
	fsys := fstest.MapFS{"99999_bad.sql": {Data: []byte("-- +goose Up\nCREATE TABLE one (a TEXT);\nCREATE TABLE one (a TEXT);\n")}}
	if err := migrate(t.Context(), db.sql, "p", fsys); core.CodeOf(err) != core.CodeUnavailable {
		t.Fatalf("error %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, address) // nothing of the broken one stayed
}

func TestRefused(t *testing.T) {
	t.Parallel()
	foreign := place(t)
	exec(t, foreign, "CREATE TABLE other (a TEXT)")
	if err := server.Exec(t.Context(), "postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	exec(t, server.URL("postgres"), "CREATE ROLE weak LOGIN")
	weak := strings.Replace(place(t), "user=ashatai", "user=weak", 1)
	for name, c := range map[string]struct {
		address, want string
		code          core.Code
	}{
		"foreign tables": {foreign, "another program", core.CodeUnavailable},
		"no such one":    {server.URL("nothing"), "createdb", core.CodeUnavailable},
		"no such role":   {server.URL("postgres") + "&user=nobody", "refuses the role", core.CodeUnavailable},
		"no rights":      {weak, "", core.CodeUnavailable},
		"nobody there":   {"postgres://u:secret@127.0.0.1:1/x?connect_timeout=5", "does not answer", core.CodeUnavailable},
		"another scheme": {"mysql://u:secret@h/x", "database.url", core.CodeInvalidRequest},
		"encoding":       {server.URL("latin"), "LATIN1", core.CodeUnavailable},
	} {
		db, err := Open(t.Context(), c.address)
		if err == nil {
			t.Fatalf("%s was opened: %v", name, db.Close())
		}
		e := core.AsError(err)
		if e.Code != c.code || !strings.Contains(e.Message, c.want) || strings.Contains(e.Message, "secret") {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestTextThatCannotBeKept(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, place(t))
	for _, s := range []string{"a\x00b", "\xff"} {
		if err := db.Meta().Set(t.Context(), "k", s); core.CodeOf(err) != core.CodeInvalidRequest {
			t.Errorf("%q: %v", s, err)
		}
	}
	// Labels are JSON, which writes a zero byte in another way; no list may fail on one.
	who := store.Owner{Tenant: "t", User: "u"}
	for id, label := range map[string]string{"odd": "a\x00", "even": "a"} {
		o := core.Stored{ID: id, Kind: core.StoredChat, State: core.StoredDone, Tenant: "t", User: "u", Metadata: map[string]string{"k": label}}
		if err := db.Objects().Put(t.Context(), o, nil); err != nil {
			t.Fatal(err)
		}
	}
	for label, want := range map[string]int{"a": 1, "a\x00": 0} {
		f := core.StoredFilter{Kind: core.StoredChat, Metadata: map[string]string{"k": label}, StoredPage: core.StoredPage{Limit: 9}}
		if list, _, err := db.Objects().List(t.Context(), who, f); len(list) != want || err != nil {
			t.Errorf("%q: %d, %v; want %d", label, len(list), err, want)
		}
	}
}

// TestCheckFindsDamage: PostgreSQL's own marks count, and a table that cannot be read.
func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	address := place(t)
	db := mustOpen(t, address)
	exec(t, address, "ALTER TABLE meta ADD CONSTRAINT late CHECK (key <> '') NOT VALID")
	if err := db.Check(t.Context()); err == nil || !strings.Contains(core.AsError(err).Message, "late") {
		t.Errorf("check: %v", err)
	}
	exec(t, address, "ALTER TABLE meta DROP CONSTRAINT late")
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	// A generated view of trouble: a function that fails where a row is read in full stands for a page that is broken.
	exec(t, address, "CREATE TYPE sore AS ENUM ('x')")
	exec(t, address, "CREATE TABLE torn (a sore)")
	exec(t, address, "INSERT INTO torn VALUES ('x')")
	exec(t, address, "DELETE FROM pg_enum WHERE enumlabel = 'x' AND enumtypid = 'sore'::regtype")
	if err := db.Check(t.Context()); err == nil || !strings.Contains(core.AsError(err).Message, "torn") {
		t.Errorf("check: %v", err)
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	address := place(t)
	first, second := mustOpen(t, address), mustOpen(t, address)
	if err := first.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Claim(t.Context()); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("a second claim: %v", err)
	}
	if err := mustOpen(t, place(t)).Claim(t.Context()); err != nil {
		t.Errorf("another schema: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Claim(t.Context()); err != nil {
		t.Errorf("after the first ended: %v", err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, place(t))
	for code, want := range map[string]core.Code{
		"53100": core.CodeDiskFull, "53300": core.CodeUnavailable, "25006": core.CodeUnavailable, "40001": core.CodeUnavailable,
		"57P03": core.CodeUnavailable, "XX001": core.CodeUnavailable, "99999": core.CodeUnavailable,
	} {
		_, err := db.sql.ExecContext(t.Context(), "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '"+code+"'; END $$")
		if e := core.AsError(explain(err, "the place")); e.Code != want || !strings.Contains(e.Message, "the place") {
			t.Errorf("%s: %v", code, e)
		}
	}
	if explain(nil, "p") != nil {
		t.Error("nil is an error")
	}
	if err := explain(context.DeadlineExceeded, "p"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := explain(errors.New("x"), "p"); core.CodeOf(err) != core.CodeUnavailable {
		t.Error(err)
	}
}
