package blob_test

import (
	"context"
	"io"
	"path/filepath"
	"testing"

	"ashatai/internal/blob"
	"ashatai/internal/blob/blobtest"
)

// folder is a store as the suite sees it.
type folder struct{ *blob.Store }

func (f folder) Has(_ context.Context, sha string) (int64, bool) { return f.Store.Has(sha) }

func (f folder) Open(_ context.Context, sha string) (io.ReadCloser, error) { return f.Store.Open(sha) }

func (f folder) List(context.Context) ([]blob.Info, error) { return f.Store.List() }

func (f folder) Delete(_ context.Context, sha string) error { return f.Store.Delete(sha) }

func TestSuite(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Target{Place: func(t *testing.T) func(*testing.T) blobtest.Keeper {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "blobs")
		var before *blob.Store
		return func(t *testing.T) blobtest.Keeper {
			t.Helper()
			if before != nil {
				if err := before.Close(); err != nil {
					t.Error(err)
				}
			}
			s, err := blob.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			before = s
			return folder{s}
		}
	}})
}
