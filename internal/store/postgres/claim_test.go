package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ashatai/internal/core"
)

// owned is a database that was taken as a server takes it.
func owned(t *testing.T, address string) *DB {
	t.Helper()
	db := mustOpen(t, address)
	for _, step := range []func(context.Context) error{db.Claim, db.Mark} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// cut ends the session that holds a claim, as a restart of PostgreSQL does.
func cut(t *testing.T, address string, db *DB) {
	t.Helper()
	exec(t, address, fmt.Sprintf("SELECT pg_terminate_backend(%d)", db.claim.Load().Conn().PgConn().PID()))
}

// until waits for something that a goroutine is about to do.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(limit) {
			t.Fatalf("after a minute not yet: %s", what)
		}
		look := time.NewTimer(5 * time.Millisecond)
		<-look.C
	}
}

func watch(t *testing.T, db *DB) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan error, 1)
	ended := make(chan struct{})
	go func() { defer close(ended); out <- db.Watch(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return out
}

// TestClaimIsTakenAgain: a claim whose connection broke is there again, if nobody had it meanwhile.
func TestClaimIsTakenAgain(t *testing.T) {
	t.Parallel()
	address := place(t)
	db := owned(t, address)
	lost := watch(t, db)
	before := db.claim.Load()
	cut(t, address, db)
	until(t, "the claim is there again", func() bool { c := db.claim.Load(); return c != nil && c != before && !db.lost.Load() })
	if err := db.Meta().Set(t.Context(), "a", "b"); err != nil {
		t.Errorf("a write after that: %v", err)
	}
	if err := mustOpen(t, address).Claim(t.Context()); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("another's claim: %v", err)
	}
	select {
	case err := <-lost:
		t.Errorf("the watch ended: %v", err)
	default:
	}
}

// claims counts who has the claim, or who waits for it.
func claims(t *testing.T, db *DB, granted bool) (n int) {
	t.Helper()
	err := db.sql.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted = $2 AND classid = $1 AND objid::bigint = hashtext(current_schema())::bigint & 4294967295", claimLock, granted).Scan(&n)
	if err != nil {
		return -1
	}
	return n
}

// TestClaimOfADatabaseThatFails: a failure to read who had the claim says nothing of who had it.
func TestClaimOfADatabaseThatFails(t *testing.T) {
	t.Parallel()
	address := place(t)
	db, other, look := owned(t, address), mustOpen(t, address), mustOpen(t, address)
	got := make(chan error, 1)
	go func() { got <- other.Claim(t.Context()) }()
	until(t, "the other waits", func() bool { return claims(t, look, false) == 1 })
	cut(t, address, db)
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	lost := watch(t, db) // the other has it, and writes nothing
	until(t, "the first waits", func() bool { return db.lost.Load() && claims(t, look, false) == 1 })
	for _, change := range []string{
		"ALTER TABLE meta RENAME TO kept", "CREATE SEQUENCE tries",
		"CREATE FUNCTION fails() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('tries'); RAISE EXCEPTION 'not now'; END $$",
		"CREATE VIEW meta AS SELECT key, fails() AS value FROM kept",
	} {
		exec(t, address, change)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "it was read twice", func() bool {
		select {
		case err := <-lost:
			t.Fatalf("the watch ended: %v", err)
		default:
		}
		var n int
		err := look.sql.QueryRowContext(t.Context(), "SELECT last_value FROM tries").Scan(&n)
		return err == nil && n >= 2
	})
	if !db.lost.Load() {
		t.Error("nobody knows who had it, and it counts as the server's own")
	}
	for _, change := range []string{"DROP VIEW meta", "ALTER TABLE kept RENAME TO meta"} {
		exec(t, address, change)
	}
	until(t, "the claim is there again", func() bool { return !db.lost.Load() })
	if n := claims(t, look, true); n != 1 {
		t.Errorf("%d have the claim", n)
	}
	if err := db.Meta().Set(t.Context(), "a", "b"); err != nil {
		t.Errorf("a write after that: %v", err)
	}
}

// TestRefusedClaimLeavesNothing: its connection, which waits for locks a short time only, is not used again.
func TestRefusedClaimLeavesNothing(t *testing.T) {
	t.Parallel()
	address := place(t)
	owned(t, address)
	db := mustOpen(t, address)
	if err := db.Claim(t.Context()); core.CodeOf(err) != core.CodeConflict {
		t.Fatal(err)
	}
	all := db.pool.AcquireAllIdle(t.Context())
	for _, c := range all {
		var limit string
		if err := c.QueryRow(t.Context(), "SHOW lock_timeout").Scan(&limit); err != nil || limit != "0" {
			t.Errorf("a connection waits %s for locks, %v", limit, err)
		}
		c.Release()
	}
}

// TestWritesAreGuarded: a statement that writes and answers with rows does not pass the guard's ExecContext; sqlstore runs those
// that are named here in transactions.
func TestWritesAreGuarded(t *testing.T) {
	t.Parallel()
	inTx := []string{"PutQuota"}
	writes := regexp.MustCompile(`(?i)\b(INSERT|UPDATE|DELETE|MERGE|nextval|setval)\b`)
	for name, text := range texts() {
		first, rest, _ := strings.Cut(text, "\n")
		if !strings.Contains(first, ":exec") && writes.MatchString(rest) && !slices.Contains(inTx, name) {
			t.Errorf("%s writes and answers with rows: run it in inTx, and name it here", name)
		}
	}
}

// TestClaimIsLost: where another server had the database in between, the first one says so, and writes nothing any more.
func TestClaimIsLost(t *testing.T) {
	t.Parallel()
	address := place(t)
	db, other := owned(t, address), mustOpen(t, address)
	taken := make(chan error, 1)
	go func() {
		err := other.Claim(t.Context())
		if err == nil {
			err = other.Mark(t.Context())
		}
		taken <- err
	}()
	until(t, "the other waits", func() bool { return claims(t, db, false) == 1 })
	cut(t, address, db)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	if err := <-watch(t, db); core.CodeOf(err) != core.CodeConflict {
		t.Errorf("the watch: %v", err)
	}
	for what, write := range map[string]func() error{
		"a value": func() error { return db.Meta().Set(t.Context(), "a", "b") },
		"a job": func() error {
			return db.Jobs().Add(t.Context(), core.Job{ID: "j", Kind: "k", Args: []byte("{}"), Created: time.Now()})
		},
		"a quota": func() error {
			_, err := db.Accounts().Quotas().Put(t.Context(), core.Quota{ID: "q", Kind: core.QuotaUser, Subject: "s", Unit: core.QuotaRequests, Window: core.QuotaDay, Limit: 1})
			return err
		},
	} {
		if err := write(); core.CodeOf(err) != core.CodeUnavailable {
			t.Errorf("%s was written: %v", what, err)
		}
	}
	if _, _, err := db.Meta().Get(t.Context(), "a"); err != nil {
		t.Errorf("reading: %v", err)
	}
}

// TestCurrent: a look at a database changes nothing in it, and is refused where it would have to.
func TestCurrent(t *testing.T) {
	t.Parallel()
	address := place(t)
	db, err := Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Current(t.Context()); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("an empty one: %v", err)
	}
	if v, err := version(t.Context(), db.sql, "x"); v != 0 || err != nil {
		t.Errorf("it was migrated: %d, %v", v, err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Current(t.Context()); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for _, change := range []string{"DELETE FROM schema_version WHERE version_id > 1", "INSERT INTO schema_version (version_id, is_applied) VALUES (999, true)"} {
		exec(t, address, change)
		if err := db.Current(t.Context()); core.CodeOf(err) != core.CodeUnavailable {
			t.Errorf("%s: %v", change, err)
		}
	}
}
