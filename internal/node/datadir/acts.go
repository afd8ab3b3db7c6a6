package datadir

import (
	"context"
	"errors"

	"ashatai/internal/audit"
	"ashatai/internal/config"
	"ashatai/internal/core"
	"ashatai/internal/node/record"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
)

// Recorded does an act and keeps it in the record of the home that the settings name, beside a server that may use it. Without a
// database there is no record yet; nor is there one to write to while the database is an older version's, whose schema stays as it is.
func Recorded(ctx context.Context, s *config.Settings, a audit.Act, do func(ctx context.Context) (detail string, err error)) (err error) {
	db, err := beside(ctx, s)
	if err != nil {
		return err
	}
	if db == nil {
		_, err = do(ctx)
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return record.Do(ctx, audit.New(audit.Config{Store: db.Audit()}), a, do)
}

// beside opens the database of the settings without taking it; nil where there is none whose schema is this version's.
func beside(ctx context.Context, s *config.Settings) (store.DB, error) {
	if s.Database.URL == "" {
		db, err := sqlite.Beside(ctx, s.Database.Path)
		if db == nil {
			return nil, err // not db: a nil pointer in an interface is not nil
		}
		return db, err
	}
	db, err := SeenPostgres(ctx, s.Database.URL)
	switch {
	case core.CodeOf(err) == core.CodeNotFound:
		return nil, nil //nolint:nilnil // no tables yet are no error
	case err != nil:
		return nil, err
	}
	return db, nil
}
