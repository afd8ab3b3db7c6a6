package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

type secrets struct{ db *DB }

// Secrets implements store.DB.
func (db *DB) Secrets() store.Secrets { return secrets{db} }

// List implements store.Secrets.
func (s secrets) List(ctx context.Context) ([]core.Secret, error) {
	rows, err := s.db.reader().ListSecrets(ctx)
	return each(rows, secretOf), s.db.explain(err)
}

// Get implements store.Secrets.
func (s secrets) Get(ctx context.Context, name string) (core.Secret, bool, error) {
	row, err := s.db.reader().GetSecret(ctx, name)
	if errors.Is(err, sql.ErrNoRows) {
		return core.Secret{}, false, nil
	}
	return secretOf(row), err == nil, s.db.explain(err)
}

// Put implements store.Secrets.
func (s secrets) Put(ctx context.Context, one core.Secret) error {
	return s.db.explain(s.db.writer().PutSecret(ctx, putSecret(one)))
}

// Delete implements store.Secrets.
func (s secrets) Delete(ctx context.Context, name string) (bool, error) {
	n, err := s.db.writer().DeleteSecret(ctx, name)
	return n > 0, s.db.explain(err)
}

// Turn implements store.Secrets.
func (s secrets) Turn(ctx context.Context, next func([]core.Secret, core.AuditRow) (store.KeyTurn, error)) error {
	return s.db.inTx(ctx, func(q *query.Queries) error {
		last, err := lastAuditRow(ctx, q)
		if err != nil {
			return err
		}
		rows, err := q.ListSecrets(ctx)
		if err != nil {
			return err
		}
		turn, err := next(each(rows, secretOf), last)
		if err != nil {
			return err
		}
		for _, one := range turn.Secrets {
			if err := q.PutSecret(ctx, putSecret(one)); err != nil {
				return err
			}
		}
		if err := q.AddAuditRow(ctx, addAuditRow(turn.Row)); err != nil {
			return err
		}
		if err := q.PutAuditCheckpoint(ctx, putCheckpoint(turn.Sign)); err != nil {
			return err
		}
		return q.SetMeta(ctx, query.SetMetaParams{Key: store.ServerKey, Value: turn.Key})
	})
}

func putSecret(s core.Secret) query.PutSecretParams {
	return query.PutSecretParams{Name: s.Name, Sealed: s.Sealed, Key: s.Key, Created: s.Created.UnixNano(), Updated: s.Updated.UnixNano()}
}

func secretOf(r query.Secret) core.Secret {
	return core.Secret{Name: r.Name, Sealed: r.Sealed, Key: r.Key, Created: moment(r.Created), Updated: moment(r.Updated)}
}
