package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

type items struct{ db *DB }

// Add implements store.Items.
func (m items) Add(ctx context.Context, who store.Owner, object string, list []core.StoredItem, now time.Time) (found bool, err error) {
	err = m.db.inTx(ctx, func(q *query.Queries) error {
		_, err := q.StoredSeq(ctx, query.StoredSeqParams{ID: object, Tenant: who.Tenant, User: who.User})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		found = true
		return addAll(ctx, q, who, []core.StoredAdd{{To: object, Items: list}}, now)
	})
	return found, err
}

// Get implements store.Items.
func (m items) Get(ctx context.Context, who store.Owner, object, id string) (core.StoredItem, bool, error) {
	row, err := m.row(ctx, who, object, id)
	if errors.Is(err, sql.ErrNoRows) {
		return core.StoredItem{}, false, nil
	}
	return itemOf(row), err == nil, m.db.explain(err)
}

func (m items) row(ctx context.Context, who store.Owner, object, id string) (query.StoredItemContent, error) {
	if object == "" {
		return m.db.reader().GetStoredItem(ctx, query.GetStoredItemParams{ID: id, Tenant: who.Tenant, User: who.User})
	}
	return m.db.reader().GetItemOfStored(ctx, query.GetItemOfStoredParams{Object: object, ID: id, Tenant: who.Tenant, User: who.User})
}

// Delete implements store.Items.
func (m items) Delete(ctx context.Context, who store.Owner, object, id string, now time.Time) (found bool, err error) {
	err = m.db.inTx(ctx, func(q *query.Queries) error {
		n, err := q.TouchStored(ctx, query.TouchStoredParams{Updated: now.UnixNano(), ID: object, Tenant: who.Tenant, User: who.User})
		if err != nil || n == 0 {
			return err
		}
		n, err = q.DeleteStoredItem(ctx, query.DeleteStoredItemParams{Object: object, ID: id})
		found = n > 0
		return err
	})
	return found, err
}

// List implements store.Items.
func (m items) List(ctx context.Context, who store.Owner, object string, p core.StoredPage) ([]core.StoredItem, bool, error) {
	from := int64(0)
	if p.Descending {
		from = math.MaxInt64
	}
	if p.After != "" {
		row, err := m.row(ctx, who, object, p.After)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, false, noAfter(p.After)
		}
		if err != nil {
			return nil, false, m.db.explain(err)
		}
		from = row.Seq
	}
	rows, err := m.rows(ctx, who, object, from, p.Limit+1, p)
	if err != nil {
		return nil, false, m.db.explain(err)
	}
	more := len(rows) > p.Limit
	out := make([]core.StoredItem, min(len(rows), p.Limit))
	for i := range out {
		out[i] = itemOf(rows[i])
	}
	return out, more, nil
}

// rows reads items beyond the place from, in the page's direction.
func (m items) rows(ctx context.Context, who store.Owner, object string, from int64, most int, p core.StoredPage) ([]query.StoredItemContent, error) {
	output := number(!p.InputOnly)
	if p.Descending {
		return m.db.reader().ListStoredItemsBack(ctx, query.ListStoredItemsBackParams{
			Object: object, Tenant: who.Tenant, User: who.User, Before: from, Output: output, Most: int64(most),
		})
	}
	return m.db.reader().ListStoredItems(ctx, query.ListStoredItemsParams{
		Object: object, Tenant: who.Tenant, User: who.User, After: from, Output: output, Most: int64(most),
	})
}

// History implements store.Items.
func (m items) History(ctx context.Context, who store.Owner, object string, most int) ([]core.StoredItem, error) {
	var chain []string
	for id := object; id != ""; {
		if len(chain) == most {
			return nil, core.Errorf(core.CodeInvalidRequest, "What %s continues is a chain of more than %d; begin a new one.", object, most)
		}
		parent, err := m.db.reader().StoredParent(ctx, query.StoredParentParams{ID: id, Tenant: who.Tenant, User: who.User})
		if errors.Is(err, sql.ErrNoRows) {
			return nil, core.Errorf(core.CodeNotFound, "%s is not there; it may have been deleted, or its time is over.", id)
		}
		if err != nil {
			return nil, m.db.explain(err)
		}
		chain = append(chain, id)
		id = parent
	}
	var out []core.StoredItem
	for _, id := range slices.Backward(chain) {
		rows, err := m.rows(ctx, who, id, 0, most-len(out)+1, core.StoredPage{})
		if err != nil {
			return nil, m.db.explain(err)
		}
		if len(out)+len(rows) > most {
			return nil, core.Errorf(core.CodeInvalidRequest, "%s has more than %d items before it; begin a new one.", object, most)
		}
		for _, r := range rows {
			out = append(out, itemOf(r))
		}
	}
	return out, nil
}

// Events implements store.Items.
func (m items) Events(ctx context.Context, who store.Owner, object string, after int64, most int) ([]core.StoredEvent, error) {
	rows, err := m.db.reader().ListStoredEvents(ctx, query.ListStoredEventsParams{
		Object: object, Tenant: who.Tenant, User: who.User, After: after, Most: int64(most),
	})
	if err != nil {
		return nil, m.db.explain(err)
	}
	out := make([]core.StoredEvent, len(rows))
	for i, r := range rows {
		out[i] = core.StoredEvent(r)
	}
	return out, nil
}

func itemOf(r query.StoredItemContent) core.StoredItem {
	return core.StoredItem{ID: r.ID, Output: r.Output != 0, Body: r.Body}
}
