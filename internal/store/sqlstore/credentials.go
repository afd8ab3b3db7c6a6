package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store/sqlite/query"
)

type keys struct{ db *DB }

// Create implements store.Keys.
func (k keys) Create(ctx context.Context, a core.Key) error {
	return k.db.inTx(ctx, func(q *query.Queries) error {
		if _, err := q.GetAccount(ctx, a.User); err != nil {
			return orphan(err, a.User)
		}
		return q.AddKey(ctx, query.AddKeyParams{
			ID: a.ID, Hash: a.Hash, Hint: a.Hint, AccountID: a.User, Name: a.Name, Scopes: a.Scopes, Models: a.Models,
			Created: nanos(a.Created), Expires: nanos(a.Expires), Used: nanos(a.Used), Revoked: nanos(a.Revoked),
		})
	})
}

// orphan turns the lack of a row's account into a sentence.
func orphan(err error, user string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return core.Wrap(core.CodeNotFound, err, "There is no account %s.", user)
	}
	return err
}

// ByHash implements store.Keys.
func (k keys) ByHash(ctx context.Context, hash string) (core.Key, core.User, bool, error) {
	row, err := k.db.reader().KeyByHash(ctx, hash)
	if errors.Is(err, sql.ErrNoRows) {
		return core.Key{}, core.User{}, false, nil
	}
	if err != nil {
		return core.Key{}, core.User{}, false, k.db.explain(err)
	}
	return keyOf(row.ApiKey), userOf(row.Account), true, nil
}

// Get implements store.Keys.
func (k keys) Get(ctx context.Context, id string) (core.Key, bool, error) {
	row, err := k.db.reader().GetKey(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return core.Key{}, false, nil
	}
	return keyOf(row), err == nil, k.db.explain(err)
}

// List implements store.Keys.
func (k keys) List(ctx context.Context, user string, revoked bool) ([]core.Key, error) {
	rows, err := k.db.reader().ListKeys(ctx, query.ListKeysParams{Account: user, Ended: number(revoked)})
	return each(rows, keyOf), k.db.explain(err)
}

// Revoke implements store.Keys.
func (k keys) Revoke(ctx context.Context, id string, now time.Time) (bool, error) {
	n, err := k.db.writer().RevokeKey(ctx, query.RevokeKeyParams{Revoked: nanos(now), ID: id})
	return n > 0, k.db.explain(err)
}

// Renew implements store.Keys.
func (k keys) Renew(ctx context.Context, id, hash, hint string, until time.Time) (bool, error) {
	n, err := k.db.writer().RenewKey(ctx, query.RenewKeyParams{BeforeUntil: nanos(until), Hash: hash, Hint: hint, ID: id})
	return n > 0, k.db.explain(err)
}

// Touch implements store.Keys.
func (k keys) Touch(ctx context.Context, used map[string]time.Time) error {
	return k.db.inTx(ctx, func(q *query.Queries) error {
		for id, at := range used {
			if err := q.TouchKey(ctx, query.TouchKeyParams{Used: nanos(at), ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
}

func keyOf(r query.ApiKey) core.Key {
	return core.Key{
		ID: r.ID, Hash: r.Hash, Hint: r.Hint, User: r.AccountID, Name: r.Name, Scopes: r.Scopes, Models: r.Models,
		Created: timeOf(r.Created), Expires: timeOf(r.Expires), Used: timeOf(r.Used), Revoked: timeOf(r.Revoked),
		Before: r.BeforeHash, BeforeUntil: timeOf(r.BeforeUntil),
	}
}

type sessions struct{ db *DB }

// Create implements store.Sessions.
func (s sessions) Create(ctx context.Context, a core.Session) error {
	return s.db.inTx(ctx, func(q *query.Queries) error {
		n, err := q.NoteLogin(ctx, query.NoteLoginParams{LoggedIn: nanos(a.Created), ID: a.User})
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		if err != nil {
			return orphan(err, a.User)
		}
		return q.AddSession(ctx, query.AddSessionParams{
			ID: a.ID, Hash: a.Hash, AccountID: a.User, Device: a.Device, Address: a.Address,
			Created: nanos(a.Created), Expires: nanos(a.Expires), Used: nanos(a.Used),
		})
	})
}

// ByHash implements store.Sessions.
func (s sessions) ByHash(ctx context.Context, hash string) (core.Session, core.User, bool, error) {
	row, err := s.db.reader().SessionByHash(ctx, hash)
	if errors.Is(err, sql.ErrNoRows) {
		return core.Session{}, core.User{}, false, nil
	}
	if err != nil {
		return core.Session{}, core.User{}, false, s.db.explain(err)
	}
	return sessionOf(row.LoginSession), userOf(row.Account), true, nil
}

// List implements store.Sessions.
func (s sessions) List(ctx context.Context, user string) ([]core.Session, error) {
	rows, err := s.db.reader().ListSessions(ctx, user)
	return each(rows, sessionOf), s.db.explain(err)
}

// Delete implements store.Sessions.
func (s sessions) Delete(ctx context.Context, user, id string) (bool, error) {
	n, err := s.db.writer().DeleteSession(ctx, query.DeleteSessionParams{ID: id, Account: user})
	return n > 0, s.db.explain(err)
}

// DeleteAll implements store.Sessions.
func (s sessions) DeleteAll(ctx context.Context, user, but string) error {
	return s.db.explain(s.db.writer().DeleteSessions(ctx, query.DeleteSessionsParams{AccountID: user, ID: but}))
}

// Touch implements store.Sessions.
func (s sessions) Touch(ctx context.Context, used map[string]time.Time) error {
	return s.db.inTx(ctx, func(q *query.Queries) error {
		for id, at := range used {
			if err := q.TouchSession(ctx, query.TouchSessionParams{Used: nanos(at), ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Expire implements store.Sessions.
func (s sessions) Expire(ctx context.Context, now time.Time) (int64, error) {
	n, err := s.db.writer().ExpireSessions(ctx, nanos(now))
	return n, s.db.explain(err)
}

func sessionOf(r query.LoginSession) core.Session {
	return core.Session{
		ID: r.ID, Hash: r.Hash, User: r.AccountID, Device: r.Device, Address: r.Address,
		Created: timeOf(r.Created), Expires: timeOf(r.Expires), Used: timeOf(r.Used),
	}
}
