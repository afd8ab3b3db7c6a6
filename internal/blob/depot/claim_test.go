package depot

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ashatai/internal/blob/bucket"
	"ashatai/internal/core"
	"ashatai/test/s3test"
)

// deleting calls a function before a blob of the bucket is deleted.
type deleting struct {
	bucket.Doer

	now func()
}

func (d deleting) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/"+blobs) {
		d.now()
	}
	return d.Doer.Do(r)
}

// TestNamedWhileRemoved: a blob that somebody names after a collection looked for claims, and before it deletes, is in the bucket
// afterwards.
func TestNamedWhileRemoved(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	data := content('u', 1000)
	sha := open(t, s, s.URL, nil).keep(t, data)
	waits, removed, kept := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	namer := open(t, s, s.URL, func(cfg *Config) {
		cfg.Sleep = func(context.Context) {
			once.Do(func() { close(waits) })
			<-removed
		}
	})
	if _, _, err := namer.local.Put(t.Context(), bytes.NewReader(data), sha); err != nil {
		t.Fatal(err)
	}
	collector := open(t, s, s.URL, func(cfg *Config) {
		cfg.Bucket = bucket.New(bucket.Config{
			Endpoint: s.URL, Bucket: s3test.Bucket, Region: s3test.Region, PathStyle: true, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
			Doer: deleting{s.Client, func() {
				go func() { kept <- namer.Keep(t.Context(), sha, nil) }()
				select {
				case <-waits:
				case err := <-kept:
					t.Errorf("what is being removed was named without a wait: %v", err)
					kept <- err
				}
			}},
		})
	})
	got, err := collector.Collect(t.Context(), nil, time.Now().Add(time.Hour), false)
	close(removed)
	if len(got.Blobs) != 1 || got.Blobs[0].SHA256 != sha || err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := <-kept; err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{blobs + sha, claims + sha} {
		if _, there, err := namer.Bucket().Stat(t.Context(), key); !there || err != nil {
			t.Errorf("%s is gone, and a manifest is about to name it: %v", key, err)
		}
	}
	if left, err := namer.Bucket().List(t.Context(), removals); len(left) != 0 || err != nil {
		t.Errorf("left %+v, %v", left, err)
	}
}

// TestForsakenRemoval: a removal whose server died is waited for as long as it might delete, and goes with a later collection.
func TestForsakenRemoval(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	slept := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := open(t, s, s.URL, func(cfg *Config) { cfg.Sleep = func(context.Context) { slept++ } })
	sha := a.keep(t, content('v', 1000))
	left := func(want int) {
		t.Helper()
		if list, err := a.Bucket().List(t.Context(), removals); len(list) != want || err != nil {
			t.Errorf("%+v, %v; want %d", list, err, want)
		}
	}
	if err := a.Bucket().Write(t.Context(), removals+sha+".dead", nil); err != nil {
		t.Fatal(err)
	}
	if err := a.Claim(t.Context(), sha); err != nil || slept != patience {
		t.Errorf("after %d pauses: %v", slept, err)
	}
	a.cfg.Sleep = func(context.Context) { cancel() }
	wantCode(t, a.Claim(ctx, sha), core.CodeCancelled)
	for _, c := range []struct {
		before time.Time
		dry    bool
		left   int
	}{{time.Now().Add(-time.Hour), false, 1}, {time.Now().Add(time.Hour), true, 1}, {time.Now().Add(time.Hour), false, 0}} {
		if _, err := a.Collect(t.Context(), map[string]bool{sha: true}, c.before, c.dry); err != nil {
			t.Error(err)
		}
		left(c.left)
	}
	if _, there := a.Size(sha); !there {
		t.Error("what is named went")
	}
}

// TestClaimOfWhatIsGone: a blob that another server removed is not named, whatever was known of it before.
func TestClaimOfWhatIsGone(t *testing.T) {
	t.Parallel()
	s := s3test.For(t)
	a, b := open(t, s, s.URL, nil), open(t, s, s.URL, nil)
	sha := a.keep(t, content('w', 1000))
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Collect(t.Context(), nil, time.Now().Add(time.Hour), false); len(got.Blobs) != 1 || err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	wantCode(t, b.Claim(t.Context(), sha), core.CodeNotFound, sha, "pull the model again")
	if _, there := b.Size(sha); there {
		t.Error("it still counts as one of the bucket")
	}
}
