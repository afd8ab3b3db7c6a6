package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"ashatai/internal/core"
	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

type accounts struct{ db *DB }

// Accounts implements store.DB.
func (db *DB) Accounts() store.Accounts { return accounts{db} }

// Users implements store.Accounts.
func (a accounts) Users() store.Users { return users(a) }

// Groups implements store.Accounts.
func (a accounts) Groups() store.Groups { return groups(a) }

// Keys implements store.Accounts.
func (a accounts) Keys() store.Keys { return keys(a) }

// Sessions implements store.Accounts.
func (a accounts) Sessions() store.Sessions { return sessions(a) }

type users struct{ db *DB }

// Create implements store.Users.
func (u users) Create(ctx context.Context, a core.User, first bool) error {
	return u.db.inTx(ctx, func(q *query.Queries) error {
		if first {
			if err := adopt(ctx, q, a); err != nil {
				return err
			}
		}
		if err := free(ctx, q, a); err != nil {
			return err
		}
		return q.AddAccount(ctx, query.AddAccountParams{
			ID: a.ID, Name: a.Name, Folded: folded(a.Name), Email: a.Email, Role: string(a.Role), Grants: a.Grants, GroupID: a.Group,
			Password: a.Password, Subject: a.Subject, Disabled: number(a.Disabled),
			Created: nanos(a.Created), Updated: nanos(a.Updated), LoggedIn: nanos(a.LoggedIn),
		})
	})
}

// adopt refuses a first account where there is one, and gives it what was stored before there were accounts.
func adopt(ctx context.Context, q *query.Queries, a core.User) error {
	n, err := q.AnyAccount(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		return core.Errorf(core.CodeConflict, "This server has accounts already; ask one of its admins for another.")
	}
	local := core.Local()
	return q.AdoptStored(ctx, query.AdoptStoredParams{Tenant: a.Tenant(), Owner: a.ID, OldTenant: local.Tenant, OldOwner: local.User})
}

// free refuses an account whose name or subject is another's, and one of a group that is not there. A transaction that
// asks first cannot be overtaken by another that asks the same.
func free(ctx context.Context, q *query.Queries, a core.User) error {
	row, err := q.AccountByName(ctx, folded(a.Name))
	if err := taken(row.ID != a.ID, err, "account", a.Name); err != nil {
		return err
	}
	row, err = q.AccountBySubject(ctx, a.Subject)
	if err := taken(row.ID != a.ID, err, "an account of this identity,", row.Name); err != nil {
		return err
	}
	return needGroup(ctx, q, a.Group)
}

// taken says what it means that a row with a name was found, or was not.
func taken(other bool, err error, kind, name string) error {
	if errors.Is(err, sql.ErrNoRows) || err == nil && !other {
		return nil
	}
	if err != nil {
		return err
	}
	return core.Errorf(core.CodeConflict, "There is %s %s already; choose another name.", kind, name)
}

func needGroup(ctx context.Context, q *query.Queries, id string) error {
	if id == "" {
		return nil
	}
	_, err := q.GetGroup(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return core.Errorf(core.CodeNotFound, "There is no group %s.", id)
	}
	return err
}

// Get implements store.Users.
func (u users) Get(ctx context.Context, id string) (core.User, bool, error) {
	return u.db.one(u.db.reader().GetAccount(ctx, id))
}

// ByName implements store.Users.
func (u users) ByName(ctx context.Context, name string) (core.User, bool, error) {
	return u.db.one(u.db.reader().AccountByName(ctx, folded(name)))
}

// BySubject implements store.Users.
func (u users) BySubject(ctx context.Context, subject string) (core.User, bool, error) {
	return u.db.one(u.db.reader().AccountBySubject(ctx, subject))
}

func (db *DB) one(row query.Account, err error) (core.User, bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return core.User{}, false, nil
	}
	if err != nil {
		return core.User{}, false, db.explain(err)
	}
	return userOf(row), true, nil
}

// List implements store.Users.
func (u users) List(ctx context.Context) ([]core.User, error) {
	rows, err := u.db.reader().ListAccounts(ctx)
	return each(rows, userOf), u.db.explain(err)
}

// Change implements store.Users.
func (u users) Change(ctx context.Context, id, keep string, change func(*core.User) error) (a core.User, err error) {
	err = u.db.inTx(ctx, func(q *query.Queries) error {
		row, err := q.GetAccount(ctx, id)
		if errors.Is(err, sql.ErrNoRows) {
			return core.Errorf(core.CodeNotFound, "There is no account %s.", id)
		}
		if err != nil {
			return err
		}
		a = userOf(row)
		before := a
		if err := change(&a); err != nil {
			return err
		}
		a.ID = before.ID
		return write(ctx, q, before, a, keep)
	})
	return a, err
}

// write puts a changed account in place of the one before.
func write(ctx context.Context, q *query.Queries, before, a core.User, keep string) error {
	if err := free(ctx, q, a); err != nil {
		return err
	}
	_, err := q.UpdateAccount(ctx, query.UpdateAccountParams{
		Name: a.Name, Folded: folded(a.Name), Email: a.Email, Role: string(a.Role), Grants: a.Grants, GroupID: a.Group,
		Password: a.Password, Subject: a.Subject, Disabled: number(a.Disabled), Updated: nanos(a.Updated), ID: a.ID,
	})
	if err != nil {
		return err
	}
	if before.Tenant() != a.Tenant() {
		if err := q.MoveStored(ctx, query.MoveStoredParams{Tenant: a.Tenant(), User: a.ID}); err != nil {
			return err
		}
	}
	return needOne(ctx, q, keep)
}

// needOne refuses a change after which nobody could undo it.
func needOne(ctx context.Context, q *query.Queries, role string) error {
	n, err := q.CountRole(ctx, role)
	if err == nil && n == 0 {
		return core.Errorf(core.CodeConflict, "This is the last account with the role %s; give the role to another one first.", role)
	}
	return err
}

// Delete implements store.Users.
func (u users) Delete(ctx context.Context, id, keep string) (bool, error) {
	var n int64
	err := u.db.inTx(ctx, func(q *query.Queries) (err error) {
		if err := forgetUse(ctx, q, core.QuotaUser, id); err != nil { // before the keys, by which theirs are found
			return err
		}
		if n, err = q.DeleteAccount(ctx, id); err != nil || n == 0 {
			return err
		}
		if err := q.DeleteStoredOfUser(ctx, id); err != nil {
			return err
		}
		return needOne(ctx, q, keep)
	})
	return n > 0 && err == nil, err
}

// Any implements store.Users.
func (u users) Any(ctx context.Context) (bool, error) {
	n, err := u.db.reader().AnyAccount(ctx)
	return n > 0, u.db.explain(err)
}

type groups struct{ db *DB }

// Create implements store.Groups.
func (g groups) Create(ctx context.Context, a core.Group) error {
	return g.db.inTx(ctx, func(q *query.Queries) error {
		row, err := q.GroupByName(ctx, folded(a.Name))
		if err := taken(row.ID != a.ID, err, "group", a.Name); err != nil {
			return err
		}
		return q.AddGroup(ctx, query.AddGroupParams{ID: a.ID, Name: a.Name, Folded: folded(a.Name), Created: nanos(a.Created)})
	})
}

// Get implements store.Groups.
func (g groups) Get(ctx context.Context, id string) (core.Group, bool, error) {
	row, err := g.db.reader().GetGroup(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return core.Group{}, false, nil
	}
	return groupOf(row), err == nil, g.db.explain(err)
}

// List implements store.Groups.
func (g groups) List(ctx context.Context) ([]core.Group, error) {
	rows, err := g.db.reader().ListGroups(ctx)
	return each(rows, groupOf), g.db.explain(err)
}

// Rename implements store.Groups.
func (g groups) Rename(ctx context.Context, id, name string) (bool, error) {
	var n int64
	err := g.db.inTx(ctx, func(q *query.Queries) error {
		row, err := q.GroupByName(ctx, folded(name))
		if err := taken(row.ID != id, err, "group", name); err != nil {
			return err
		}
		n, err = q.RenameGroup(ctx, query.RenameGroupParams{Name: name, Folded: folded(name), ID: id})
		return err
	})
	return n > 0, err
}

// Delete implements store.Groups.
func (g groups) Delete(ctx context.Context, id string) (bool, error) {
	var n int64
	err := g.db.inTx(ctx, func(q *query.Queries) error {
		members, err := q.CountMembers(ctx, id)
		if err != nil {
			return err
		}
		if members > 0 {
			return core.Errorf(core.CodeConflict, "The group has %d members; move them to another one first.", members)
		}
		if n, err = q.DeleteGroup(ctx, id); err != nil || n == 0 {
			return err
		}
		return forgetUse(ctx, q, core.QuotaGroup, id)
	})
	return n > 0, err
}

func folded(name string) string { return strings.ToLower(name) }

// nanos is a time as the tables keep it; 0 for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func each[A, B any](rows []A, of func(A) B) []B {
	out := make([]B, len(rows))
	for i, r := range rows {
		out[i] = of(r)
	}
	return out
}

func userOf(r query.Account) core.User {
	return core.User{
		ID: r.ID, Name: r.Name, Email: r.Email, Role: core.AccountRole(r.Role), Grants: r.Grants, Group: r.GroupID, Password: r.Password,
		Subject: r.Subject, Disabled: r.Disabled != 0,
		Created: timeOf(r.Created), Updated: timeOf(r.Updated), LoggedIn: timeOf(r.LoggedIn),
	}
}

func groupOf(r query.AccountGroup) core.Group {
	return core.Group{ID: r.ID, Name: r.Name, Created: timeOf(r.Created)}
}
