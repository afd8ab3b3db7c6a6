package models

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/models/inventory"
)

// Remove uninstalls a model: its manifest, and its file when no other model uses it. A file in the models folder is
// deleted only where that folder belongs to the home. What came with the installation is refused with CodeForbidden, an alias
// with CodeConflict. The aliases that commands gave the model go with it.
func (m *Models) Remove(ctx context.Context, name string) error {
	if strings.TrimSpace(name) == "" {
		return core.Invalid("model", "Name the model to remove.")
	}
	at, err := m.meant(name)
	if err != nil {
		return err
	}
	done, err := m.turns.take(ctx, at)
	if err != nil {
		return err
	}
	defer done()
	e := m.now.Load().Named(at)
	if e == nil {
		return m.removeBroken(ctx, name, at)
	}
	if err := m.removeEntry(ctx, e); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.Load().Named(at) != nil {
		return nil // another file has the name now
	}
	return m.dropAliases(func(_ string, p inventory.Pointer) bool { return p.Model == at })
}

// meant is the canonical name of the model, or of the broken manifest, that is to be removed.
func (m *Models) meant(name string) (string, error) {
	c := m.now.Load()
	n, parsed := core.ParseModelName(name)
	if parsed == nil {
		if err := c.Free(n.String()); err != nil {
			return "", err
		}
	}
	e, err := c.Lookup(name)
	switch {
	case err == nil:
		return e.Manifest.Name, nil
	case parsed == nil && m.broken(n.String()):
		return n.String(), nil
	}
	return "", err
}

// broken reports whether the manifest of a canonical name could not be loaded.
func (m *Models) broken(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.shelf.Path(name)
	return slices.ContainsFunc(m.pulled.Bad, func(f inventory.FailedFile) bool { return f.Path == at })
}

// removeEntry removes a model. The caller has the turn of its name.
func (m *Models) removeEntry(ctx context.Context, e *inventory.Entry) error {
	switch e.Origin {
	case inventory.Shared:
		return core.Errorf(core.CodeForbidden, "The model %s came with the installation and serves every home; it cannot be removed from one. Its file is %s.", e.Short(), e.Path)
	case inventory.Hand:
		return m.removeFile(e)
	case inventory.Elsewhere:
		return errElsewhere(e)
	case inventory.Pulled:
	}
	if err := m.shelf.Remove(ctx, e.Manifest.Name); err != nil { // while mu is free: a bucket may be slow
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pulled.Good = without(m.pulled.Good, e.Manifest.Name)
	m.rebuild()
	return m.dropUnused(ctx, e.Manifest.Digest)
}

// removeBroken removes a manifest that could not be loaded. The caller has the turn of its name.
func (m *Models) removeBroken(ctx context.Context, name, canonical string) error {
	if !m.broken(canonical) { // somebody was faster
		_, err := m.now.Load().Lookup(name)
		return err
	}
	if err := m.shelf.Remove(ctx, canonical); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.shelf.Path(canonical)
	m.pulled.Bad = slices.DeleteFunc(slices.Clone(m.pulled.Bad), func(f inventory.FailedFile) bool { return f.Path == at })
	m.rebuild()
	return nil
}

// removeFile deletes a hand-dropped file, or the folder that is a model, and what lies beside it.
func (m *Models) removeFile(e *inventory.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	rel, err := filepath.Rel(m.cfg.Home, m.cfg.ModelsDir)
	if err != nil || !filepath.IsLocal(rel) {
		return core.Errorf(core.CodeForbidden, "The file %s of the model %s lies outside this server's home, so it is not deleted. Delete it yourself and scan again.", e.Path, e.Short())
	}
	root, err := os.OpenRoot(m.cfg.ModelsDir)
	if err == nil {
		gone := removeName
		if filepath.Base(e.Path) != e.File { // the model is its folder
			gone = (*os.Root).RemoveAll
		}
		err = errors.Join(gone(root, e.File), removeName(root, e.File+inventory.Sidecar), root.Close())
	}
	if err != nil {
		return core.Wrap(core.CodeUnavailable, err, "The file %s cannot be deleted; check the owner and permissions of its folder.", e.Path)
	}
	m.scanned.Good = slices.DeleteFunc(slices.Clone(m.scanned.Good), func(o *inventory.Entry) bool { return o == e })
	m.rebuild()
	return nil
}

func removeName(root *os.Root, name string) error {
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropUnused deletes a blob that no manifest names and no pull is about to name. Where that cannot be known the blob stays, and the
// collector looks again. The caller holds mu.
func (m *Models) dropUnused(ctx context.Context, sha string) error {
	if m.held[sha] > 0 || slices.ContainsFunc(m.pulled.Good, func(e *inventory.Entry) bool { return e.Manifest.Digest == sha }) {
		return nil
	}
	if _, ok := m.cfg.Blobs.Has(sha); !ok {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // what nobody needs goes, also when the caller has gone
	named, err := m.shelf.Named(ctx)
	left := map[string]bool{}
	if err == nil {
		left, err = m.leftBehind(ctx)
	}
	if err != nil {
		m.cfg.Log.WarnContext(ctx, "a file of a model stays until it is known that nobody needs it",
			slog.String("digest", sha), slog.String("reason", core.AsError(err).Message))
		return nil // what was asked for is done
	}
	if named[sha] || left[sha] {
		return nil
	}
	delete(m.heads, sha)
	return m.cfg.Blobs.Delete(sha)
}
