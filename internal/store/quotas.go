package store

import (
	"context"
	"time"

	"ashatai/internal/core"
)

// Quotas are the limits that admins set, and what was used.
type Quotas interface {
	// List returns the quotas in the order of kind, subject, model, unit and window.
	List(ctx context.Context) ([]core.Quota, error)
	// Put writes a quota in place of the one of its kind, subject, model, unit and window, whose id and time of making stay,
	// and returns what became of it.
	Put(ctx context.Context, q core.Quota) (core.Quota, error)
	// Delete removes a quota, and reports whether there was one.
	Delete(ctx context.Context, id string) (bool, error)
	// AddUse adds to what was used, all or nothing. Where there are accounts, what a user or key used that is none any more is dropped.
	AddUse(ctx context.Context, use []core.QuotaUse) error
	// Use returns what was used in windows of a length that began at since or later, of one kind and subject or of any where
	// they are empty, the oldest first.
	Use(ctx context.Context, window core.QuotaWindow, kind core.QuotaKind, subject string, since time.Time) ([]core.QuotaUse, error)
	// Forget removes what was used in windows of a length that began before a time, and says how many rows that were.
	Forget(ctx context.Context, window core.QuotaWindow, before time.Time) (int64, error)
}
