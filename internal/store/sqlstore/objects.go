package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

type objects struct{ db *DB }

// Put implements store.Objects.
func (o objects) Put(ctx context.Context, s core.Stored, add []core.StoredAdd) error {
	labels, err := labelText(s.Metadata)
	if err != nil {
		return err
	}
	return o.db.inTx(ctx, func(q *query.Queries) error {
		who, err := keeper(ctx, q, s.User)
		if err != nil {
			return err
		}
		if who.User == "" { // there are no accounts
			who = store.Owner{Tenant: s.Tenant, User: s.User}
		}
		err = q.PutStored(ctx, query.PutStoredParams{
			ID: s.ID, Kind: string(s.Kind), State: string(s.State), Tenant: who.Tenant, User: who.User, Model: s.Model,
			Parent: s.Parent, Logged: number(s.Logged), Created: s.Created.UnixNano(), Updated: s.Updated.UnixNano(),
		})
		if err != nil {
			return err
		}
		if err := q.PutStoredContent(ctx, query.PutStoredContentParams{ID: s.ID, Metadata: labels, Body: s.Body}); err != nil {
			return err
		}
		return addAll(ctx, q, who, add, s.Updated)
	})
}

// keeper is the account that a new object belongs to, where it is now: a request may still run when its account goes to another group,
// or away, and what it stored then nobody would find or erase any more. Nobody: there are no accounts yet.
func keeper(ctx context.Context, q *query.Queries, user string) (store.Owner, error) {
	row, err := q.GetAccount(ctx, user)
	if err == nil {
		return store.Owner{Tenant: userOf(row).Tenant(), User: user}, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return store.Owner{}, err
	}
	if n, err := q.AnyAccount(ctx); err != nil || n == 0 {
		return store.Owner{}, err
	}
	return store.Owner{}, core.Errorf(core.CodeUnauthenticated, "Nothing of this was stored: the account that asked for it is gone. Log in, and ask again.")
}

func addAll(ctx context.Context, q *query.Queries, who store.Owner, add []core.StoredAdd, now time.Time) error {
	for _, a := range add {
		if len(a.Items) == 0 {
			continue
		}
		if _, err := q.TouchStored(ctx, query.TouchStoredParams{Updated: now.UnixNano(), ID: a.To, Tenant: who.Tenant, User: who.User}); err != nil {
			return err
		}
		for _, i := range a.Items {
			err := q.AddStoredItem(ctx, query.AddStoredItemParams{
				Item: i.ID, Output: number(i.Output), Body: i.Body, Object: a.To, Tenant: who.Tenant, User: who.User,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Get implements store.Objects.
func (o objects) Get(ctx context.Context, who store.Owner, id string) (core.Stored, bool, error) {
	row, err := o.db.reader().GetStored(ctx, query.GetStoredParams{ID: id, Tenant: who.Tenant, User: who.User})
	if errors.Is(err, sql.ErrNoRows) {
		return core.Stored{}, false, nil
	}
	if err != nil {
		return core.Stored{}, false, o.db.explain(err)
	}
	s, err := storedOf(query.ListStoredRow(row))
	return s, err == nil, err
}

// SetMetadata implements store.Objects.
func (o objects) SetMetadata(ctx context.Context, who store.Owner, id string, metadata map[string]string, now time.Time) (bool, error) {
	labels, err := labelText(metadata)
	if err != nil {
		return false, err
	}
	var n int64
	err = o.db.inTx(ctx, func(q *query.Queries) error {
		n, err = q.TouchStored(ctx, query.TouchStoredParams{Updated: now.UnixNano(), ID: id, Tenant: who.Tenant, User: who.User})
		if err != nil || n == 0 {
			return err
		}
		return q.SetStoredMetadata(ctx, query.SetStoredMetadataParams{Metadata: labels, ID: id})
	})
	return n > 0, err
}

// Delete implements store.Objects.
func (o objects) Delete(ctx context.Context, who store.Owner, id string) (bool, error) {
	n, err := o.db.writer().DeleteStored(ctx, query.DeleteStoredParams{ID: id, Tenant: who.Tenant, User: who.User})
	return n > 0, o.db.explain(err)
}

// List implements store.Objects.
func (o objects) List(ctx context.Context, who store.Owner, f core.StoredFilter) ([]core.Stored, bool, error) {
	labels, err := labelText(f.Metadata)
	if err != nil {
		return nil, false, err
	}
	q := o.db.reader()
	from := int64(0)
	if f.Descending {
		from = math.MaxInt64
	}
	if f.After != "" {
		from, err = q.StoredSeq(ctx, query.StoredSeqParams{ID: f.After, Tenant: who.Tenant, User: who.User})
		if errors.Is(err, sql.ErrNoRows) {
			return nil, false, noAfter(f.After)
		}
		if err != nil {
			return nil, false, o.db.explain(err)
		}
	}
	p := query.ListStoredParams{
		Tenant: who.Tenant, User: who.User, Kind: string(f.Kind), After: from, Model: f.Model, Metadata: labels, Most: int64(f.Limit) + 1,
	}
	var rows []query.ListStoredRow
	if !f.Descending {
		rows, err = q.ListStored(ctx, p)
	} else {
		var back []query.ListStoredBackRow
		back, err = q.ListStoredBack(ctx, query.ListStoredBackParams{
			Tenant: p.Tenant, User: p.User, Kind: p.Kind, Before: from, Model: p.Model, Metadata: p.Metadata, Most: p.Most,
		})
		for _, b := range back {
			rows = append(rows, query.ListStoredRow(b))
		}
	}
	if err != nil {
		return nil, false, o.db.explain(err)
	}
	more := len(rows) > f.Limit
	out := make([]core.Stored, min(len(rows), f.Limit))
	for i := range out {
		if out[i], err = storedOf(rows[i]); err != nil {
			return nil, false, err
		}
	}
	return out, more, nil
}

func noAfter(id string) error {
	return &core.Error{Code: core.CodeNotFound, Param: "after", Message: "There is no entry " + id + " to go on after."}
}

// Commit implements store.Objects.
func (o objects) Commit(ctx context.Context, what []store.Progress, now time.Time) error {
	return o.db.inTx(ctx, func(q *query.Queries) error {
		for _, p := range what {
			for _, e := range p.Events {
				if err := q.AddStoredEvent(ctx, query.AddStoredEventParams{Seq: e.Seq, Body: e.Body, Object: p.ID}); err != nil {
					return err
				}
			}
			if p.End == nil {
				continue
			}
			if err := finish(ctx, q, p.ID, p.End, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func finish(ctx context.Context, q *query.Queries, id string, end *core.StoredEnd, now time.Time) error {
	owner, err := q.StoredOwner(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it was deleted
	}
	if err != nil {
		return err
	}
	if err := q.FinishStored(ctx, query.FinishStoredParams{Updated: now.UnixNano(), ID: id}); err != nil {
		return err
	}
	if err := q.SetStoredBody(ctx, query.SetStoredBodyParams{Body: end.Body, ID: id}); err != nil {
		return err
	}
	return addAll(ctx, q, store.Owner(owner), end.Add, now)
}

// Lose implements store.Objects.
func (o objects) Lose(ctx context.Context, now time.Time) (int64, error) {
	n, err := o.db.writer().LoseStored(ctx, now.UnixNano())
	return n, o.db.explain(err)
}

// Expire implements store.Objects.
func (o objects) Expire(ctx context.Context, since time.Time, most int) (int64, error) {
	n, err := o.db.writer().ExpireStored(ctx, query.ExpireStoredParams{Updated: since.UnixNano(), Most: int64(most)})
	return n, o.db.explain(err)
}

func labelText(m map[string]string) (string, error) {
	if m == nil {
		return "{}", nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func storedOf(r query.ListStoredRow) (core.Stored, error) {
	s := core.Stored{
		ID: r.ID, Kind: core.StoredKind(r.Kind), State: core.StoredState(r.State), Tenant: r.Tenant, User: r.User, Model: r.Model,
		Parent: r.Parent, Logged: r.Logged != 0, Created: time.Unix(0, r.Created).UTC(), Updated: time.Unix(0, r.Updated).UTC(), Body: r.Body,
	}
	if err := json.Unmarshal([]byte(r.Metadata), &s.Metadata); err != nil {
		return s, core.Wrap(core.CodeInternal, err, "The labels of %s cannot be read.", r.ID)
	}
	return s, nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
