package models

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"ashatai/internal/core"
)

// loadPulled reads all manifests. One that is broken, or whose file is gone, is a failed file. The caller holds mu.
func (m *Models) loadPulled(ctx context.Context, before map[string]*entry) found {
	var all found
	list, err := m.shelf.All(ctx)
	if err != nil {
		return found{bad: []FailedFile{unreadableFolder(m.shelf.Dir())}}
	}
	for _, f := range list {
		var e *entry
		if err = f.Err; err == nil {
			e, err = m.installed(f.Manifest)
		}
		if err != nil {
			all.bad = append(all.bad, FailedFile{FileName: filepath.Base(f.Path), Path: f.Path, Error: core.AsError(err).Message})
			continue
		}
		if b := before[e.path]; b != nil {
			e.loaded = b.loaded
		}
		all.good = append(all.good, e)
	}
	return all
}

// installed makes the entry of a manifest whose file is a blob, or lies in a read-only folder. The caller holds mu.
func (m *Models) installed(man *core.Manifest) (*entry, error) {
	main := man.Files[0]
	e := &entry{manifest: man, path: m.cfg.Blobs.Path(main.SHA256), file: main.Name, origin: originPulled, loaded: m.cfg.Now().UTC()}
	if size, ok := m.cfg.Blobs.Has(main.SHA256); !ok || size != main.Size {
		if m.inDepot(main) {
			return e, nil // it comes here when it is used
		}
		if b := m.bundled(main); b != nil {
			e.path, e.head = b.path, b.head
			return e, nil
		}
		return nil, core.Errorf(core.CodeBadModel, "The file of the model %s is gone or has another size; pull the model again, or remove it with `ashatai rm %s`.", man.Name, man.Name)
	}
	var err error
	if e.head, err = m.headOfBlob(main.SHA256); err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The file of the model %s cannot be read; pull the model again.", man.Name)
	}
	return e, nil
}

// headOfBlob is headOf for a blob. It is read once: a blob never changes, and a thousand names may share one. The caller holds mu.
func (m *Models) headOfBlob(sha string) (string, error) {
	if head, known := m.heads[sha]; known {
		return head, nil
	}
	f, err := m.cfg.Blobs.Open(sha)
	if err != nil {
		return "", err
	}
	head, err := headOf(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	m.heads[sha] = head
	return head, nil
}

// bundled finds a file of the read-only folders by its content. A second name for it needs no second copy.
func (m *Models) bundled(f core.File) *entry {
	i := slices.IndexFunc(m.scanned.good, func(e *entry) bool {
		return e.origin == originShared && e.manifest.Digest == f.SHA256 && e.manifest.Files[0].Size == f.Size
	})
	if i < 0 {
		return nil
	}
	return m.scanned.good[i]
}
