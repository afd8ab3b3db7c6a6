package depot

import (
	"context"
	"errors"
	"io"
	"slices"

	"ashatai/internal/blob"
	"ashatai/internal/core"
)

const (
	tries  = 5        // in a row that bring nothing
	piece  = 1 << 20  // bytes read at once
	origin = "bucket" // marks a partial whose bytes come from one
)

// fill brings a blob into the local folder. One at a time does it for each blob; the others wait.
func (d *Depot) fill(ctx context.Context, sha string, progress func(done, total int64)) error {
	for {
		if _, ok := d.cfg.Local.Has(sha); ok {
			return nil
		}
		d.mu.Lock()
		wait := d.filling[sha]
		if wait == nil {
			wait = make(chan struct{})
			d.filling[sha] = wait
			d.mu.Unlock()
			err := d.fetch(ctx, sha, progress)
			d.mu.Lock()
			delete(d.filling, sha)
			d.mu.Unlock()
			close(wait)
			return err
		}
		d.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *Depot) fetch(ctx context.Context, sha string, progress func(done, total int64)) (err error) {
	o, ok, err := d.cfg.Bucket.Stat(ctx, blobs+sha)
	if err != nil {
		return err
	}
	if !ok {
		return d.missing(sha)
	}
	if err := d.admits(o.Size); err != nil {
		return err
	}
	p, err := d.cfg.Local.Partial(sha)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if want := (blob.Mark{Validator: origin, Size: o.Size}); p.Mark() != want || p.Size() > o.Size {
		if err := p.Restart(); err != nil {
			return err
		}
		if err := p.SetMark(want); err != nil {
			return err
		}
	}
	if err := d.makeRoom(ctx, o.Size, o.Size-p.Size()); err != nil {
		return err
	}
	if err := d.copy(ctx, sha, p, o.Size, progress); err != nil {
		return err
	}
	return d.accept(ctx, sha, p)
}

// copy appends what is missing of a blob. A line that breaks is tried again where it broke.
func (d *Depot) copy(ctx context.Context, sha string, p *blob.Partial, size int64, progress func(done, total int64)) error {
	for failed := 0; p.Size() < size; {
		at := p.Size()
		err := d.read(ctx, sha, p, size, progress)
		switch {
		case p.Size() > at:
			failed = 0
		case err == nil:
			err = io.ErrUnexpectedEOF
		}
		if p.Size() == size {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c := core.CodeOf(err); c == core.CodeDiskFull || c == core.CodeNotFound {
			return err
		}
		if failed++; failed == tries {
			return core.Wrap(core.CodeUnavailable, err,
				"The line to the bucket %s broke %d times at byte %d of %d of a model's file. What came is kept, and the next try goes on there.",
				d.cfg.Bucket.Where(), tries, p.Size(), size)
		}
		d.cfg.Sleep(ctx)
	}
	return nil
}

func (d *Depot) read(ctx context.Context, sha string, p *blob.Partial, size int64, progress func(done, total int64)) (err error) {
	r, err := d.cfg.Bucket.Open(ctx, blobs+sha, p.Size())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	buf := make([]byte, piece)
	for p.Size() < size {
		n, rerr := r.Read(buf[:min(piece, size-p.Size())])
		if _, err := p.Write(buf[:n]); err != nil {
			return err
		}
		if progress != nil {
			progress(p.Size(), size)
		}
		if rerr != nil {
			return rerr
		}
	}
	return nil
}

// accept makes what came a blob where its bytes are what its name says.
func (d *Depot) accept(ctx context.Context, sha string, p *blob.Partial) error {
	err := p.Verify(ctx, nil)
	if err == nil && d.cfg.Check != nil {
		err = d.cfg.Check(p, p.Size())
	}
	if core.CodeOf(err) == core.CodeBadModel {
		return errors.Join(core.Wrap(core.CodeBadModel, err, "The object %s in the bucket %s is damaged, and was not kept: %s Delete that object and pull the model again.",
			blobs+sha, d.cfg.Bucket.Where(), core.AsError(err).Message), p.Discard())
	}
	if err != nil {
		return err
	}
	return p.Promote()
}

// Reserve makes room here for a file of so many bytes that is about to come, from wherever. One that the bound never admits is
// CodeDiskFull, and so is one that the disk has no room for.
func (d *Depot) Reserve(ctx context.Context, size int64) error {
	if err := d.admits(size); err != nil {
		return err
	}
	if err := d.makeRoom(ctx, size, size); core.CodeOf(err) != core.CodeDiskFull {
		return err
	}
	return d.cfg.Local.Room(size) // files in use may exceed the bound, and go when they can
}

// admits refuses a file that is larger than the bound. Nothing is dropped for one that could not stay.
func (d *Depot) admits(size int64) error {
	if d.cfg.Bound > 0 && size > d.cfg.Bound {
		return core.Errorf(core.CodeDiskFull, "The model's file has %d bytes, and blobs.cache lets all files of models on this server have %d together. "+
			"Set blobs.cache to more than the file has, or to 0B, so that only the disk bounds it.", size, d.cfg.Bound)
	}
	return nil
}

// makeRoom removes local blobs, those first that were not used for the longest time, until a file of size bytes, of which so many
// are missing here, fits the bound and the disk. One that only lies here, or is in use, stays. Where the file would not fit anyway,
// nothing is removed.
func (d *Depot) makeRoom(ctx context.Context, size, missing int64) error {
	list, total, err := d.byUse()
	if err != nil {
		return err
	}
	var gone []blob.Info
	freed, next := int64(0), 0
	for ; d.fits(total-freed, size, missing-freed) != nil; next++ {
		if next == len(list) {
			return d.fits(total-freed, size, missing-freed)
		}
		if d.spare(ctx, list[next]) {
			gone = append(gone, list[next])
			freed += list[next].Size
		}
	}
	for _, b := range gone {
		if _, err := d.evict(b); err != nil {
			return err
		}
	}
	return nil
}

// trim removes local blobs, as makeRoom does, until the rest fits the bound, as far as that goes.
func (d *Depot) trim(ctx context.Context) error {
	list, total, err := d.byUse()
	if err != nil {
		return err
	}
	for _, b := range list {
		if d.fits(total, 0, 0) == nil {
			return nil
		}
		if !d.spare(ctx, b) {
			continue
		}
		gone, err := d.evict(b)
		if err != nil {
			return err
		}
		if gone {
			total -= b.Size
		}
	}
	return d.fits(total, 0, 0)
}

// byUse are the local blobs, those first that were not used for the longest time, and their bytes together.
func (d *Depot) byUse() (list []blob.Info, total int64, err error) {
	if list, err = d.cfg.Local.List(); err != nil {
		return nil, 0, err
	}
	used := d.lastUse()
	for i, b := range list {
		total += b.Size
		if at, ok := used[b.SHA256]; ok {
			list[i].Modified = at
		}
	}
	slices.SortFunc(list, func(a, b blob.Info) int { return a.Modified.Compare(b.Modified) })
	return list, total, nil
}

// fits refuses a file of size bytes beside total others, of which so many bytes are missing on the disk.
func (d *Depot) fits(total, size, missing int64) error {
	if d.cfg.Bound > 0 && total+size > d.cfg.Bound {
		return core.Errorf(core.CodeDiskFull, "%d bytes do not fit the cache of models beside the %d bytes that are in use or only here: blobs.cache is %d bytes. Make it larger.",
			size, total, d.cfg.Bound)
	}
	return d.cfg.Local.Room(missing)
}

// spare reports whether a local blob can go: the bucket has it, and nobody needs it here now.
func (d *Depot) spare(ctx context.Context, b blob.Info) bool {
	if d.cfg.Busy(ctx, b.SHA256) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unpinned(b)
}

// unpinned is spare without a look at what is loaded. The caller holds mu.
func (d *Depot) unpinned(b blob.Info) bool {
	size, kept := d.sizes[b.SHA256]
	return kept && size == b.Size && d.pins[b.SHA256] == 0
}

// evict removes a local blob that is to spare, and reports whether it still was.
func (d *Depot) evict(b blob.Info) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock() // until it is gone: who pins it then sees that it must be brought here
	if !d.unpinned(b) {
		return false, nil
	}
	if err := d.cfg.Local.Delete(b.SHA256); err != nil {
		return false, err
	}
	return true, nil
}
