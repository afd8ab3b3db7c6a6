// Package postgres keeps the store in a PostgreSQL database, for a server that outgrew one file or whose operator has
// one to keep. Rows and their meaning are those of the SQLite package: the same code runs over this package's statements.
//
// It refuses a schema that a newer server wrote, it never makes a database or a role, and it never repairs.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
	"ashatai/internal/store/sqlstore"
	"ashatai/internal/store/transfer"
)

const (
	connectTimeout = 10 * time.Second
	application    = "ashatai"
	txTries        = 3
	leastConns     = 4 // a migration needs two at once
)

// DB is an open PostgreSQL store.
type DB struct {
	*sqlstore.DB

	place string // host and database, for sentences: never the password
	pool  *pgxpool.Pool
	sql   *sql.DB
	close func() error

	alone sync.RWMutex                 // held by a transaction that must not meet another
	claim atomic.Pointer[pgxpool.Conn] // holds the lock of Claim
	token string                       // what Mark wrote
	lost  atomic.Bool                  // the claim is lost, for the moment or for good
}

var _ store.DB = (*DB)(nil)

// Open is Connect and Migrate, for a database that nobody else uses.
func Open(ctx context.Context, address string) (*DB, error) {
	db, err := Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Connect connects to the database that a postgres:// address names, and changes nothing in it. What the address leaves out
// comes from the places that PostgreSQL's own programs look at. The caller closes it.
func Connect(ctx context.Context, address string) (*DB, error) {
	conf, err := pgxpool.ParseConfig(address)
	if err != nil {
		// The driver's text may hold the address with its password.
		return nil, core.Wrap(core.CodeInvalidRequest, err, "The setting database.url is no address of a PostgreSQL database; write postgres://user:password@host:5432/name.")
	}
	place := placeOf(conf)
	if conf.ConnConfig.ConnectTimeout == 0 {
		conf.ConnConfig.ConnectTimeout = connectTimeout
	}
	conf.MaxConns = max(conf.MaxConns, leastConns)
	params := conf.ConnConfig.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = application
	}
	params["synchronous_commit"] = "on" // an acknowledged write is on disk, whatever the database's default is
	params["default_transaction_isolation"] = "read committed"
	params["client_encoding"] = "UTF8"
	// A server that lost its network is given up after a minute, and so is its claim.
	params["tcp_keepalives_idle"], params["tcp_keepalives_interval"], params["tcp_keepalives_count"] = "30", "10", "3"
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, explain(err, place)
	}
	db := &DB{place: place, pool: pool, sql: stdlib.OpenDBFromPool(pool)}
	db.close = sync.OnceValue(db.end)
	if err := db.ready(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	one := statements{db.sql}
	db.DB = sqlstore.New(sqlstore.Options{Read: one, Write: guarded{one, db}, Tx: db.inTx, Explain: func(err error) error { return explain(err, place) }})
	return db, nil
}

func placeOf(c *pgxpool.Config) string {
	host := c.ConnConfig.Host
	if port := c.ConnConfig.Port; port != 0 && host != "" && host[0] != '/' {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	return c.ConnConfig.Database + " at " + host
}

// ready checks that the database can keep what it is given.
func (db *DB) ready(ctx context.Context) error {
	var encoding string
	if err := db.sql.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return explain(err, db.place)
	}
	if encoding != "UTF8" {
		return core.Errorf(core.CodeUnavailable, "The database %s has the encoding %s, which cannot hold every text; make one with ENCODING 'UTF8'.", db.place, encoding)
	}
	return nil
}

// Migrate brings the schema up to date. A server claims the database first: another one may be at work on the old schema.
func (db *DB) Migrate(ctx context.Context) error { return migrate(ctx, db.sql, db.place, migrations()) }

// Current refuses a schema of another version. It is for whoever looks at a database that a server may use meanwhile.
// Errors: CodeNotFound where there are no tables yet, CodeUnavailable for any other.
func (db *DB) Current(ctx context.Context) error { return current(ctx, db.sql, db.place, migrations()) }

// Close implements store.DB.
func (db *DB) Close() error { return db.close() }

func (db *DB) end() error {
	err := db.sql.Close()
	if c := db.claim.Swap(nil); c != nil {
		c.Release()
	}
	db.pool.Close()
	return err
}

// inTx runs do in a transaction that no other can be told from coming before or after. PostgreSQL ends one of two that
// cannot both be so; that one runs again, and soon alone: where many change one table they could end each other for ever.
func (db *DB) inTx(ctx context.Context, do func(query.DBTX) error) error {
	for range txTries {
		db.alone.RLock()
		err := db.tryTx(ctx, do)
		db.alone.RUnlock()
		if !isConflict(err) {
			return err
		}
	}
	// One server uses a database, so that whoever could conflict is in this process.
	db.alone.Lock()
	defer db.alone.Unlock()
	return db.tryTx(ctx, do)
}

func (db *DB) tryTx(ctx context.Context, do func(query.DBTX) error) error {
	if db.lost.Load() {
		return db.refuse()
	}
	tx, err := db.sql.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return err
	}
	if err := do(statements{tx}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

func isConflict(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == serializationFailure || e.Code == deadlockDetected)
}

// Side is the database as a side of a copy.
func (db *DB) Side() transfer.Side { return transfer.Side{DB: db.sql, Name: db.place, Postgres: true} }

// Pool is the pool of connections, for the queue of jobs, which has tables of its own.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }
