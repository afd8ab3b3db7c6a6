package depot

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/blob/blobtest"
	"ashatai/test/s3test"
)

// shared is a server of a bucket as the suite sees it. Nothing stays in its folder, so that all that is read comes from the bucket.
type shared struct{ server }

func (s shared) Put(ctx context.Context, r io.Reader, want string) (string, int64, error) {
	sha, n, err := s.local.Put(ctx, r, want)
	if err == nil {
		err = s.Keep(ctx, sha, nil)
	}
	if err != nil {
		return "", 0, err
	}
	_, err = s.evict(blob.Info{SHA256: sha, Size: n})
	return sha, n, err
}

func (s shared) Has(ctx context.Context, sha string) (int64, bool) {
	if err := s.Refresh(ctx); err != nil {
		return 0, false
	}
	return s.Size(sha)
}

func (s shared) Open(ctx context.Context, sha string) (io.ReadCloser, error) {
	done, err := s.Use(ctx, sha, nil)
	if err != nil {
		return nil, err
	}
	f, err := s.local.Open(sha)
	if err != nil {
		done()
		return nil, err
	}
	return reading{f, done}, nil
}

// reading is a file that is in use until it is closed.
type reading struct {
	*os.File

	done func()
}

func (r reading) Close() error {
	defer r.done()
	return r.File.Close()
}

func (s shared) List(ctx context.Context) ([]blob.Info, error) {
	list, err := s.Bucket().List(ctx, blobs)
	out := make([]blob.Info, 0, len(list))
	for _, o := range list {
		out = append(out, blob.Info{SHA256: strings.TrimPrefix(o.Key, blobs), Size: o.Size, Modified: o.Modified})
	}
	return out, err
}

// Delete has all other files named, and nothing recent enough to be spared.
func (s shared) Delete(ctx context.Context, sha string) error {
	list, err := s.List(ctx)
	named := map[string]bool{}
	for _, b := range list {
		named[b.SHA256] = b.SHA256 != sha
	}
	_, cerr := s.Collect(ctx, named, time.Now().Add(time.Hour), false)
	return errors.Join(err, cerr, s.local.Delete(sha))
}

func TestSuite(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Target{Place: func(t *testing.T) func(*testing.T) blobtest.Keeper {
		t.Helper()
		s := s3test.For(t)
		return func(t *testing.T) blobtest.Keeper { // a restart is another server: nothing is in its home
			t.Helper()
			return shared{open(t, s, s.URL, nil)}
		}
	}})
}
