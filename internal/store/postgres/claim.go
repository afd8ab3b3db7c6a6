package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ashatai/internal/core"
)

const (
	claimLock        = 0x41534842 // beside migrationLock
	claimWait        = "5s"
	lockNotAvailable = "55P03"
	tokenKey         = "claim" // in meta

	pingEvery = 10 * time.Second
	pingTime  = 10 * time.Second
	// A session whose network broke holds its lock until PostgreSQL gives it up, by the keep-alives of Connect after a minute.
	claimAgainFor = 90 * time.Second
	claimPause    = 500 * time.Millisecond
)

// Claim takes the database for the caller alone until Close: two servers on one would each take the other's running
// answers for lost ones. A claim whose holder was killed ends with its connection. Errors: CodeConflict.
func (db *DB) Claim(ctx context.Context) error {
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return explain(err, db.place)
	}
	// A killed server's connection can take a moment to end.
	_, err = c.Exec(ctx, "SET lock_timeout = '"+claimWait+"'")
	if err == nil {
		_, err = c.Exec(ctx, "SELECT pg_advisory_lock($1, hashtext(current_schema()))", int32(claimLock))
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == lockNotAvailable {
		err = core.Wrap(core.CodeConflict, err, "Another server uses the database %s. Stop it, or choose another by database.url.", db.place)
	}
	if err != nil {
		_ = c.Conn().Close(ctx) // whoever got it next would wait for locks as long as this one, and no longer
		c.Release()
		return explain(err, db.place)
	}
	db.claim.Store(c)
	return nil
}

// Mark writes who holds the claim, so that its holder finds out whether another one had it in between. It wants a schema.
func (db *DB) Mark(ctx context.Context) error {
	db.token = rand.Text()
	return db.Meta().Set(ctx, tokenKey, db.token)
}

// Watch watches over the claim until ctx ends. PostgreSQL gives a claim up with the connection that holds it, as when it is
// started again: nothing is written then until the claim is there again. Where another server had it in between, it is lost
// for good: that server has queued this one's jobs anew. Errors: CodeConflict.
func (db *DB) Watch(ctx context.Context) error {
	for c := db.claim.Load(); c != nil; c = db.claim.Load() {
		broken := hold(ctx, c.Conn())
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of the watch
		}
		db.lost.Store(true)
		if db.claim.CompareAndSwap(c, nil) {
			_ = c.Conn().Close(ctx) // it is broken
			c.Release()
		}
		if err := db.claimAgain(ctx, broken); err != nil || ctx.Err() != nil {
			return err
		}
		db.lost.Store(false)
	}
	return nil
}

// hold returns when a connection is broken, with the reason, or when ctx ends.
func hold(ctx context.Context, c *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, pingEvery)
		_, err := c.WaitForNotification(quiet) // there is none: it is the way to hear at once that a connection ends
		cancel()
		if err == nil || pgconn.Timeout(err) {
			quiet, cancel = context.WithTimeout(ctx, pingTime)
			err = c.Ping(quiet)
			cancel()
		}
		if err != nil {
			return err
		}
	}
}

// claimAgain takes the claim again, unless another server had it meanwhile. That is known from what is read and from nothing
// else: a database that has just been started fails now and then.
func (db *DB) claimAgain(ctx context.Context, broken error) error {
	until := time.Now().Add(claimAgainFor)
	for claimed := false; ctx.Err() == nil; {
		token, err := db.marked(ctx)
		switch {
		case err == nil && token != db.token:
			return db.taken(broken)
		case err == nil && claimed: // whoever had it before this one wrote a token first
			return nil
		case err == nil:
			err = db.Claim(ctx)
			claimed = err == nil
		}
		if claimed && err == nil {
			continue
		}
		if core.CodeOf(err) == core.CodeConflict && time.Now().After(until) {
			return db.taken(err)
		}
		pause := time.NewTimer(claimPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
	return nil
}

// marked is what the last holder of the claim wrote; empty where nobody did.
func (db *DB) marked(ctx context.Context) (token string, err error) {
	err = db.sql.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = $1", tokenKey).Scan(&token)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return token, err
}

func (db *DB) taken(cause error) error {
	return core.Wrap(core.CodeConflict, cause,
		"Another server took the database %s while this one's connection to it was broken; this one stops, so that the two do not undo each other's work.", db.place)
}

func (db *DB) refuse() error {
	return core.Errorf(core.CodeUnavailable, "The connection that holds the database %s for this server broke; nothing is written until it is there again. Try again.", db.place)
}

// guarded refuses to write while the claim is lost. A statement that writes and answers with rows has to run in a transaction.
type guarded struct {
	statements

	db *DB
}

// ExecContext implements query.DBTX.
func (g guarded) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	if g.db.lost.Load() {
		return nil, g.db.refuse()
	}
	return g.statements.ExecContext(ctx, text, args...)
}
