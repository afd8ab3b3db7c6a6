package models

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ashatai/internal/core"
	"ashatai/internal/models/facts"
)

// Scan looks at the shared folders, the models folder and the manifests again. Files that did not change are not read
// again. It fails only when ctx ends, and changes nothing then.
func (m *Models) Scan(ctx context.Context) (Report, error) {
	m.scanning.Lock()
	defer m.scanning.Unlock()
	_, _ = m.sync(ctx) // the log has it, and what was known before goes on to count
	s := &scanner{index: m.cfg.Index, log: m.cfg.Log, now: m.cfg.Now, before: m.loadedBefore(), seen: map[string]bool{}}
	var all found
	for _, dir := range m.cfg.Shared {
		all.add(s.folder(ctx, dir, originShared))
	}
	all.add(s.folder(ctx, m.cfg.ModelsDir, originHand))
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	s.forget(ctx)

	m.mu.Lock()
	defer m.mu.Unlock()
	m.scanned = all
	m.pulled = m.loadPulled(ctx, s.before)
	m.rebuild()
	r := m.Report()
	for _, f := range r.Failed {
		m.cfg.Log.WarnContext(ctx, "model file not usable", slog.String("path", f.Path), slog.String("reason", f.Error))
	}
	return r, nil
}

// loadedBefore is what was usable until now, by path.
func (m *Models) loadedBefore() map[string]*entry {
	before := map[string]*entry{}
	if c := m.now.Load(); c != nil {
		for _, e := range c.entries {
			before[e.path] = e
		}
	}
	return before
}

// folder looks at the model files of one folder. A folder that does not exist holds none.
func (s *scanner) folder(ctx context.Context, dir string, o origin) found {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		s.log.DebugContext(ctx, "models folder does not exist", slog.String("dir", dir))
		return found{}
	}
	if err != nil {
		s.unread = append(s.unread, dir)
		return found{bad: []FailedFile{unreadableFolder(dir)}}
	}
	defer func() { _ = root.Close() }() // only read
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		s.unread = append(s.unread, dir)
		return found{bad: []FailedFile{unreadableFolder(dir)}}
	}
	var all found
	for _, f := range files {
		name := f.Name()
		switch {
		case ctx.Err() != nil:
			continue
		case f.IsDir() && facts.Main(root, name) != "":
			name = name + "/" + facts.Main(root, name)
		case !strings.EqualFold(filepath.Ext(name), facts.Suffix):
			continue
		}
		path := filepath.Join(dir, name)
		s.seen[path] = true
		switch e, err := s.file(ctx, root, name, path, o); {
		case errors.Is(err, fs.ErrNotExist): // gone since the folder was read
		case err != nil:
			all.bad = append(all.bad, FailedFile{FileName: name, Path: path, Error: core.AsError(err).Message})
			s.log.DebugContext(ctx, "model file failed", slog.String("path", path), slog.Any("error", err))
		default:
			all.good = append(all.good, e)
		}
	}
	return all
}

func unreadableFolder(dir string) FailedFile {
	return FailedFile{FileName: filepath.Base(dir), Path: dir, Error: fmt.Sprintf(
		"The folder %s cannot be read; check that it is a folder, and its owner and permissions.", dir)}
}

// forget drops the rows of files that are gone. A folder that could not be read keeps its rows.
func (s *scanner) forget(ctx context.Context) {
	rows, err := s.index.List(ctx)
	if err != nil {
		s.warn(ctx, err)
		return
	}
	for _, row := range rows {
		dir := filepath.Dir(row.Path)
		if s.seen[row.Path] || slices.Contains(s.unread, dir) {
			continue
		}
		if err := s.index.Delete(ctx, row.Path); err != nil {
			s.warn(ctx, err)
			return
		}
	}
}
