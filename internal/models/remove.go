package models

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ashatai/internal/core"
)

// Remove uninstalls a model: its manifest, and its file when no other model uses it. A file in the models folder is
// deleted only where that folder belongs to the home. What came with the installation is refused with CodeForbidden, an alias
// with CodeConflict. The aliases that commands gave the model go with it.
func (m *Models) Remove(ctx context.Context, name string) error {
	if strings.TrimSpace(name) == "" {
		return core.Invalid("model", "Name the model to remove.")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, err := core.ParseModelName(name); err == nil {
		if err := m.aliasIsFree(n.String()); err != nil {
			return err
		}
	}
	e, err := m.now.Load().lookup(name)
	if err != nil {
		return m.removeBroken(ctx, name, err)
	}
	if err := m.removeEntry(ctx, e); err != nil {
		return err
	}
	if m.now.Load().byName[e.manifest.Name] != nil {
		return nil // another file has the name now
	}
	return m.dropAliases(func(_ string, p pointer) bool { return p.model == e.manifest.Name })
}

// removeEntry removes a model. The caller holds mu.
func (m *Models) removeEntry(ctx context.Context, e *entry) error {
	switch e.origin {
	case originShared:
		return core.Errorf(core.CodeForbidden, "The model %s came with the installation and serves every home; it cannot be removed from one. Its file is %s.", short(e), e.path)
	case originHand:
		return m.removeFile(e)
	case originElsewhere:
		return errElsewhere(e)
	case originPulled:
	}
	if err := m.shelf.Remove(ctx, e.manifest.Name); err != nil {
		return err
	}
	m.pulled.good = slices.DeleteFunc(slices.Clone(m.pulled.good), func(o *entry) bool { return o == e })
	m.rebuild()
	return m.dropUnused(e.manifest.Digest)
}

// removeBroken removes a manifest that could not be loaded, by its exact name; else it returns why nothing was found.
func (m *Models) removeBroken(ctx context.Context, name string, notFound error) error {
	n, err := core.ParseModelName(name)
	if err != nil {
		return notFound
	}
	at := m.shelf.Path(n.String())
	i := slices.IndexFunc(m.pulled.bad, func(f FailedFile) bool { return f.Path == at })
	if i < 0 {
		return notFound
	}
	if err := m.shelf.Remove(ctx, n.String()); err != nil {
		return err
	}
	m.pulled.bad = slices.Delete(slices.Clone(m.pulled.bad), i, i+1)
	m.rebuild()
	return nil
}

// removeFile deletes a hand-dropped file, or the folder that is a model, and what lies beside it.
func (m *Models) removeFile(e *entry) error {
	rel, err := filepath.Rel(m.cfg.Home, m.cfg.ModelsDir)
	if err != nil || !filepath.IsLocal(rel) {
		return core.Errorf(core.CodeForbidden, "The file %s of the model %s lies outside this server's home, so it is not deleted. Delete it yourself and scan again.", e.path, short(e))
	}
	root, err := os.OpenRoot(m.cfg.ModelsDir)
	if err == nil {
		gone := removeName
		if filepath.Base(e.path) != e.file { // the model is its folder
			gone = (*os.Root).RemoveAll
		}
		err = errors.Join(gone(root, e.file), removeName(root, e.file+sidecarSuffix), root.Close())
	}
	if err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The file %s cannot be deleted; check the owner and permissions of its folder.", e.path)
	}
	m.scanned.good = slices.DeleteFunc(slices.Clone(m.scanned.good), func(o *entry) bool { return o == e })
	m.rebuild()
	return nil
}

func removeName(root *os.Root, name string) error {
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropUnused deletes a blob that no installed model uses and no pull is about to name. The caller holds mu.
func (m *Models) dropUnused(sha string) error {
	if m.held[sha] > 0 || slices.ContainsFunc(m.pulled.good, func(e *entry) bool { return e.manifest.Digest == sha }) {
		return nil
	}
	if _, ok := m.cfg.Blobs.Has(sha); !ok {
		return nil
	}
	delete(m.heads, sha)
	return m.cfg.Blobs.Delete(sha)
}
