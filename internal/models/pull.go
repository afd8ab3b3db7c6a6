package models

import (
	"context"
	"errors"
	"slices"

	"ashatai/internal/core"
	"ashatai/internal/models/get"
	"ashatai/internal/models/inventory"
)

// Pull installs a model from a file, a URL, a hub or a registry. progress may be nil; it is called from one goroutine at a time. A
// download that was cut off goes on where it stopped, also after a restart, and pulls of the same file share one
// download. The file counts only when its sha256 is right and our reader accepts it.
func (m *Models) Pull(ctx context.Context, req get.Request, progress func(get.Progress)) (*core.Manifest, error) {
	if progress == nil {
		progress = func(get.Progress) {}
	}
	src, err := get.Parse(req)
	if err != nil {
		return nil, err
	}
	if src, err = m.get.Resolve(ctx, src, progress); err != nil {
		return nil, err
	}
	if err := m.nameIsFree(src.Name, src.SHA256); err != nil {
		return nil, err
	}
	const tries = 5 // a file's sha256 is known only after it was added, and somebody may remove the same file just then
	for range tries {
		man, err := m.pullOnce(ctx, src, progress)
		if !errors.Is(err, errBlobGone) {
			return man, err
		}
	}
	return nil, core.Errorf(core.CodeConflict, "The file of this model was removed while it was being installed; pull it again.")
}

// errBlobGone says that a blob went away before it was held.
var errBlobGone = errors.New("blob is gone")

func (m *Models) pullOnce(ctx context.Context, src get.Supply, progress func(get.Progress)) (man *core.Manifest, err error) {
	stays := false
	if src.SHA256 != "" {
		m.hold(src.SHA256)
		defer func() { err = errors.Join(err, m.release(ctx, src.SHA256, stays)) }()
	}
	at, err := m.obtain(ctx, src, progress)
	if err != nil {
		return nil, err
	}
	defer at.done()
	if src.SHA256 == "" {
		m.hold(at.sha)
		defer func() { err = errors.Join(err, m.release(ctx, at.sha, stays)) }()
	}
	if _, ok := m.cfg.Blobs.Has(at.sha); !ok && at.file == nil {
		return nil, errBlobGone
	}
	if man, err = m.describe(src, at); err != nil {
		return nil, err
	}
	if note := src.Annotate(man); note != "" {
		progress(get.Progress{Status: note})
	}
	if err := m.adopt(ctx, man, at); err != nil {
		return nil, err
	}
	if err := m.share(ctx, man, progress); err != nil {
		stays = true
		return nil, err
	}
	size, made := man.Files[0].Size, man
	if man, err = m.commit(ctx, man, func() {
		progress(get.Progress{Status: get.StatusManifest, Digest: at.sha, Completed: size, Total: size})
	}); err != nil {
		return nil, err
	}
	if man != made {
		progress(get.Progress{Status: get.StatusCurrent})
	}
	progress(get.Progress{Status: get.StatusSuccess, Digest: at.sha, Completed: size, Total: size})
	return man, nil
}

// hold keeps a blob from being dropped while a pull is about to name it.
func (m *Models) hold(sha string) {
	m.mu.Lock()
	m.held[sha]++
	m.mu.Unlock()
}

// release ends a hold, and drops the blob when nothing came of it. One that stays is for another try, and is the collector's if there
// is none.
func (m *Models) release(ctx context.Context, sha string, stays bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[sha]--; m.held[sha] == 0 {
		delete(m.held, sha)
	}
	if stays {
		m.wanted[sha] = m.cfg.Now()
		return nil
	}
	return m.dropUnused(ctx, sha)
}

// nameIsFree refuses the name of a model whose file is not ours to replace, unless it is the same file.
func (m *Models) nameIsFree(name, sha string) error {
	if err := m.now.Load().Free(name); err != nil {
		return err
	}
	e := m.now.Load().Named(name)
	if e == nil || e.Origin == inventory.Pulled || e.Origin == inventory.Elsewhere || sha == "" || e.Manifest.Digest == sha {
		return nil
	}
	return core.Errorf(core.CodeConflict, "The model name %s belongs to the file %s; pull under another name.", e.Short(), e.Path)
}

// commit gives the blob, which the caller holds, its name. Where the name has just that model it writes nothing, and returns what is
// there; else it calls writing first.
func (m *Models) commit(ctx context.Context, man *core.Manifest, writing func()) (*core.Manifest, error) {
	if m.cfg.Depot != nil && m.there(man) {
		m.Refresh(ctx) // another server may have removed it, so that it has to be written again
	}
	if !m.there(man) {
		writing()
	}
	done, err := m.turns.take(ctx, man.Name)
	if err != nil {
		return nil, err
	}
	defer done()
	e, replaced, err := m.prepare(man)
	if err != nil {
		return nil, err
	}
	if e.Manifest != man {
		return e.Manifest, nil
	}
	if err := m.shelf.Write(ctx, man); err != nil { // while mu is free: a bucket may be slow
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.shelf.Path(man.Name)
	m.pulled = inventory.Found{
		Good: append([]*inventory.Entry{e}, without(m.pulled.Good, man.Name)...),
		Bad:  slices.DeleteFunc(slices.Clone(m.pulled.Bad), func(f inventory.FailedFile) bool { return f.Path == at }),
	}
	m.rebuild()
	if replaced == "" {
		return man, nil
	}
	return man, m.dropUnused(ctx, replaced)
}

// prepare makes the entry of a manifest that is about to be written. replaced is the blob that its name has now; empty where it has
// none. What has the name and need not be written, since it is the same, is returned as it is.
func (m *Models) prepare(man *core.Manifest) (e *inventory.Entry, replaced string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.now.Load().Free(man.Name); err != nil {
		return nil, "", err
	}
	if e := m.now.Load().Named(man.Name); e != nil && e.Origin != inventory.Pulled && e.Origin != inventory.Elsewhere {
		return e, "", m.nameIsFree(man.Name, man.Digest)
	}
	if e, err = m.installed(man); err != nil {
		return nil, "", err
	}
	for _, o := range m.pulled.Good {
		switch {
		case o.Manifest.Name != man.Name:
		case unchanged(o.Manifest, man):
			return o, "", nil
		default:
			replaced = o.Manifest.Digest
		}
	}
	return e, replaced, nil
}

// without is a list without the models of a name.
func without(list []*inventory.Entry, name string) []*inventory.Entry {
	return slices.DeleteFunc(slices.Clone(list), func(e *inventory.Entry) bool { return e.Manifest.Name == name })
}
