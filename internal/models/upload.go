package models

import (
	"context"
	"io"

	"ashatai/internal/core"
	"ashatai/internal/models/facts"
)

// HasBlob reports whether a file with this sha256, in lower-case hex, is stored.
func (m *Models) HasBlob(sha string) bool {
	_, ok := m.cfg.Blobs.Has(sha)
	if ok {
		m.mu.Lock()
		m.wanted[sha] = m.cfg.Now()
		m.mu.Unlock()
	}
	return ok
}

// PutBlob stores a file for Create, and reports whether it was new. size is how many bytes are coming, negative when it is
// not known. Content with another sha256 is CodeBadModel, and nothing is kept then.
func (m *Models) PutBlob(ctx context.Context, sha string, size int64, r io.Reader) (created bool, err error) {
	if m.HasBlob(sha) {
		return false, nil
	}
	if m.cfg.Room != nil {
		err = m.cfg.Room(ctx, size)
	} else {
		err = m.cfg.Blobs.Room(size)
	}
	if err != nil {
		return false, err
	}
	if _, _, err := m.cfg.Blobs.Put(ctx, r, sha); err != nil {
		return false, err
	}
	return true, nil
}

// Metadata is what a model's file says of itself, by key; empty for other files than GGUF. Lists are nil: a vocabulary's are huge.
func (m *Models) Metadata(ctx context.Context, name string) (map[string]any, error) {
	e, err := m.now.Load().Resolve(name)
	if err != nil {
		return nil, err
	}
	if e.Manifest.Format != facts.FormatGGUF {
		return map[string]any{}, nil
	}
	done, err := m.bring(ctx, e)
	if err != nil {
		return nil, err
	}
	defer done()
	meta, err := facts.Metadata(e.Path)
	if err != nil {
		return nil, core.Wrap(core.CodeBadModel, err, "The file of the model %s cannot be read any more; scan again, or install it again.", e.Short())
	}
	return meta, nil
}
