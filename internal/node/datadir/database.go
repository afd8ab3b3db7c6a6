package datadir

import (
	"context"
	"errors"

	"ashatai/internal/config"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
)

// OpenDatabase opens the database that the settings name for this server alone. A database file lies in a home, which is
// claimed itself. The caller closes it.
func OpenDatabase(ctx context.Context, s *config.Settings) (store.DB, error) {
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

// SeenPostgres is a database to look at while a server may use it: nothing in it is changed.
func SeenPostgres(ctx context.Context, address string) (*postgres.DB, error) {
	db, err := postgres.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := db.Current(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
