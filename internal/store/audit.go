package store

import (
	"context"

	"ashatai/internal/core"
)

// Audit is the chain of acts. Rows are added and never changed.
type Audit interface {
	// Append adds the row that next makes of the newest one, which is zero in an empty chain, as if nobody else did at the
	// same time. It may call next several times.
	Append(ctx context.Context, next func(last core.AuditRow) core.AuditRow) (core.AuditRow, error)
	// Last returns the newest row, and whether there is one.
	Last(ctx context.Context) (core.AuditRow, bool, error)
	// Rows returns up to most rows with numbers above after, in order.
	Rows(ctx context.Context, after int64, most int) ([]core.AuditRow, error)
	// Acts returns the acts of a filter with their outcomes, the newest first, and whether there are more.
	Acts(ctx context.Context, f core.AuditFilter) ([]core.AuditAct, bool, error)
	// Sign keeps a checkpoint in place of one on the same row.
	Sign(ctx context.Context, c core.AuditCheckpoint) error
	// Checkpoints returns up to most checkpoints on rows above after, in order.
	Checkpoints(ctx context.Context, after int64, most int) ([]core.AuditCheckpoint, error)
}
