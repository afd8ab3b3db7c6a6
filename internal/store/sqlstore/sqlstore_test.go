package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"ashatai/internal/store"
	"ashatai/internal/store/sqlite"
	"ashatai/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRows: the statements over the database that needs nothing installed. The other one runs the suite in its own package.
func TestRows(t *testing.T) {
	t.Parallel()
	storetest.RunRows(t, storetest.Target{
		Place: func(t *testing.T) string {
			t.Helper()
			return filepath.Join(t.TempDir(), "rows.db")
		},
		Open: func(ctx context.Context, place string) (store.DB, error) { return sqlite.Open(ctx, place) },
	})
}
