package depot

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"ashatai/internal/core"
)

// S3 has no lock, so two servers that name and remove the same blob are kept apart by what they write first and look for then. Who
// names it writes a claim and looks for removals; who removes it writes a removal and looks for a claim. A bucket shows what was written
// to all who look afterwards, so one of them sees the other: the remover leaves the blob, or the namer waits until the removal is gone.

const (
	// removing bounds how long after its removal was written something may be deleted.
	removing = 20 * time.Second
	// patience is how many pauses, a second each, a removal is waited for: longer than removing. Whoever wrote it is gone then.
	patience = 40
)

// Claim says that a blob of the bucket is about to be named, so that no server's Collect takes it meanwhile. One that is not there any
// more is CodeNotFound.
func (d *Depot) Claim(ctx context.Context, sha string) error {
	if err := d.claim(ctx, sha); err != nil {
		return err
	}
	_, there, err := d.cfg.Bucket.Stat(ctx, blobs+sha)
	if err == nil && !there {
		d.forget(sha)
		err = d.missing(sha)
	}
	return err
}

func (d *Depot) missing(sha string) error {
	return core.Errorf(core.CodeNotFound, "The bucket %s holds no file %s; pull the model again.", d.cfg.Bucket.Where(), sha)
}

// forget lets a blob not count as one of the bucket, until a Refresh finds it there.
func (d *Depot) forget(sha string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sizes, sha)
}

// claim claims a blob, whether it is there or not, and waits until no removal that does not know of the claim goes on.
func (d *Depot) claim(ctx context.Context, sha string) error {
	for range patience {
		if err := d.cfg.Bucket.Write(ctx, claims+sha, nil); err != nil {
			return err
		}
		others, err := d.cfg.Bucket.List(ctx, removals+sha)
		if err != nil {
			return err
		}
		if len(others) == 0 {
			_, kept, err := d.cfg.Bucket.Stat(ctx, claims+sha) // a removal that just ended may have been the claim's
			if kept || err != nil {
				return err
			}
			continue
		}
		d.cfg.Sleep(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// remove writes a removal, and lets do delete something as long as it counts.
func (d *Depot) remove(ctx context.Context, sha string, do func(ctx context.Context) error) error {
	key := removals + sha + "." + rand.Text()
	short, cancel := context.WithTimeout(ctx, removing)
	defer cancel()
	err := d.cfg.Bucket.Write(short, key, nil)
	if err == nil {
		err = do(short)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), removing) // else whoever claims the blob waits in vain
	defer cancel()
	return errors.Join(err, d.cfg.Bucket.Delete(end, key))
}

// forsaken deletes the removals that were written long before: whoever wrote them is gone.
func (d *Depot) forsaken(ctx context.Context, before time.Time, dry bool) error {
	list, err := d.cfg.Bucket.List(ctx, removals)
	for _, o := range list {
		if dry || !o.Modified.Before(before.Add(-2*removing)) {
			continue
		}
		if err := d.cfg.Bucket.Delete(ctx, o.Key); err != nil {
			return err
		}
	}
	return err
}

// drop deletes a blob, and reports whether it did: somebody may have claimed it since the claims were listed.
func (d *Depot) drop(ctx context.Context, sha string) (gone bool, err error) {
	err = d.remove(ctx, sha, func(ctx context.Context) error {
		if _, claimed, err := d.cfg.Bucket.Stat(ctx, claims+sha); claimed || err != nil {
			return err
		}
		d.forget(sha) // also where it is not known whether it went
		err := d.cfg.Bucket.Delete(ctx, blobs+sha)
		gone = err == nil
		return err
	})
	return gone, err
}

// claims are the blobs that somebody claimed since before. Older claims are removed.
func (d *Depot) claims(ctx context.Context, before time.Time, dry bool) (map[string]bool, error) {
	list, err := d.cfg.Bucket.List(ctx, claims)
	if err != nil {
		return nil, err
	}
	fresh := map[string]bool{}
	for _, o := range list {
		sha, old := strings.TrimPrefix(o.Key, claims), o.Modified.Before(before)
		if old && !dry {
			if old, err = d.unclaim(ctx, sha, before); err != nil {
				return nil, err
			}
		}
		fresh[sha] = !old
	}
	return fresh, nil
}

// unclaim removes a claim that was made before, and reports whether it did: somebody may have made it anew since it was listed.
func (d *Depot) unclaim(ctx context.Context, sha string, before time.Time) (gone bool, err error) {
	err = d.remove(ctx, sha, func(ctx context.Context) error {
		now, there, err := d.cfg.Bucket.Stat(ctx, claims+sha)
		if err != nil || there && !now.Modified.Before(before) {
			return err
		}
		gone = true
		return d.cfg.Bucket.Delete(ctx, claims+sha)
	})
	return gone, err
}
