package models

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"ashatai/internal/blob"
	"ashatai/internal/core"
	"ashatai/internal/models/get"
	"ashatai/internal/models/inventory"
	"ashatai/internal/models/shelf"
)

// shelfAt is where the manifests lie: the home's own, or the copy of the bucket's.
func (m *Models) shelfAt(bucket bool) string {
	if bucket {
		return filepath.Join(m.cfg.Home, "models", "bucket")
	}
	return filepath.Join(m.cfg.Home, "models", "manifests")
}

// openShelf opens the manifests: the home's own, or the copy of the bucket's, into which those of the home go first.
func (m *Models) openShelf(ctx context.Context) (*shelf.Shelf, error) {
	own, err := shelf.Open(m.shelfAt(false), nil)
	if err != nil || m.cfg.Depot == nil {
		return own, err
	}
	s, err := shelf.Open(m.shelfAt(true), m.cfg.Depot.Bucket())
	if err != nil {
		return nil, err
	}
	if err := m.cfg.Depot.Refresh(ctx); err != nil {
		return nil, err
	}
	if _, err := s.Sync(ctx, m.cfg.Log); err != nil {
		return nil, err
	}
	return s, s.MoveIn(ctx, own, func(man *core.Manifest) error { return m.share(ctx, man, func(get.Progress) {}) }, m.cfg.Log)
}

// inDepot reports whether the depot has a file.
func (m *Models) inDepot(f core.File) bool {
	if m.cfg.Depot == nil {
		return false
	}
	size, ok := m.cfg.Depot.Size(f.SHA256)
	return ok && size == f.Size
}

// share puts the file of a manifest that is about to be written where other servers find it. A file that is no blob of
// ours came with the program, and lies on each of them.
func (m *Models) share(ctx context.Context, man *core.Manifest, progress func(get.Progress)) error {
	if m.cfg.Depot == nil {
		return nil
	}
	main := man.Files[0]
	if _, here := m.cfg.Blobs.Has(main.SHA256); here {
		return m.cfg.Depot.Keep(ctx, main.SHA256, func(n int64) {
			progress(get.Progress{Status: get.StatusSharing, Digest: main.SHA256, Completed: n, Total: main.Size})
		})
	}
	if m.inDepot(main) {
		return m.cfg.Depot.Claim(ctx, main.SHA256)
	}
	return nil
}

// bring makes sure that the file of a model is here until done is called.
func (m *Models) bring(ctx context.Context, e *inventory.Entry) (done func(), err error) {
	if m.cfg.Depot == nil || m.cfg.Depot.Named(e.Path) == "" {
		return func() {}, nil
	}
	return m.cfg.Depot.Use(ctx, e.Manifest.Digest, nil)
}

// sync takes over what other servers did to the bucket, and reports whether that was anything. Where it fails, what was known
// before goes on to count, the log says so, and the next one looks at all of it. The caller holds scanning.
func (m *Models) sync(ctx context.Context) (bool, error) {
	if m.cfg.Depot == nil {
		return false, nil
	}
	changed, err := m.shelf.Sync(ctx, m.cfg.Log)
	changed = changed || m.behind
	if err == nil && changed {
		err = m.cfg.Depot.Refresh(ctx)
	}
	if m.behind = err != nil; m.behind {
		m.cfg.Log.WarnContext(ctx, "the bucket cannot be looked at", slog.String("reason", core.AsError(err).Message))
	}
	return changed, err
}

// Refresh takes over what other servers pulled and removed. It looks at no folder of models.
func (m *Models) Refresh(ctx context.Context) { _ = m.refresh(ctx) } // the log has it

func (m *Models) refresh(ctx context.Context) error {
	m.scanning.Lock()
	defer m.scanning.Unlock()
	changed, err := m.sync(ctx)
	if !changed {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	pulled, lerr := m.loadPulled(ctx, m.loadedBefore())
	if lerr != nil {
		m.behind = true
		return lerr
	}
	m.pulled = pulled
	m.rebuild()
	return err
}

// Collected is what a collection removed, or would remove.
type Collected struct {
	Blobs    []blob.Info // files of this server's folder that no model has
	Partials []blob.Info // downloads that nobody went on with
	Shared   []blob.Info // files of the bucket that no model has
	Uploads  []string    // sha256 of files whose way into the bucket nobody went on with
}

// Collect removes what no model has and nobody wrote, asked for or claimed since before. A dry run only tells. Nothing is removed
// while a manifest cannot be read, since nobody knows what it names: CodeConflict; nor while the bucket's cannot be looked at:
// CodeUnavailable.
func (m *Models) Collect(ctx context.Context, before time.Time, dry bool) (Collected, error) {
	var out Collected
	if err := m.refresh(ctx); err != nil {
		return out, err // other servers may have named what is not known to be named here
	}
	left, err := m.leftBehind(ctx)
	if err != nil {
		return out, err
	}
	m.mu.Lock()
	named, err := m.shelf.Named(ctx)
	if err == nil {
		out.Blobs, err = m.collectHere(named, left, before, dry)
	}
	m.mu.Unlock()
	if err != nil {
		return out, err
	}
	if out.Partials, err = m.cfg.Blobs.DropPartials(before, dry); err != nil || m.cfg.Depot == nil {
		return out, err
	}
	shared, err := m.cfg.Depot.Collect(ctx, named, before, dry)
	out.Shared, out.Uploads = shared.Blobs, shared.Uploads
	return out, err
}

// leftBehind are the blobs that manifests outside the shelf name: those that did not move into the bucket, or, where there is none
// any more, the copy of what the last one held. They keep their files. The shelf's own folder is the shelf's alone: another one that
// looked at it would remove the files that the shelf is writing.
func (m *Models) leftBehind(ctx context.Context) (map[string]bool, error) {
	at := m.shelfAt(m.cfg.Depot == nil)
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		return map[string]bool{}, nil
	}
	other, err := shelf.Open(at, nil)
	if err != nil {
		return nil, err
	}
	return other.Named(ctx)
}

// collectHere removes local blobs. Those of the depot's models are its cache, and the depot's own business. The caller holds mu.
func (m *Models) collectHere(named, left map[string]bool, before time.Time, dry bool) ([]blob.Info, error) {
	list, err := m.cfg.Blobs.List()
	if err != nil {
		return nil, err
	}
	var gone []blob.Info
	for _, b := range list {
		if named[b.SHA256] || left[b.SHA256] || m.held[b.SHA256] > 0 || !b.Modified.Before(before) || !m.wanted[b.SHA256].Before(before) {
			continue
		}
		if !dry {
			delete(m.wanted, b.SHA256)
			delete(m.heads, b.SHA256)
			if err := m.cfg.Blobs.Delete(b.SHA256); err != nil {
				return gone, err
			}
		}
		gone = append(gone, b)
	}
	return gone, nil
}
