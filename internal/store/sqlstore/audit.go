package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

type audit struct{ db *DB }

// Audit implements store.DB.
func (db *DB) Audit() store.Audit { return audit{db} }

// Append implements store.Audit.
func (a audit) Append(ctx context.Context, next func(core.AuditRow) core.AuditRow) (row core.AuditRow, err error) {
	err = a.db.inTx(ctx, func(q *query.Queries) error {
		last, err := lastAuditRow(ctx, q)
		if err != nil {
			return err
		}
		row = next(last)
		return q.AddAuditRow(ctx, addAuditRow(row))
	})
	return row, err
}

// lastAuditRow reads the newest row in a transaction that is to add one. Nothing is read before: a transaction that reads first
// sees the chain as it was, and ends in a conflict.
func lastAuditRow(ctx context.Context, q *query.Queries) (core.AuditRow, error) {
	if err := q.LockAudit(ctx); err != nil {
		return core.AuditRow{}, err
	}
	last, err := q.LastAuditRow(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return auditRow(last), err
}

func addAuditRow(row core.AuditRow) query.AddAuditRowParams {
	return query.AddAuditRowParams{
		Seq: row.Seq, Created: row.Time.UnixNano(), Act: row.Act, Tenant: row.Tenant, AccountID: row.User, KeyID: row.Key, SessionID: row.Session,
		Action: row.Action, Kind: row.Kind, Object: row.Object, Remote: row.Remote, Request: row.Request, Status: int64(row.Status),
		Detail: row.Detail, Hash: row.Hash,
	}
}

// Last implements store.Audit.
func (a audit) Last(ctx context.Context) (core.AuditRow, bool, error) {
	row, err := a.db.reader().LastAuditRow(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return core.AuditRow{}, false, nil
	}
	return auditRow(row), err == nil, a.db.explain(err)
}

// Rows implements store.Audit.
func (a audit) Rows(ctx context.Context, after int64, most int) ([]core.AuditRow, error) {
	rows, err := a.db.reader().ListAuditRows(ctx, query.ListAuditRowsParams{After: after, Most: int64(most)})
	return each(rows, auditRow), a.db.explain(err)
}

// Acts implements store.Audit.
func (a audit) Acts(ctx context.Context, f core.AuditFilter) ([]core.AuditAct, bool, error) {
	p := query.ListAuditActsParams{
		Before: f.Before, Account: f.User, Part: strings.ToLower(f.Action), Kind: f.Kind, Object: f.Object,
		Below: math.MaxInt32, Until: math.MaxInt64, Most: int64(f.Limit) + 1,
	}
	p.Least, p.Below = statuses(f.Outcome)
	if !f.Since.IsZero() {
		p.Since = f.Since.UnixNano()
	}
	if !f.Until.IsZero() {
		p.Until = f.Until.UnixNano()
	}
	rows, err := a.db.reader().ListAuditActs(ctx, p)
	if err != nil {
		return nil, false, a.db.explain(err)
	}
	more := len(rows) > f.Limit
	if more {
		rows = rows[:f.Limit]
	}
	return each(rows, func(r query.ListAuditActsRow) core.AuditAct {
		return core.AuditAct{Ended: moment(r.Ended), AuditRow: auditRow(query.AuditRow{
			Seq: r.Seq, Created: r.Created, Act: r.Act, Tenant: r.Tenant, AccountID: r.AccountID, KeyID: r.KeyID, SessionID: r.SessionID,
			Action: r.Action, Kind: r.Kind, Object: r.Object, Remote: r.Remote, Request: r.Request, Status: r.Status, Detail: r.Detail, Hash: r.Hash,
		})}
	}), more, nil
}

// statuses are the bounds of the statuses of an outcome.
func statuses(outcome string) (least, below int64) {
	const done, refused, failed = 1, 400, 500
	switch outcome {
	case core.AuditOpen:
		return 0, done
	case core.AuditDone:
		return done, refused
	case core.AuditRefused:
		return refused, failed
	case core.AuditFailed:
		return failed, math.MaxInt32
	}
	return 0, math.MaxInt32
}

// Sign implements store.Audit.
func (a audit) Sign(ctx context.Context, c core.AuditCheckpoint) error {
	return a.db.explain(a.db.writer().PutAuditCheckpoint(ctx, putCheckpoint(c)))
}

func putCheckpoint(c core.AuditCheckpoint) query.PutAuditCheckpointParams {
	return query.PutAuditCheckpointParams{Seq: c.Seq, Hash: c.Hash, Created: c.Time.UnixNano(), Key: c.Key, Signature: c.Signature}
}

// Checkpoints implements store.Audit.
func (a audit) Checkpoints(ctx context.Context, after int64, most int) ([]core.AuditCheckpoint, error) {
	rows, err := a.db.reader().ListAuditCheckpoints(ctx, query.ListAuditCheckpointsParams{After: after, Most: int64(most)})
	return each(rows, func(r query.AuditCheckpoint) core.AuditCheckpoint {
		return core.AuditCheckpoint{Seq: r.Seq, Hash: r.Hash, Time: time.Unix(0, r.Created).UTC(), Key: r.Key, Signature: r.Signature}
	}), a.db.explain(err)
}

// auditRow is a row as the chain reads it; that of no row is zero.
func auditRow(r query.AuditRow) core.AuditRow {
	return core.AuditRow{
		Seq: r.Seq, Time: moment(r.Created), Act: r.Act, Tenant: r.Tenant, User: r.AccountID, Key: r.KeyID, Session: r.SessionID, Action: r.Action,
		Kind: r.Kind, Object: r.Object, Remote: r.Remote, Request: r.Request, Status: int(r.Status), Detail: r.Detail, Hash: r.Hash,
	}
}
