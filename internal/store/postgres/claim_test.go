package postgres

import (
	"context"
	"fmt"
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
	until(t, "the other waits", func() bool {
		var n int
		err := db.sql.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = $1 AND objid::bigint = hashtext(current_schema())::bigint & 4294967295", claimLock).Scan(&n)
		return err == nil && n == 1
	})
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
