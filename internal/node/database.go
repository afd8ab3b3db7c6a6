package node

import (
	"context"
	"errors"

	"ashatai/internal/config"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
)

// openDatabase opens the database that the settings name for this server alone. A database file lies in a home, which is
// claimed itself. The caller closes it.
func openDatabase(ctx context.Context, s *config.Settings) (store.DB, error) {
	if s.Database.URL != "" {
		db, err := ownPostgres(ctx, s.Database.URL)
		if err != nil {
			return nil, err // not db: a nil pointer in an interface is not nil
		}
		if err := db.Mark(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return db, nil
	}
	db, err := sqlite.Open(ctx, s.Database.Path)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// ownPostgres takes a PostgreSQL database before it changes anything in it: an older server may be at work there.
func ownPostgres(ctx context.Context, address string) (*postgres.DB, error) {
	db, err := postgres.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{db.Claim, db.Migrate} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

// seenPostgres is a database to look at while a server may use it: nothing in it is changed.
func seenPostgres(ctx context.Context, address string) (*postgres.DB, error) {
	db, err := postgres.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := db.Current(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (n *Node) openStore(ctx context.Context) error {
	db, err := openDatabase(ctx, n.set)
	if err != nil {
		return err
	}
	n.db = db
	n.closers = append(n.closers, db.Close)
	if pg, ok := db.(*postgres.DB); ok {
		n.watchClaim(ctx, pg)
	}
	return nil
}

// watchClaim ends the server when another one took its database.
func (n *Node) watchClaim(ctx context.Context, db *postgres.DB) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	n.evicted = make(chan error, 1)
	go func() {
		defer close(ended)
		if err := db.Watch(ctx); err != nil {
			n.evicted <- err
		}
	}()
	n.closers = append(n.closers, func() error { cancel(); <-ended; return nil })
}
