package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ashatai/internal/store"
	"ashatai/internal/store/sqlite/query"
)

type models struct{ db *DB }

// Get implements store.Models.
func (m models) Get(ctx context.Context, path string) (store.ModelFile, bool, error) {
	row, err := m.db.reader().GetModelFile(ctx, path)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ModelFile{}, false, nil
	}
	if err != nil {
		return store.ModelFile{}, false, m.db.explain(err)
	}
	return modelFile(row), true, nil
}

// Put implements store.Models.
func (m models) Put(ctx context.Context, row store.ModelFile) error {
	return m.db.explain(m.db.writer().PutModelFile(ctx, query.PutModelFileParams{
		Path: row.Path, Size: row.Size, ModTime: row.ModTime.UnixNano(), Rules: row.Rules,
		Sha256: row.SHA256, Head: row.Head, Manifest: row.Manifest, Error: row.Error,
	}))
}

// Delete implements store.Models.
func (m models) Delete(ctx context.Context, path string) error {
	return m.db.explain(m.db.writer().DeleteModelFile(ctx, path))
}

// List implements store.Models.
func (m models) List(ctx context.Context) ([]store.ModelFile, error) {
	rows, err := m.db.reader().ListModelFiles(ctx)
	if err != nil {
		return nil, m.db.explain(err)
	}
	list := make([]store.ModelFile, len(rows))
	for i, r := range rows {
		list[i] = modelFile(r)
	}
	return list, nil
}

func modelFile(r query.ModelFile) store.ModelFile {
	return store.ModelFile{
		Path: r.Path, Size: r.Size, ModTime: time.Unix(0, r.ModTime).UTC(), Rules: r.Rules,
		SHA256: r.Sha256, Head: r.Head, Manifest: r.Manifest, Error: r.Error,
	}
}

type meta struct{ db *DB }

// Get implements store.Meta.
func (m meta) Get(ctx context.Context, key string) (string, bool, error) {
	v, err := m.db.reader().GetMeta(ctx, key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return v, err == nil, m.db.explain(err)
}

// Set implements store.Meta.
func (m meta) Set(ctx context.Context, key, value string) error {
	return m.db.explain(m.db.writer().SetMeta(ctx, query.SetMetaParams{Key: key, Value: value}))
}
