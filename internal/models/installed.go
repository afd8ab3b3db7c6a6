package models

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/models/inventory"
	"ashatai/internal/models/scan"
)

// loadPulled reads all manifests. One that is broken, or whose file is gone, is a failed file. Where the folder cannot be read, what
// was known before goes on to count. It fails only when ctx ends. The caller holds mu.
func (m *Models) loadPulled(ctx context.Context, before map[string]*inventory.Entry) (inventory.Found, error) {
	var all inventory.Found
	list, err := m.shelf.All(ctx)
	if ctx.Err() != nil {
		return inventory.Found{}, ctx.Err()
	}
	if err != nil {
		m.cfg.Log.WarnContext(ctx, "the manifests cannot be read", slog.String("reason", core.AsError(err).Message))
		return inventory.Found{Good: m.pulled.Good, Bad: []inventory.FailedFile{inventory.UnreadableFolder(m.shelf.Dir())}}, nil
	}
	for _, f := range list {
		var e *inventory.Entry
		if err = f.Err; err == nil {
			e, err = m.installed(f.Manifest)
		}
		if err != nil {
			all.Bad = append(all.Bad, inventory.FailedFile{FileName: filepath.Base(f.Path), Path: f.Path, Error: core.AsError(err).Message})
			continue
		}
		if b := before[e.Path]; b != nil {
			e.Loaded = b.Loaded
		}
		all.Good = append(all.Good, e)
	}
	return all, nil
}

// installed makes the entry of a manifest whose file is a blob, or lies in a read-only folder. The caller holds mu.
func (m *Models) installed(man *core.Manifest) (*inventory.Entry, error) {
	main := man.Files[0]
	e := &inventory.Entry{Manifest: man, Path: m.cfg.Blobs.Path(main.SHA256), File: main.Name, Origin: inventory.Pulled, Loaded: m.cfg.Now().UTC()}
	if size, ok := m.cfg.Blobs.Has(main.SHA256); !ok || size != main.Size {
		if m.inDepot(main) {
			return e, nil // it comes here when it is used
		}
		if b := m.bundled(main); b != nil {
			e.Path, e.Head = b.Path, b.Head
			return e, nil
		}
		return nil, core.Errorf(core.CodeBadModel, "The file of the model %s is gone or has another size; pull the model again, or remove it with `ashatai rm %s`.", man.Name, man.Name)
	}
	var err error
	if e.Head, err = m.headOfBlob(main.SHA256); err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The file of the model %s cannot be read; pull the model again.", man.Name)
	}
	return e, nil
}

// headOfBlob is scan.Head for a blob. It is read once: a blob never changes, and a thousand names may share one. The caller holds mu.
func (m *Models) headOfBlob(sha string) (string, error) {
	if head, known := m.heads[sha]; known {
		return head, nil
	}
	f, err := m.cfg.Blobs.Open(sha)
	if err != nil {
		return "", err
	}
	head, err := scan.Head(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	m.heads[sha] = head
	return head, nil
}

// bundled finds a file of the read-only folders by its content. A second name for it needs no second copy.
func (m *Models) bundled(f core.File) *inventory.Entry {
	i := slices.IndexFunc(m.scanned.Good, func(e *inventory.Entry) bool {
		return e.Origin == inventory.Shared && e.Manifest.Digest == f.SHA256 && e.Manifest.Files[0].Size == f.Size
	})
	if i < 0 {
		return nil
	}
	return m.scanned.Good[i]
}
