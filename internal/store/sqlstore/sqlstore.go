// Package sqlstore is the store over typed SQL statements: the same code for every database that speaks SQL, so that a
// feature's rows are written once. The statements are those of the SQLite package; another database puts its own text
// in their place (see Options).
//
// It refuses to open anything, to know a dialect, and to hold logic of a feature.
package sqlstore

import (
	"context"

	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

// Options are what a database brings.
type Options struct {
	Read  query.DBTX // sees what was written before
	Write query.DBTX // one statement, on disk when it returns
	// Tx runs do in one transaction that no other one can be told from coming before or after, all or nothing. It may
	// run do again from the start, on a new transaction.
	Tx func(ctx context.Context, do func(query.DBTX) error) error
	// Explain turns a failure into a sentence. It returns nil for nil, and leaves what is a sentence already.
	Explain func(error) error
}

// DB is the part of store.DB that statements alone make.
type DB struct{ opt Options }

// New makes a store over an open database.
func New(opt Options) *DB { return &DB{opt: opt} }

// Models implements store.DB.
func (db *DB) Models() store.Models { return models{db} }

// Meta implements store.DB.
func (db *DB) Meta() store.Meta { return meta{db} }

// Objects implements store.DB.
func (db *DB) Objects() store.Objects { return objects{db} }

// Items implements store.DB.
func (db *DB) Items() store.Items { return items{db} }

func (db *DB) reader() *query.Queries { return query.New(db.opt.Read) }

func (db *DB) writer() *query.Queries { return query.New(db.opt.Write) }

func (db *DB) explain(err error) error { return db.opt.Explain(err) }

// inTx runs do in one transaction. Since it may run again, do sets what it returns anew each time.
func (db *DB) inTx(ctx context.Context, do func(q *query.Queries) error) error {
	return db.opt.Explain(db.opt.Tx(ctx, func(tx query.DBTX) error { return do(query.New(tx)) }))
}
