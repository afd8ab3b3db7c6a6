package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

// Quotas implements store.Accounts.
func (a accounts) Quotas() store.Quotas { return quotas(a) }

type quotas struct{ db *DB }

// List implements store.Quotas.
func (m quotas) List(ctx context.Context) ([]core.Quota, error) {
	rows, err := m.db.reader().ListQuotas(ctx)
	return each(rows, quotaOf), m.db.explain(err)
}

// Put implements store.Quotas.
func (m quotas) Put(ctx context.Context, a core.Quota) (core.Quota, error) {
	var row query.QuotaLimit
	err := m.db.inTx(ctx, func(q *query.Queries) (err error) { // it writes and reads: a transaction asks whether it may
		row, err = q.PutQuota(ctx, query.PutQuotaParams{
			ID: a.ID, Kind: string(a.Kind), Subject: a.Subject, Model: a.Model, Unit: string(a.Unit), Span: string(a.Window), Bound: a.Limit,
			Created: nanos(a.Created), Updated: nanos(a.Updated),
		})
		return err
	})
	return quotaOf(row), err
}

// Delete implements store.Quotas.
func (m quotas) Delete(ctx context.Context, id string) (bool, error) {
	n, err := m.db.writer().DeleteQuota(ctx, id)
	return n > 0, m.db.explain(err)
}

// AddUse implements store.Quotas.
func (m quotas) AddUse(ctx context.Context, use []core.QuotaUse) error {
	return m.db.inTx(ctx, func(q *query.Queries) error {
		gone, err := subjectsGone(ctx, q, use)
		if err != nil {
			return err
		}
		for _, u := range use {
			if gone[u.Subject] {
				continue
			}
			err := q.AddQuotaUse(ctx, query.AddQuotaUseParams{
				Kind: string(u.Kind), Subject: u.Subject, Model: u.Model, Span: string(u.Window), Start: nanos(u.Start),
				Requests: u.Requests, Prompt: u.Prompt, Completion: u.Completion,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// subjectsGone are the users and keys among those who used something that are none any more: it is written some time after, and would stay.
// Before there are accounts nobody is gone.
func subjectsGone(ctx context.Context, q *query.Queries, use []core.QuotaUse) (map[string]bool, error) {
	if n, err := q.AnyAccount(ctx); err != nil || n == 0 {
		return nil, err
	}
	gone := map[string]bool{}
	for _, u := range use {
		if _, known := gone[u.Subject]; known {
			continue
		}
		var err error
		switch u.Kind {
		case core.QuotaUser:
			_, err = q.GetAccount(ctx, u.Subject)
		case core.QuotaKey:
			_, err = q.GetKey(ctx, u.Subject)
		case core.QuotaGroup, core.QuotaModel:
			continue
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		gone[u.Subject] = err != nil
	}
	return gone, nil
}

// Use implements store.Quotas.
func (m quotas) Use(ctx context.Context, window core.QuotaWindow, kind core.QuotaKind, subject string, since time.Time) ([]core.QuotaUse, error) {
	rows, err := m.db.reader().ListQuotaUse(ctx, query.ListQuotaUseParams{Span: string(window), Since: nanos(since), Kind: string(kind), Subject: subject})
	return each(rows, quotaUseOf), m.db.explain(err)
}

// Forget implements store.Quotas.
func (m quotas) Forget(ctx context.Context, window core.QuotaWindow, before time.Time) (int64, error) {
	n, err := m.db.writer().ForgetQuotaUse(ctx, query.ForgetQuotaUseParams{Span: string(window), Start: nanos(before)})
	return n, m.db.explain(err)
}

// forgetUse removes the quotas of an account or group and what it used, its keys' included.
func forgetUse(ctx context.Context, q *query.Queries, kind core.QuotaKind, id string) error {
	if kind == core.QuotaUser {
		if err := q.DeleteQuotasOfKeys(ctx, id); err != nil {
			return err
		}
		if err := q.DeleteQuotaUseOfKeys(ctx, id); err != nil {
			return err
		}
	}
	if err := q.DeleteQuotasOf(ctx, query.DeleteQuotasOfParams{Kind: string(kind), Subject: id}); err != nil {
		return err
	}
	return q.DeleteQuotaUseOf(ctx, query.DeleteQuotaUseOfParams{Kind: string(kind), Subject: id})
}

func quotaOf(r query.QuotaLimit) core.Quota {
	return core.Quota{
		ID: r.ID, Kind: core.QuotaKind(r.Kind), Subject: r.Subject, Model: r.Model, Unit: core.QuotaUnit(r.Unit), Window: core.QuotaWindow(r.Span),
		Limit: r.Bound, Created: timeOf(r.Created), Updated: timeOf(r.Updated),
	}
}

func quotaUseOf(r query.QuotaUse) core.QuotaUse {
	return core.QuotaUse{
		Kind: core.QuotaKind(r.Kind), Subject: r.Subject, Model: r.Model, Window: core.QuotaWindow(r.Span), Start: timeOf(r.Start),
		Requests: r.Requests, Prompt: r.Prompt, Completion: r.Completion,
	}
}
