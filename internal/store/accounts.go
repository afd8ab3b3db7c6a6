package store

import (
	"context"
	"time"

	"ashatai/internal/core"
)

// Accounts is what a database keeps of who may do what.
type Accounts interface {
	Users() Users
	Groups() Groups
	Keys() Keys
	Sessions() Sessions
	Quotas() Quotas
}

// Users are the accounts.
type Users interface {
	// Create adds an account. With first it does so only where there is none yet. Errors: CodeConflict for a name or subject
	// that is taken, or where first does not hold; CodeNotFound for a group that is not there.
	Create(ctx context.Context, u core.User, first bool) error
	// Get returns an account by its id, and whether there is one.
	Get(ctx context.Context, id string) (core.User, bool, error)
	// ByName returns an account by its name in any case, and whether there is one.
	ByName(ctx context.Context, name string) (core.User, bool, error)
	// BySubject returns the account of a provider's subject, which is not empty, and whether there is one.
	BySubject(ctx context.Context, subject string) (core.User, bool, error)
	// List returns the accounts in the order of their names.
	List(ctx context.Context) ([]core.User, error)
	// Change lets change alter an account, all or nothing, as if nobody else did at the same time, and moves what it stored
	// where its tenant changes. It returns what became of it. Errors: that of change; CodeNotFound for an account or group
	// that is not there, CodeConflict for a name that is taken and where no enabled account with the role keep would be left.
	Change(ctx context.Context, id, keep string, change func(u *core.User) error) (core.User, error)
	// Delete removes an account with its keys, sessions and everything it stored, and reports whether there was one.
	// Errors: CodeConflict where no enabled account with the role keep would be left.
	Delete(ctx context.Context, id, keep string) (bool, error)
	// Any reports whether there is an account.
	Any(ctx context.Context) (bool, error)
}

// Groups are the groups.
type Groups interface {
	// Create adds a group. Errors: CodeConflict for a name that is taken.
	Create(ctx context.Context, g core.Group) error
	// Get returns a group by its id, and whether there is one.
	Get(ctx context.Context, id string) (core.Group, bool, error)
	// List returns the groups in the order of their names.
	List(ctx context.Context) ([]core.Group, error)
	// Rename changes a group's name, and reports whether there is one. Errors: CodeConflict.
	Rename(ctx context.Context, id, name string) (bool, error)
	// Delete removes a group, and reports whether there was one. Errors: CodeConflict for a group with members.
	Delete(ctx context.Context, id string) (bool, error)
}

// Keys are the API keys.
type Keys interface {
	// Create adds a key. Errors: CodeNotFound for an account that is not there.
	Create(ctx context.Context, k core.Key) error
	// ByHash returns a key with its account, and whether there is one: by its hash, or by that before, whatever its time.
	ByHash(ctx context.Context, hash string) (core.Key, core.User, bool, error)
	// Get returns a key by its id, and whether there is one.
	Get(ctx context.Context, id string) (core.Key, bool, error)
	// List returns the keys of an account, or of all where user is empty, the oldest first; revoked ones only on demand.
	List(ctx context.Context, user string, revoked bool) ([]core.Key, error)
	// Revoke ends a key, and reports whether there was one that had not ended.
	Revoke(ctx context.Context, id string, now time.Time) (bool, error)
	// Renew gives a key another hash and hint, and keeps the hash before for ByHash too, with the time until which it counts. It
	// reports whether there was a key that was not revoked.
	Renew(ctx context.Context, id, hash, hint string, until time.Time) (bool, error)
	// Touch notes when keys were used last; unknown ids are passed over.
	Touch(ctx context.Context, used map[string]time.Time) error
}

// Sessions are the logins.
type Sessions interface {
	// Create adds a session and notes the login at its account. Errors: CodeNotFound for an account that is not there.
	Create(ctx context.Context, s core.Session) error
	// ByHash returns a session with its account, and whether there is one.
	ByHash(ctx context.Context, hash string) (core.Session, core.User, bool, error)
	// List returns the sessions of an account, or of all where user is empty, the newest first.
	List(ctx context.Context, user string) ([]core.Session, error)
	// Delete ends a session of an account, or of any where user is empty, and reports whether there was one.
	Delete(ctx context.Context, user, id string) (bool, error)
	// DeleteAll ends the sessions of an account but one, whose id may be empty.
	DeleteAll(ctx context.Context, user, but string) error
	// Touch notes when sessions were used last; unknown ids are passed over.
	Touch(ctx context.Context, used map[string]time.Time) error
	// Expire removes the sessions that ended before now, and says how many there were.
	Expire(ctx context.Context, now time.Time) (int64, error)
}
