package store

import (
	"context"

	"ashatai/internal/core"
)

// ServerKey names the value of Meta that holds the id of the server's key since it was changed last; there is none before.
const ServerKey = "server_key"

// Secrets are the server's own credentials, sealed.
type Secrets interface {
	// List returns all of them in the order of their names.
	List(ctx context.Context) ([]core.Secret, error)
	// Get returns one, and whether it is there.
	Get(ctx context.Context, name string) (core.Secret, bool, error)
	// Put writes one in place of that with its name, whose time of making stays.
	Put(ctx context.Context, s core.Secret) error
	// Delete removes one, and reports whether it was there.
	Delete(ctx context.Context, name string) (bool, error)
	// Turn writes what next makes of all of them and of the newest row of the audit, all or nothing, as if nobody else wrote
	// at the same time. It may call next several times. An error of next is Turn's.
	Turn(ctx context.Context, next func(have []core.Secret, last core.AuditRow) (KeyTurn, error)) error
}

// KeyTurn is what changes when the server gets another key.
type KeyTurn struct {
	Key     string        // id of the new key
	Secrets []core.Secret // as the new key seals them
	Row     core.AuditRow // tells of it in the audit
	Sign    core.AuditCheckpoint
}
