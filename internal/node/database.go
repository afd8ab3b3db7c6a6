package node

import (
	"context"
	"errors"

	"ashatai/internal/config"
	"ashatai/internal/store"
	"ashatai/internal/store/postgres"
	"ashatai/internal/store/sqlite"
)

// openDatabase opens the database that the settings name. The caller closes it.
func openDatabase(ctx context.Context, s *config.Settings) (store.DB, error) {
	if s.Database.URL == "" {
		db, err := sqlite.Open(ctx, s.Database.Path)
		if err != nil {
			return nil, err // not db: a nil pointer in an interface is not nil
		}
		return db, nil
	}
	db, err := postgres.Open(ctx, s.Database.URL)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// claimDatabase takes a PostgreSQL database for this server alone. A database file lies in a home, which is claimed itself.
func claimDatabase(ctx context.Context, db store.DB) error {
	if c, ok := db.(interface {
		Claim(ctx context.Context) error
	}); ok {
		return c.Claim(ctx)
	}
	return nil
}

func (n *Node) openStore(ctx context.Context) error {
	db, err := openDatabase(ctx, n.set)
	if err != nil {
		return err
	}
	if err := claimDatabase(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	n.db = db
	n.closers = append(n.closers, db.Close)
	return nil
}
