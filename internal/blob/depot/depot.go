// Package depot keeps blobs in a bucket that several servers share. The bucket has the truth; a server's own folder is a cache
// of it with a bound, filled when a blob is first used, since models are mapped from files.
//
// It refuses to serve a blob whose bytes are not what its name says, to drop one that is only here or in use, and to decide
// which blobs are still wanted.
package depot

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/blob/bucket"
)

const (
	blobs    = "blobs/"    // and a sha256: the content
	claims   = "claims/"   // and a sha256: somebody is about to name that blob
	removals = "removals/" // and a sha256, a dot and what tells them apart: somebody is about to remove that blob, or the claim to it
)

// Config is what New needs.
type Config struct {
	Local  *blob.Store
	Bucket *bucket.Bucket
	Bound  int64                     // bytes of the local folder; 0: what its disk has room for
	Check  blob.Check                // looks at what comes before it is kept; nil: everything is good
	Sleep  func(ctx context.Context) // waits before a broken line, or a blob that is being removed, is tried again; nil: a second
	// Busy reports whether a blob is in use; nil: none is.
	Busy func(ctx context.Context, sha string) bool
	Log  *slog.Logger
	Now  func() time.Time
}

// Depot is a bucket and the cache of it. Its methods are safe for concurrent use.
type Depot struct {
	cfg Config

	mu      sync.Mutex
	sizes   map[string]int64         // of the blobs in the bucket, as of the last Refresh and with all changes of our own since
	used    map[string]time.Time     // last use of local blobs
	pins    map[string]int           // blobs that must stay here
	filling map[string]chan struct{} // closed when the fill has ended
}

// New makes a depot that knows of no blob until Refresh.
func New(cfg Config) *Depot {
	if cfg.Busy == nil {
		cfg.Busy = func(context.Context, string) bool { return false }
	}
	if cfg.Sleep == nil {
		cfg.Sleep = pause
	}
	return &Depot{cfg: cfg, sizes: map[string]int64{}, used: map[string]time.Time{}, pins: map[string]int{}, filling: map[string]chan struct{}{}}
}

func pause(ctx context.Context) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Bucket is the bucket, for what else lies in it.
func (d *Depot) Bucket() *bucket.Bucket { return d.cfg.Bucket }

// Refresh looks which blobs the bucket holds.
func (d *Depot) Refresh(ctx context.Context) error {
	list, err := d.cfg.Bucket.List(ctx, blobs)
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, o := range list {
		if sha := strings.TrimPrefix(o.Key, blobs); blob.ValidSHA256(sha) {
			sizes[sha] = o.Size
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sizes = sizes
	return nil
}

// Size is the size in bytes of a blob that the bucket is known to hold.
func (d *Depot) Size(sha string) (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.sizes[sha]
	return n, ok
}

// Keep claims a blob that lies here and puts it into the bucket. sent, which may be nil, gets the number of bytes that are
// there. After an error what was sent stays for the next try.
func (d *Depot) Keep(ctx context.Context, sha string, sent func(int64)) (err error) {
	release := d.pin(sha)
	defer release()
	f, err := d.cfg.Local.Open(sha)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if err := d.claim(ctx, sha); err != nil {
		return err
	}
	if err := d.cfg.Bucket.Upload(ctx, blobs+sha, f, fi.Size(), d.renewing(ctx, sha, sent)); err != nil {
		return err
	}
	d.mu.Lock()
	d.sizes[sha], d.used[sha] = fi.Size(), d.cfg.Now()
	d.mu.Unlock()
	if err := d.trim(ctx); err != nil {
		d.cfg.Log.WarnContext(ctx, "the cache of blobs is larger than its bound", slog.String("reason", err.Error()))
	}
	return nil
}

// renewal is how often a blob is claimed anew while it is on its way: within the shortest grace that a collection may have.
const renewal = 30 * time.Second

// renewing makes a sent that claims a blob anew while its upload goes on. A claim that fails is tried again at the next part.
func (d *Depot) renewing(ctx context.Context, sha string, sent func(int64)) func(int64) {
	claimed := d.cfg.Now()
	return func(n int64) {
		if now := d.cfg.Now(); now.Sub(claimed) >= renewal && d.cfg.Bucket.Write(ctx, claims+sha, nil) == nil {
			claimed = now
		}
		if sent != nil {
			sent(n)
		}
	}
}

// Named is the sha256 of the blob that a path in the local folder names; empty for any other path.
func (d *Depot) Named(path string) string {
	sha := filepath.Base(path)
	if d.cfg.Local.Path(sha) != path {
		return ""
	}
	return sha
}

// Use brings a blob here, and keeps it here until done is called, which may be called twice. progress may be nil; it gets the
// number of bytes that are here. An unknown blob is CodeNotFound.
func (d *Depot) Use(ctx context.Context, sha string, progress func(done, total int64)) (done func(), err error) {
	done = sync.OnceFunc(d.pin(sha))
	if err := d.fill(ctx, sha, progress); err != nil {
		done()
		return nil, err
	}
	d.mu.Lock()
	d.used[sha] = d.cfg.Now()
	d.mu.Unlock()
	return done, nil
}

func (d *Depot) pin(sha string) (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pins[sha]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.pins[sha]--; d.pins[sha] == 0 {
			delete(d.pins, sha)
		}
	}
}

// Collected is what a collection removed, or would remove.
type Collected struct {
	Blobs   []blob.Info // of the bucket
	Uploads []string    // sha256 of uploads that nobody went on with
}

// Collect removes from the bucket what is not named, and what nobody wrote or claimed since before; and the uploads that were
// begun before, but for those that somebody went on with since. Before is of this machine's clock. A dry run only tells.
func (d *Depot) Collect(ctx context.Context, named map[string]bool, before time.Time, dry bool) (Collected, error) {
	var out Collected
	theirs, err := d.cfg.Bucket.Clock(ctx)
	if err != nil {
		return out, err
	}
	if ahead := d.cfg.Now().Sub(theirs); !theirs.IsZero() && ahead > 0 { // what is new there must not look old here
		before = before.Add(-ahead)
	}
	if err := d.forsaken(ctx, before, dry); err != nil {
		return out, err
	}
	claimed, err := d.claims(ctx, before, dry)
	if err != nil {
		return out, err
	}
	list, err := d.cfg.Bucket.List(ctx, blobs)
	if err != nil {
		return out, err
	}
	for _, o := range list {
		sha := strings.TrimPrefix(o.Key, blobs)
		if !blob.ValidSHA256(sha) || named[sha] || claimed[sha] || !o.Modified.Before(before) {
			continue
		}
		if !dry {
			if gone, err := d.drop(ctx, sha); err != nil || !gone {
				if err != nil {
					return out, err
				}
				continue
			}
		}
		out.Blobs = append(out.Blobs, blob.Info{SHA256: sha, Size: o.Size, Modified: o.Modified})
	}
	out.Uploads, err = d.abandoned(ctx, claimed, before, dry)
	return out, err
}

// abandoned gives up the uploads that were begun before and that nobody claimed since, and returns what they were to be.
func (d *Depot) abandoned(ctx context.Context, claimed map[string]bool, before time.Time, dry bool) ([]string, error) {
	keys, err := d.cfg.Bucket.Abort(ctx, blobs, before, true)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, k := range keys {
		sha := strings.TrimPrefix(k, blobs)
		if claimed[sha] {
			continue
		}
		if !dry {
			if _, err := d.cfg.Bucket.Abort(ctx, k, before, false); err != nil {
				return gone, err
			}
		}
		gone = append(gone, sha)
	}
	return gone, nil
}

// lastUse are the times of the last use of local blobs, as far as they are known.
func (d *Depot) lastUse() map[string]time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.used)
}
